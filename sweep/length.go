package sweep

import (
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// Bounds of a measurement that waits for the answers of a slow model.
const (
	answerMargin = 1.25 // more than the answers of a pass take: the warm-up does not count
	maxNeeded = 24 * time.Hour
)

// draining is how long the answers take that a closed load still waits for at its
// end: they count for the budget.
func (s *run) pendingAnswersTime(l load.Spec) time.Duration {
	rate := trial.History{Trials: s.trials, Probes: s.probes}.MaxRate()
	if l.Mode != load.Closed || rate <= 0 {
		return 0
	}
	return time.Duration(float64(l.Concurrency) / rate * float64(time.Second))
}

// longest is how long a measurement without a fixed length may take under a load:
// usual, or as long as so many times the answers take that a pass wants, where the
// model or the load gives fewer a second.
func (s *run) maxDuration(l load.Spec, usual time.Duration, times float64) time.Duration {
	rate := trial.History{Trials: s.trials, Probes: s.probes}.MaxRate()
	if l.Mode == load.Open && (rate <= 0 || l.Rate < rate) {
		rate = l.Rate
	}
	if rate <= 0 {
		return usual
	}
	wanted := times * float64(stat.Needed(s.SLA.Percentile/100))
	if s.MaxRequests > 0 && times <= 1 { // a validation may have many more
		wanted = min(wanted, float64(s.MaxRequests))
	}
	seconds := answerMargin * wanted / rate
	return max(usual, time.Duration(min(seconds, maxNeeded.Seconds())*float64(time.Second)))
}
