package export

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/knob"
)

// ErrUntold is in the error of an export that has nothing to write: the measured
// server does not tell what the format is made of.
var ErrUntold = errors.New("--format json has what is known")

// untold is an error where one of the seven is not known. No file of another server
// can be made of the rest: a value left out is that server's default, which nobody
// measured.
func untold(s Source) error {
	var missing []string
	for _, k := range knob.All() {
		if !s.Settings.Has(k.Name) {
			missing = append(missing, string(k.Name))
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("the measured server does not tell its %s; %w", strings.Join(missing, ", "), ErrUntold)
}

// plainSettings are the settings without the knobs of the measured server's own, which
// no other server has.
func plainSettings(s Source) knob.Settings {
	s.Settings.Own = ""
	return s.Settings
}

// onlyOptions tells whether all own values are options of our engine's sessions.
func onlyOptions(o knob.OwnValues) bool {
	return !slices.ContainsFunc(o.Names(), func(n knob.Name) bool { return !knob.IsOption(n) })
}

// ownNotes say of knobs of the measured server's own that they are not written.
func ownNotes(s Source) []string {
	if s.Settings.Own == "" {
		return nil
	}
	if onlyOptions(s.Settings.Own) {
		return []string{fmt.Sprintf("Measured with the ONNX Runtime session options %s, for which there is no key here: "+
			"set them in the handler, since the figures above hold with these values only.", s.Settings.Own.Describe())}
	}
	return []string{fmt.Sprintf("The measured server has knobs of its own (%s), for which there is no key here: "+
		"set them there, since the figures above hold with these values only.", s.Settings.Own.Describe())}
}
