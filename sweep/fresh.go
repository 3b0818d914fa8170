package sweep

import (
	"context"
	"fmt"
	"math"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// A server that was just started may be slow at first: code is compiled, memory is allocated and kernels are chosen
// while it serves. So the first trial of a fresh server is repeated until it does not begin slower than it goes
// on. The first fresh server of a sweep is also watched for a while after its trial, because a short trial may have
// seen nothing but the slow time; what it needed, those after it get as load that is not measured.
const (
	watchTime      = 6 * time.Second // age under load up to which the first fresh server is watched
	watchShare     = .05             // of the budget, at most
	minWatch       = time.Second
	maxRepeats     = 3
	maxFreshTime   = time.Minute // of load on a fresh server, after which its trial is not repeated
	maxLearned     = 30 * time.Second
	learnedMargin  = 1.25 // the needed time varies
	slowFactor     = 1.2  // a mean latency above this many times the usual one is slow
	freshParts     = 16   // of a trial; the first is compared with the others
	minPartAnswers = 20
)

// observed is what was seen of one measurement.
type observed struct {
	elapsed time.Duration
	samples []load.Sample
}

// measureTrial measures a trial after the least warm-up of the plan; that of a fresh server until it is steady.
func (s *run) measureTrial(ctx context.Context, cur *Current, t trial.Trial, limit time.Duration, fresh bool) (trial.Result, error) {
	fresh = fresh && t.Load.Mode != load.Ramp && t.Load.Mode != load.Trace // these loads change by themselves
	age, least := time.Duration(0), s.Warmup
	if fresh {
		least = max(least, s.learned)
	}
	if least > 0 {
		seen, err := s.warmUp(ctx, cur, t, least)
		if err != nil {
			return trial.Result{}, err
		}
		age = seen.elapsed
	}
	cur.Stage, cur.Limit = StageMeasure, limit
	s.reportProgress(cur)
	if !fresh {
		r, _, err := s.measure(ctx, cur, t, limit)
		return r, err
	}
	return s.measureFresh(ctx, cur, t, limit, age)
}

// measureFresh measures the first trial of a fresh server, which has had this time of load, until it is steady.
func (s *run) measureFresh(ctx context.Context, cur *Current, t trial.Trial, limit, age time.Duration) (trial.Result, error) {
	slowest := 0.
	for n := 0; ; n++ {
		begin := age
		r, seen, err := s.measure(ctx, cur, t, limit)
		if err != nil {
			return r, err
		}
		age += seen.elapsed
		slower := slowStart(seen)
		if watch := s.watchUntil() - age; slower == 0 && watch > 0 {
			more, err := s.warmUp(ctx, cur, t, max(watch, minWatch))
			if err != nil {
				return r, err
			}
			age += more.elapsed
			slower = slowerThan(seen, more)
		}
		slowest = max(slowest, slower)
		if slower == 0 {
			s.settled(begin)
			if n > 0 {
				r.Warnings = append(r.Warnings, trial.Warning{Text: fmt.Sprintf(
					"the new server was up to %.1f times slower at first: measured again after %v of load", slowest, begin.Round(100*time.Millisecond))})
			}
			return r, nil
		}
		if n == maxRepeats || age > maxFreshTime || s.budgetUsedUp(s.reservedTime()) != "" {
			return notSteady(r, age), nil
		}
		cur.Stage = StageMeasure
		s.reportProgress(cur)
	}
}

// notSteady makes the verdict undecided: the server became faster to the end, so that the figures are not those
// of the settings.
func notSteady(r trial.Result, age time.Duration) trial.Result {
	why := fmt.Sprintf("the new server was still becoming faster after %v of load", age.Round(100*time.Millisecond))
	if r.Verdict.Result != trial.Undecided {
		r.Verdict.Leaning = r.Verdict.Result
	}
	r.Verdict.Result, r.Verdict.Why = trial.Undecided, why+"; "+r.Verdict.Why
	r.Warnings = append(r.Warnings, trial.Warning{Text: why})
	return r
}

// watchUntil returns the age up to which a fresh server is watched: 0 after the first one.
func (s *run) watchUntil() time.Duration {
	if s.watched {
		return 0
	}
	if s.Time > 0 {
		return min(watchTime, time.Duration(watchShare*float64(s.Time)))
	}
	return watchTime
}

// settled notes that a fresh server was steady after this time of load.
func (s *run) settled(after time.Duration) {
	s.watched = true
	if needed := min(time.Duration(learnedMargin*float64(after)), maxLearned); after > max(s.learned, s.Warmup) {
		s.learned = needed
	}
}

// warmUp sends the load of a trial for a time, without a result. In place of a load that changes by itself there is one
// client.
func (s *run) warmUp(ctx context.Context, cur *Current, t trial.Trial, d time.Duration) (observed, error) {
	cur.Stage, cur.Elapsed, cur.Limit = StageWarmUp, 0, d
	s.reportProgress(cur)
	l := t.Load
	if l.Mode == load.Ramp || l.Mode == load.Trace {
		l = load.Spec{Mode: load.Closed, Concurrency: 1}
	}
	var seen observed
	_, err := s.Target.Measure(ctx, Measurement{
		Load: l, Seed: t.Seed ^ warmSeed, SLA: s.SLA, Time: d, FreshServer: s.FreshServer,
		Stop:     func(elapsed time.Duration, _ []load.Sample) (bool, string) { return elapsed >= d, "" },
		Progress: s.watch(cur, &seen, nil),
	})
	return seen, err
}

// warmSeed makes the arrivals of a warm-up other ones than those of the trial.
const warmSeed = 0x77617266

// slowStart returns how many times slower than later a measurement was at its beginning, or 0 if it was not. It
// compares the mean latency of its first part, after the usual warm-up, with those of the second half. The first
// part of a steady server may be the slowest by chance, but hardly by slowFactor.
func slowStart(m observed) float64 {
	from := warmupOfRun(m.elapsed)
	n := min(freshParts, len(plannedAfter(m.samples, from))/minPartAnswers)
	if n < 4 {
		return 0
	}
	length := (m.elapsed - from) / time.Duration(n)
	means := make([]float64, n)
	for i := range means {
		means[i] = m.meanLatency(from+time.Duration(i)*length, from+time.Duration(i+1)*length)
	}
	rest, most := 0., 0.
	for _, v := range means[n/2:] {
		if math.IsNaN(v) {
			return 0
		}
		rest, most = rest+v/float64(n-n/2), max(most, v)
	}
	if !(means[0] > slowFactor*rest) || means[0] <= most {
		return 0
	}
	return means[0] / rest
}

// slowerThan returns how many times slower a measurement was than what followed, or 0 if it was not. Of what
// followed, the last third counts. A measurement that had errors while what followed had none was slower too.
func slowerThan(m, later observed) float64 {
	from, end := warmupOfRun(m.elapsed), later.elapsed*2/3
	before, after := m.meanLatency(from, m.elapsed), later.meanLatency(end, later.elapsed)
	_, failed := countErrors(m.samples, from)
	answers, failedLater := countErrors(later.samples, end)
	switch ratio := before / after; {
	case answers < minPartAnswers:
		return 0
	case failed > 0 && failedLater == 0, ratio > slowFactor:
		return max(ratio, slowFactor)
	}
	return 0
}

// meanLatency returns the mean latency in ms of the answers to requests planned between from and to; NaN if there
// are none.
func (m observed) meanLatency(from, to time.Duration) float64 {
	sum, n := 0., 0.
	for i := range m.samples {
		if s := &m.samples[i]; s.Outcome == load.OK && s.Planned >= from && s.Planned < to {
			sum, n = sum+ms(s.Latency), n+1
		}
	}
	return sum / n
}
