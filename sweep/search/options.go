package search

import (
	"fmt"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// OptionEffects describes what the options that the sweep varied change: for each option the P99 and
// the processor time per request with the value of trials[best], and with other values and otherwise
// equal settings. It is "" if there is nothing to compare.
func OptionEffects(trials []trial.Trial, best int) string {
	if best < 0 || best >= len(trials) {
		return ""
	}
	chosen := rank.RowOf(trials, best).Joined
	rows := rank.Rows(trials)
	var out []string
	for n := range chosen.Settings.Own.All() {
		if !knob.IsOption(n) {
			continue
		}
		texts := []string{optionText(n, chosen)}
		for _, r := range rows {
			t := r.Joined
			if v := t.Settings.Own.Get(n); v != chosen.Settings.Own.Get(n) && differOnlyIn(n, chosen, t) && t.Error == "" {
				texts = append(texts, optionText(n, t))
			}
		}
		if len(texts) > 1 {
			out = append(out, strings.Join(texts, "; "))
		}
	}
	return strings.Join(out, ". ")
}

// differOnlyIn reports whether two trials have the same load and the same settings but for one own value.
func differOnlyIn(n knob.Name, a, b trial.Trial) bool {
	x, y := a.Settings, b.Settings
	if x.Own.Set(n, "") != nil || y.Own.Set(n, "") != nil {
		return false
	}
	return x == y && a.Load == b.Load
}

// optionText is "spin off: P99 4.1 ms, 1.9 ms of CPU per request".
func optionText(n knob.Name, t trial.Trial) string {
	text := fmt.Sprintf("%s %s: P99 %s ms", n, t.Settings.Own.Get(n), t.Latency.P99.Value.Text(1))
	if cpu := t.CPUPerRequest(); cpu.OK() {
		text += fmt.Sprintf(", %s ms of CPU per request", cpu.Text(2))
	}
	return text
}
