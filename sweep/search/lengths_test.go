package search

import (
	"testing"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// lengthProbe is a probe of batches of b whose times depend on lengths: each ms an element.
func lengthProbe(w, b int, each float64, drawn []int64) trial.Probe {
	p := trial.Probe{
		Settings: settings(w, b), BatchSize: b, Runs: 16,
		ServiceTime: trial.ServiceTime{Median: trial.NumOf(float64(b) * each * 50), Spread: trial.NumOf(.02)},
	}
	if drawn != nil {
		p.Lengths = &trial.ProbeLengths{RunMS: trial.NumOf(0), ElementUS: trial.NumOf(1000 * each), Spread: trial.NumOf(.9), Drawn: drawn}
	}
	return p
}

// TestForecastOfLengths: with the same mean times, a mixture of lengths has a longer tail than
// equal lengths.
func TestForecastOfLengths(t *testing.T) {
	p := plan.Default()
	mixed := []int64{10, 10, 10, 10, 10, 10, 10, 10, 10, 410} // mean 50
	forecastOf := func(drawn []int64) forecast {
		m := newSimulator(p, nil, []trial.Probe{lengthProbe(1, 1, .1, drawn), lengthProbe(1, 4, .1, drawn)})
		return m.forecast(plan.Point{Settings: settings(1, 4), Load: load.Spec{Concurrency: 4}}, minSimulated)
	}
	one, many := forecastOf(nil), forecastOf(mixed)
	if many.value < 1.5*one.value {
		t.Errorf("P99 of mixed lengths %.1f ms, of equal ones %.1f ms: want at least half as much again", many.value, one.value)
	}
	if many.rate < .7*one.rate || many.rate > 1.3*one.rate {
		t.Errorf("%.1f requests/s of mixed lengths, %.1f of equal ones: want about the same", many.rate, one.rate)
	}
}

func TestLengthsOf(t *testing.T) {
	p := plan.Default()
	a, b := []int64{1, 2}, []int64{3, 4}
	m := newSimulator(p, nil, []trial.Probe{lengthProbe(1, 4, .1, a), lengthProbe(1, 2, .2, b), lengthProbe(4, 2, .2, b)})
	l := m.lengthsOf(groupOf(settings(1, 1)))
	if l == nil || l.Drawn[0] != 1 || l.Each != 1e5 || l.Spread != maxSpread {
		t.Errorf("lengths of 1 worker are %+v, want those of the larger batch, with a bounded spread", l)
	}
	if l := m.lengthsOf(groupOf(settings(2, 1))); l == nil || l.Drawn[0] != 3 {
		t.Errorf("lengths of 2 workers, which were not probed, are %+v, want those of 4", l)
	}
	if m := newSimulator(p, nil, []trial.Probe{lengthProbe(1, 4, .1, nil)}); m.lengthsOf(groupOf(settings(1, 4))) != nil {
		t.Error("lengths of requests of one length")
	}
}
