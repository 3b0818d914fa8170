package search_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// slowModel returns a history with one probe of a model that takes 2 s per item.
func slowModel() trial.History {
	return trial.History{Probes: []trial.Probe{{Settings: knob.Default(knob.TorchServe), BatchSize: 1, ServiceTime: trial.ServiceTime{Median: trial.NumOf(2000)}}}}
}

// passText is the text about the answers that a pass of a percentile needs.
func passText(percentile float64) string {
	return fmt.Sprintf("a pass of a P%g takes about %d answers", percentile, stat.Needed(percentile/100))
}

// passTime is the text about their time with the slow model.
func passTime(percentile float64) string { return timeText(stat.Needed(percentile / 100)) }

func timeText(answers int) string {
	return search.RoughDuration(time.Duration(answers) * 2 * time.Second)
}

// A cost that exceeds the budget is reported with the alternatives.
func TestCost(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*plan.Plan)
		found  trial.History
		fits   bool
		want   []string // parts of TooShort, or of String if it fits
	}{
		{"a slow model", func(p *plan.Plan) { p.Budget.Time = 45 * time.Second }, slowModel(), false, []string{
			passText(99) + ": " + passTime(99) + " at 2.0 s an item; the budget is 45s.",
			fmt.Sprintf("--percentile 90 takes %d, %s", stat.Needed(.9), passTime(90)), "a longer --budget", "--requests N",
		}},
		{"a long budget", func(p *plan.Plan) { p.Budget.Time = 4 * time.Hour }, slowModel(), true, []string{passTime(99) + " at 2.0 s an item"}},
		{"no budget", func(p *plan.Plan) { p.Budget.Time = 0 }, slowModel(), true, nil},
		{"a slow load", func(p *plan.Plan) { p.Loads = []load.Spec{{Mode: load.Open, Rate: .1}} }, slowModel(), false, []string{"at 10.0 s an item"}},
		{"a slow load of an unknown model", func(p *plan.Plan) { p.Loads = []load.Spec{{Mode: load.Open, Rate: .1}} }, trial.History{}, false, nil},
		{"no rate", nil, trial.History{}, true, []string{passText(99)}},
		{"more answers than a trial has requests", func(p *plan.Plan) { p.SLA.Percentile = 99.95 }, trial.History{}, false, []string{
			passText(99.95) + "; a trial has at most 20000", fmt.Sprintf("--percentile 95 takes %d", stat.Needed(.95)),
		}},
	} {
		p := plan.Default()
		if tt.change != nil {
			tt.change(&p)
		}
		c := search.CostOf(p, tt.found)
		text := c.TooShort()
		if c.Fits() != tt.fits || (text == "") != tt.fits {
			t.Errorf("%s: fits %v, %q", tt.name, c.Fits(), text)
		}
		if tt.fits {
			text = c.String()
		}
		for _, w := range tt.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q, want it to say %q", tt.name, text, w)
			}
		}
	}
}

// If answers are missing for a pass, MissingAnswers says how many.
func TestCostMissingAnswers(t *testing.T) {
	p := plan.Default()
	p.SLA.Percentile = 90
	c := search.CostOf(p, slowModel())
	undecided := func(ok int, ms float64) trial.Trial {
		x := trial.Trial{}
		x.Counts.OK, x.Throughput.Value = ok, trial.NumOf(.5)
		x.Verdict = trial.Verdict{LimitMS: 100, ValueMS: trial.NumOf(ms)}
		return x
	}
	more := func(n int) string { return fmt.Sprintf("about %d more answers, %s", n, timeText(n)) }
	for _, tt := range []struct {
		name   string
		trials []trial.Trial
		want   string
	}{
		{"nothing measured", nil, more(stat.Needed(.9))},
		{"some", []trial.Trial{undecided(40, 50), undecided(100, 200)}, more(stat.Needed(.9) - 40)},
		{"over the limit", []trial.Trial{undecided(100, 200)}, ""},
		{"enough, and still not certain", []trial.Trial{undecided(400, 99)}, ""},
	} {
		if got := c.MissingAnswers(tt.trials); tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRoughDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 250 * time.Microsecond: "0.25 ms", 12 * time.Millisecond: "12 ms", 250 * time.Millisecond: "0.2 s",
		1500 * time.Millisecond: "1.5 s", 100 * time.Second: "100 s", 10 * time.Minute: "10 minutes", 3 * time.Hour: "3.0 hours", 100 * time.Hour: "4 days",
	} {
		if got := search.RoughDuration(d); got != want {
			t.Errorf("RoughDuration(%v) = %q, want %q", d, got, want)
		}
	}
}
