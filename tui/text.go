package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/trial"
)

// figure formats a measured number with about three digits, or none.
func figure(n trial.Num, none string) string {
	v, ok := n.Get()
	switch {
	case !ok:
		return none
	case v >= 99.95 || v <= -99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995 || v <= -9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// na formats a measured number, or n/a.
func na(n trial.Num) string { return figure(n, "n/a") }

// limitMS is the promise's limit in ms.
func limitMS(s trial.SLA) float64 { return float64(s.Limit) / float64(time.Millisecond) }

// plainMS formats a limit or delay as people write it: 20, 0.5.
func plainMS(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// promise is the SLA in few words: "P99 <= 20 ms".
func promise(s trial.SLA) string {
	which := ""
	if s.Latency == trial.Model {
		which = " of the model"
	}
	return fmt.Sprintf("P%g%s <= %s ms", s.Percentile, which, plainMS(limitMS(s)))
}

// share is v as a percentage of the limit: "(74%)", or nothing.
func share(v trial.Num, limit float64) string {
	x, ok := v.Get()
	if !ok || limit <= 0 {
		return ""
	}
	return fmt.Sprintf("(%.0f%%)", x/limit*100)
}

// group writes a count with blanks between thousands: 63 120.
func group(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// clock is a duration for people, in whole seconds: 8s, 7m51s, 1h02m.
func clock(d time.Duration) string {
	s := int(max(d, 0).Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}

// seconds is a duration with tenths: 1.8 s.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(max(d, 0).Seconds(), 'f', 1, 64) + " s"
}

// took is a duration between microseconds and minutes: 12 ms, 1.8 s.
func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return seconds(d)
}

// percent is a measured percentage with its sign.
func percent(n trial.Num) string {
	if !n.OK() {
		return "n/a"
	}
	return na(n) + "%"
}

// shareText is a share as a whole percentage, or n/a.
func shareText(n trial.Num) string {
	v, ok := n.Get()
	if !ok {
		return "n/a"
	}
	return fmt.Sprintf("%.0f%%", 100*v)
}

// ago is the left end of a time axis: -75s, -10m.
func ago(n int) string {
	if n >= 120 && n%60 == 0 {
		return fmt.Sprintf("-%dm", n/60)
	}
	return fmt.Sprintf("-%ds", n)
}

// value is one knob's value as the screens show it, without its unit.
func value(s knob.Settings, n knob.Name) string {
	if n == knob.FP16 && s.Told(n) {
		if s.Precision == knob.HalfPrecision {
			return "on"
		}
		return "off"
	}
	return s.Show(n)
}

// unit is a knob's unit with a blank before it.
func unit(k knob.Knob) string {
	if k.Unit != "" {
		return " " + k.Unit
	}
	return ""
}

// difference is what a change changed: "workers 2→4, batch size 8→16".
func (m *model) difference(from, to knob.Settings) string {
	var out []string
	for _, k := range m.knobs() {
		if a, b := value(from, k.Name), value(to, k.Name); a != b {
			out = append(out, k.Label+" "+a+"→"+b+unit(k))
		}
	}
	return strings.Join(out, ", ")
}

// settingsText is settings in the order of the knobs, short; the target's own stand
// behind. What is not known is left out.
func settingsText(s knob.Settings) string {
	var parts []string
	for _, f := range []struct {
		name knob.Name
		text string
	}{{knob.Workers, "workers %s"}, {knob.BatchSize, "batch %s"}, {knob.BatchDelay, "delay %s ms"}, {knob.FP16, "FP16 %s"}} {
		if s.Told(f.name) {
			parts = append(parts, fmt.Sprintf(f.text, value(s, f.name)))
		}
	}
	for n, v := range s.Own.All() {
		parts = append(parts, string(n)+" "+v)
	}
	return strings.Join(parts, "  ")
}

// ofBatch ends "formed batch 5.9" with the largest there may be.
func ofBatch(s knob.Settings) string {
	if !s.Told(knob.BatchSize) {
		return ""
	}
	return fmt.Sprintf(" of %d", s.BatchSize)
}

// plural is "1 error", "2 errors".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return group(n) + " " + what + "s"
}

// firstLine is s up to its first line break.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
