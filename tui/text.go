package tui

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/trial"
)

// formatNum formats a measured number with about three digits. If n is not measured
// the result is none.
func formatNum(n trial.Num, none string) string {
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

// na formats a measured number; "n/a" if it is not measured.
func na(n trial.Num) string { return formatNum(n, "n/a") }

// limitMS is the limit of an SLA in ms.
func limitMS(s trial.SLA) float64 { return float64(s.Limit) / float64(time.Millisecond) }

// plainMS formats a limit without trailing zeros: 20, 0.5.
func plainMS(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// percentileName is the name of the value that an SLA limits: "P99", "P50 of the model".
func percentileName(s trial.SLA) string {
	name := fmt.Sprintf("P%g", s.Percentile)
	if s.Latency == trial.ModelLatency {
		name += " of the model"
	}
	return name
}

// promiseText is the percentile and the limit of an SLA: "P99 <= 20 ms".
func promiseText(s trial.SLA) string {
	return fmt.Sprintf("%s <= %s ms", percentileName(s), plainMS(limitMS(s)))
}

// percentileOf is the value of a trial that an SLA limits.
func percentileOf(t *trial.Trial, s trial.SLA) trial.Num {
	if s.Percentile == 99 && s.Latency == trial.RequestLatency {
		return t.Latency.P99.Value // of all runs of a row; a verdict is of one run
	}
	return t.Verdict.ValueMS
}

// rateAtPercentile is the throughput of a trial and its percentile of the promise: "528/s at P99 41.2 ms".
func rateAtPercentile(t *trial.Trial, s trial.SLA) string {
	return fmt.Sprintf("%s/s at %s %s ms", na(t.Throughput.Value), percentileName(s), na(percentileOf(t, s)))
}

// percentOfLimit is v as a percentage of the limit: "(74%)". It is empty if v is not
// measured.
func percentOfLimit(v trial.Num, limit float64) string {
	x, ok := v.Get()
	if !ok || limit <= 0 {
		return ""
	}
	return "(" + limitShare(x, limit) + ")"
}

// limitShare is the share of a limit that a value uses, never 0% by rounding.
func limitShare(v, limit float64) string {
	if share := 100 * v / limit; share >= .5 || share <= 0 {
		return fmt.Sprintf("%.0f%%", share)
	}
	return "<1%"
}

// intervalText is a blank and the 95% interval of a number, or the end that is known.
func intervalText(low, high trial.Num) string {
	switch {
	case !low.OK() && !high.OK():
		return ""
	case !high.OK():
		return " at least " + na(low)
	case !low.OK():
		return " at most " + na(high)
	}
	return " " + na(low) + "–" + na(high)
}

// groupDigits formats a count with blanks between thousands: 63 120.
func groupDigits(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// wholeSeconds formats a duration in whole seconds, from an hour in minutes: 8s, 7m51s,
// 1h02m.
func wholeSeconds(d time.Duration) string {
	s := int(max(d, 0).Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}

// tenths formats a duration in tenths of a second: 1.8 s.
func tenths(d time.Duration) string {
	return strconv.FormatFloat(max(d, 0).Seconds(), 'f', 1, 64) + " s"
}

// shortDuration formats a duration in ms below a second, then in tenths of a second:
// 12ms, 1.8 s.
func shortDuration(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return tenths(d)
}

// percentText formats a measured percentage.
func percentText(n trial.Num) string {
	if !n.OK() {
		return "n/a"
	}
	return na(n) + "%"
}

// shareText formats a share as a whole percentage.
func shareText(n trial.Num) string {
	v, ok := n.Get()
	if !ok {
		return "n/a"
	}
	return fmt.Sprintf("%.0f%%", 100*v)
}

// megabytes formats a measured size of memory.
func megabytes(n trial.Num) string {
	if !n.OK() {
		return "n/a"
	}
	return na(n) + " MB"
}

// knobValue is the value of a knob as the screen shows it, without its unit.
func knobValue(s knob.Settings, n knob.Name) string {
	if n == knob.FP16 && s.Has(n) {
		if s.Precision == knob.HalfPrecision {
			return "on"
		}
		return "off"
	}
	return s.Display(n)
}

// unitText is a blank and the unit of a knob; empty without a unit.
func unitText(k knob.Knob) string {
	if k.Unit != "" {
		return " " + k.Unit
	}
	return ""
}

// changeText is the values that differ: "workers 2→4, batch size 8→16".
func (m *model) changeText(from, to knob.Settings) string {
	var out []string
	for _, k := range m.knobs() {
		if a, b := knobValue(from, k.Name), knobValue(to, k.Name); a != b {
			out = append(out, k.Label+" "+a+"→"+b+unitText(k))
		}
	}
	return strings.Join(out, ", ")
}

// settingsText is the values of the standard knobs that the Live view can change, then
// those of the target's own knobs. A value that is not known is left out.
func settingsText(s knob.Settings) string {
	var parts []string
	for _, f := range []struct {
		name knob.Name
		text string
	}{{knob.Workers, "workers %s"}, {knob.BatchSize, "batch %s"}, {knob.BatchDelay, "delay %s ms"}, {knob.FP16, "FP16 %s"}} {
		if s.Has(f.name) {
			parts = append(parts, fmt.Sprintf(f.text, knobValue(s, f.name)))
		}
	}
	for n, v := range s.Own.All() {
		parts = append(parts, string(n)+" "+v)
	}
	return strings.Join(parts, "  ")
}

// shortSettings is the values of the usual knobs as a name for a setting: "w2 b8 d5 FP16".
func shortSettings(s knob.Settings) string {
	var parts []string
	for _, f := range []struct {
		name   knob.Name
		prefix string
	}{{knob.Workers, "w"}, {knob.BatchSize, "b"}, {knob.BatchDelay, "d"}} {
		if s.Has(f.name) {
			parts = append(parts, f.prefix+s.Get(f.name))
		}
	}
	if s.Precision == knob.HalfPrecision {
		parts = append(parts, "FP16")
	}
	for n, v := range s.Own.All() {
		parts = append(parts, string(n)+"="+v)
	}
	return strings.Join(parts, " ")
}

// ofMaxBatch is the batch size in a text such as "formed batch 5.9 of 8".
func ofMaxBatch(s knob.Settings) string {
	if !s.Has(knob.BatchSize) {
		return ""
	}
	return fmt.Sprintf(" of %d", s.BatchSize)
}

// plural is a count with a noun: "1 error", "2 errors".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return groupDigits(n) + " " + what + "s"
}

// firstLine is s up to its first line break.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// shortPath writes a path in the home directory with ~, as shells read it.
func shortPath(path string) string {
	home, err := os.UserHomeDir()
	if err != nil || home == "" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(home, "/")+"/"); ok && !strings.ContainsAny(rest, " ~") {
		return "~/" + rest
	}
	return path
}
