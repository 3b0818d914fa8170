package knob

import (
	"fmt"
	"slices"
	"strings"
)

// Place is a device and precision on which a model can run.
type Place struct {
	Device    string    `json:"device"`
	Precision Precision `json:"precision"`
	Workers   int       `json:"workers"` // largest number there; 0 is no limit
}

// NoPlace is a device and precision on which a model cannot run although it runs on that device or in that precision, and why.
type NoPlace struct {
	Device    string    `json:"device"`
	Precision Precision `json:"precision"`
	Why       string    `json:"why"`
}

// Devices returns the devices of the places, in order and without duplicates; nil if the places
// are unknown.
func (l Limits) Devices() []string {
	var out []string
	for _, p := range l.Places {
		if !slices.Contains(out, p.Device) {
			out = append(out, p.Device)
		}
	}
	return out
}

// Precisions returns the precisions of the places, FP32 first; nil if the places are unknown.
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

// CheckPlace returns an error with the reason, if it is known, and the possible places if the model cannot run on
// the device and in the precision of the settings. A gpu:N without a place of its own
// has the places of gpu. A precision that is not reported may be any.
func (l Limits) CheckPlace(s Settings) error {
	if len(l.Places) == 0 {
		return nil
	}
	class, _, _ := strings.Cut(s.Device, ":")
	for _, device := range []string{s.Device, class} {
		i := slices.IndexFunc(l.Places, func(p Place) bool { return p.Device == device && (!s.Has(FP16) || p.Precision == s.Precision) })
		if i < 0 {
			continue
		}
		if limit := l.Places[i].Workers; limit > 0 && s.Workers > limit {
			return fmt.Errorf("workers: %d on %s in %s is outside 1-%d", s.Workers, s.Device, s.Precision, limit)
		}
		return nil
	}
	var all []string
	for _, p := range l.Places {
		all = append(all, p.Device+" in "+p.Precision.String())
	}
	return fmt.Errorf("device: the model cannot run on %s in %s%s; it can run on %s", s.Device, s.Precision, reasonSuffix(l.WhyNot(s)), strings.Join(all, ", "))
}

// WhyNot returns why the model cannot run on the device and in the precision of the settings; "" if that is not known.
func (l Limits) WhyNot(s Settings) string {
	class, _, _ := strings.Cut(s.Device, ":")
	for _, p := range l.NoPlaces {
		if p.Precision == s.Precision && (p.Device == s.Device || p.Device == class) {
			return p.Why
		}
	}
	return ""
}
