package export

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/knob"
)

// ErrIncomplete is wrapped by the error of an export for which settings are missing, because
// the measured server does not report them.
var ErrIncomplete = errors.New("--format json writes the known ones")

// checkComplete returns an error if a common knob is not known, apart from those for which the file has
// no key. A file for another server cannot be written without it: that server would use its default,
// which was not measured.
func checkComplete(s Source, noKey ...knob.Name) error {
	var missing []string
	for _, k := range knob.All() {
		if !s.Settings.Has(k.Name) && !slices.Contains(noKey, k.Name) {
			missing = append(missing, string(k.Name))
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("the measured server does not report its %s; %w", strings.Join(missing, ", "), ErrIncomplete)
}

// commonSettings returns the settings without the own knobs of the measured server, which
// other servers do not have.
func commonSettings(s Source) knob.Settings {
	s.Settings.Own = ""
	return s.Settings
}

// onlyOptions reports whether all own values are options of the sessions of the local engine.
func onlyOptions(o knob.OwnValues) bool {
	return !slices.ContainsFunc(o.Names(), func(n knob.Name) bool { return !knob.IsOption(n) })
}

// ownNotes says that own knobs of the measured server are not written.
func ownNotes(s Source) []string {
	if s.Settings.Own == "" {
		return nil
	}
	if onlyOptions(s.Settings.Own) {
		return []string{fmt.Sprintf("Measured with the ONNX Runtime session options %s, for which this file has no key: "+
			"set them in the handler. The figures above apply to these values only.", s.Settings.Own.Describe())}
	}
	return []string{fmt.Sprintf("The measured server has own knobs (%s), for which this file has no key: "+
		"set them on that server. The figures above apply to these values only.", s.Settings.Own.Describe())}
}
