package knob

import (
	"fmt"
	"slices"
	"strings"
)

// Place is where a model can run: a device with a precision.
type Place struct {
	Device    string    `json:"device"`
	Precision Precision `json:"precision"`
	Workers   int       `json:"workers"` // most of them there; 0 does not limit
}

// Devices are those of the places, each once, in their order; nil where nobody
// lists them.
func (l Limits) Devices() []string {
	var out []string
	for _, p := range l.Places {
		if !slices.Contains(out, p.Device) {
			out = append(out, p.Device)
		}
	}
	return out
}

// Precisions are those of the places, FP32 first; nil where nobody lists them.
func (l Limits) Precisions() []Precision {
	var out []Precision
	for _, p := range l.Places {
		if !slices.Contains(out, p.Precision) {
			out = append(out, p.Precision)
		}
	}
	slices.Sort(out)
	return out
}

// Offer is an error that says what there is if the model cannot run where the
// settings want it. gpu:N is a gpu where it has no place of its own.
func (l Limits) CheckPlace(s Settings) error {
	if len(l.Places) == 0 {
		return nil
	}
	class, _, _ := strings.Cut(s.Device, ":")
	for _, device := range []string{s.Device, class} {
		i := slices.IndexFunc(l.Places, func(p Place) bool { return p.Device == device && p.Precision == s.Precision })
		if i < 0 {
			continue
		}
		if most := l.Places[i].Workers; most > 0 && s.Workers > most {
			return fmt.Errorf("workers: %d on %s in %s is outside 1-%d", s.Workers, s.Device, s.Precision, most)
		}
		return nil
	}
	var all []string
	for _, p := range l.Places {
		all = append(all, p.Device+" in "+p.Precision.String())
	}
	return fmt.Errorf("device: %s in %s is not there; there is %s", s.Device, s.Precision, strings.Join(all, ", "))
}
