package sweep

import (
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// Limits of the length of a measurement of a slow model.
const (
	answerMargin = 1.25 // the time of the needed answers is multiplied by this: answers during the warm-up do not count
	maxNeeded    = 24 * time.Hour
)

// pendingAnswersTime estimates how long a closed load waits for the last answers at its end. This
// time counts towards the budget.
func (s *run) pendingAnswersTime(l load.Spec) time.Duration {
	rate := trial.History{Trials: s.trials, Probes: s.probes}.MaxRate()
	if l.Mode != load.Closed || rate <= 0 {
		return 0
	}
	return time.Duration(float64(l.Concurrency) / rate * float64(time.Second))
}

// maxDuration returns the longest duration of a measurement without a fixed length: usual,
// or, if the model or the load is slow, the time of as many answers as a pass needs, times
// the factor.
func (s *run) maxDuration(l load.Spec, usual time.Duration, factor float64) time.Duration {
	rate := trial.History{Trials: s.trials, Probes: s.probes}.MaxRate()
	if l.Mode == load.Open && (rate <= 0 || l.Rate < rate) {
		rate = l.Rate
	}
	if rate <= 0 {
		return usual
	}
	needed := factor * float64(stat.Needed(s.SLA.Percentile/100))
	if s.MaxRequests > 0 && factor <= 1 { // the limit of a validation is higher
		needed = min(needed, float64(s.MaxRequests))
	}
	seconds := answerMargin * needed / rate
	return max(usual, time.Duration(min(seconds, maxNeeded.Seconds())*float64(time.Second)))
}
