package search

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Some promises cannot be kept at any load: no request is answered in less than the shortest time
// of a batch, which is usually a batch of one. Then only one load test is needed, which shows that
// the probe was not slow because of other programs.

// minAnswers is the number of answers from which on a median is significant: if the P99 were within
// the limit, 5 of 10 answers would be over it with a probability of 1e-8.
const minAnswers = 10

// minBatchTime returns the shortest time in ms, with its size, of a batch up to maxSize with one
// kind of session and no other worker busy. ok is false without a probe of a batch of one, which is
// nearly always the shortest. If the probe ran on several workers, the time is divided by their
// number, because at worst each waited for all others.
func (v *view) minBatchTime(session group, maxSize int) (ms float64, size int, ok bool) {
	fewest := map[int]trial.Probe{} // by batch size
	for _, p := range v.history.Probes {
		_, measured := p.ServiceTime.Fastest.Get()
		old, seen := fewest[p.BatchSize]
		if !measured || p.Error != "" || p.BatchSize > maxSize || groupOf(p.Settings).sessionKind() != session ||
			seen && old.Settings.Workers < p.Settings.Workers {
			continue
		}
		fewest[p.BatchSize] = p
	}
	_, ok = fewest[1]
	ms = math.Inf(1)
	for _, b := range slices.Sorted(maps.Keys(fewest)) {
		p := fewest[b]
		if one := p.ServiceTime.Fastest.Or(0) / float64(p.Settings.Workers); one < ms {
			ms, size = one, b
		}
	}
	return ms, size, ok
}

// minLatency returns the shortest possible latency in ms of settings at any load, of the kind that
// the promise binds, and says what it consists of. measured is false without probes.
func (v *view) minLatency(s knob.Settings) (shortest float64, what string, measured bool) {
	ms, size, ok := v.minBatchTime(groupOf(s).sessionKind(), s.BatchSize)
	what = fmt.Sprintf("a batch of %d alone takes %.1f ms", size, ms)
	if !ok || v.plan.SLA.Latency == trial.ModelLatency || !v.delayCounts(s) {
		return ms, what, ok
	}
	full, timed := v.minFullBatchTime(s)
	if delayed := ms + s.DelayMS(); timed && min(delayed, full) > ms {
		return min(delayed, full), fmt.Sprintf("%s and one that does not fill waits %s ms, a full one takes %.1f ms", what, s.Get(knob.BatchDelay), full), true
	}
	return ms, what, true
}

// delayCounts reports whether, in batches that are not full, enough requests wait for the whole
// delay to determine the percentile: under the torchserve rule the first request of each batch
// does.
func (v *view) delayCounts(s knob.Settings) bool {
	over := 1 - v.plan.SLA.Percentile/100
	return v.plan.Options.Rule == knob.TorchServe && s.BatchSize > 1 && 1/float64(s.BatchSize-1) > over
}

// minFullBatchTime returns the shortest time in ms of a full batch with no other worker busy.
func (v *view) minFullBatchTime(s knob.Settings) (ms float64, ok bool) {
	ms = math.Inf(1)
	for _, p := range v.history.Probes {
		if fastest, measured := p.ServiceTime.Fastest.Get(); measured && p.BatchSize == s.BatchSize && groupOf(p.Settings).sessionKind() == groupOf(s).sessionKind() {
			ms = min(ms, fastest/float64(p.Settings.Workers))
		}
	}
	return ms, !math.IsInf(ms, 1)
}

// whyImpossible says why a point cannot keep the promise at any load; "" if it can, or if a load
// test disproves the probes.
func (v *view) whyImpossible(point int) string {
	s := v.points[point].Settings
	ms, what, ok := v.minLatency(s)
	limit := float64(v.plan.SLA.Limit) / 1e6
	if !ok || ms <= limit || v.isDisproved(groupOf(s).sessionKind()) {
		return ""
	}
	return fmt.Sprintf("%s, above %v, and no request is answered sooner", what, v.plan.SLA.Limit)
}

// isDisproved reports whether a test with one kind of session was within the limit.
func (v *view) isDisproved(session group) bool {
	return slices.ContainsFunc(v.tests, func(x loadTest) bool {
		return groupOf(v.points[x.point].Settings).sessionKind() == session && slices.ContainsFunc(x.trials, withinLimit)
	})
}

func withinLimit(t trial.Trial) bool {
	value, measured := t.Verdict.ValueMS.Get()
	return t.Verdict.Result == trial.Pass || measured && value <= t.Verdict.LimitMS
}

// whyNonePossible says why no point can keep the promise at any load, with the reason of the point
// with the shortest latency; "" if one can.
func (v *view) whyNonePossible() string {
	nearest, why := math.Inf(1), ""
	for i, p := range v.points {
		w := v.whyImpossible(i)
		if w == "" {
			return ""
		}
		if ms, _, _ := v.minLatency(p.Settings); ms < nearest {
			nearest, why = ms, w
		}
	}
	return why
}

// countImpossible counts the points that cannot keep the promise at any load, and gives the reason
// of one of them.
func (v *view) countImpossible() (n int, why string) {
	for i := range v.points {
		if w := v.whyImpossible(i); w != "" {
			n, why = n+1, w
		}
	}
	return n, why
}

// isConfirmed reports whether a test confirms that an impossible point is impossible: it failed, or
// it was too short to fail but most of its answers were over the limit.
func (v *view) isConfirmed() bool {
	return slices.ContainsFunc(v.tests, func(x loadTest) bool {
		return v.whyImpossible(x.point) != "" && slices.ContainsFunc(x.trials, func(t trial.Trial) bool {
			median := t.Latency.P50.Value
			if t.Verdict.Latency == trial.ModelLatency {
				median = t.Model.P50
			}
			return t.Verdict.Result == trial.Fail && t.Error == "" ||
				!t.Disturbed() && t.Counts.OK >= minAnswers && median.Or(0) > t.Verdict.LimitMS
		})
	})
}

// confirmedReason is whyNonePossible if a test has confirmed it, otherwise "".
func (v *view) confirmedReason() string {
	if why := v.whyNonePossible(); why != "" && v.isConfirmed() {
		return why
	}
	return ""
}

// confirmationTest returns the test of the point with the shortest possible latency, to confirm
// that no point can keep the promise.
func (v *view) confirmationTest(why string) (plan.Point, bool) {
	best, nearest := -1, math.Inf(1)
	for i, p := range v.points {
		if ms, _, ok := v.minLatency(p.Settings); ok && !v.tried(i) && ms < nearest {
			best, nearest = i, ms
		}
	}
	if best < 0 || len(v.tests) > 0 {
		return plan.Point{}, false
	}
	why = "one test to confirm that none can keep the promise: " + why
	if v.plan.Question.SeeksRate() {
		return v.startRateSearch(best, why), true
	}
	p := v.points[best]
	p.Reason = joinSentences(why, p.Reason)
	return p, true
}

// Loads as shares of the capacity, for points that are predicted to keep the promise at no load.
// They are tested at lowLoadShare, where requests hardly wait for each other. Below minLoadShare a
// lower load does not help.
const (
	lowLoadShare = 1. / 8
	minLoadShare = 1. / 100
)

// capacity returns the highest rate of a point's workers, in requests/s.
func (v *view) capacity(point int) float64 {
	s := v.points[point].Settings
	c, _ := v.simulator.curve(groupOf(s))
	return c.Rate(s.Workers, s.BatchSize)
}

// unneeded reports whether a probe can be skipped, because all points with its kind of session are
// already known to be impossible, by probes of two batch sizes if there are several.
func (pr *predictor) unneeded(k probeKey, found []trial.Probe) bool {
	v := &view{predictor: pr, history: trial.History{Probes: found}}
	sizes := map[int]bool{}
	for _, p := range found {
		if groupOf(p.Settings).sessionKind() == k.sessionKind() && p.Error == "" {
			sizes[p.BatchSize] = true
		}
	}
	if len(sizes) < 2 && !sizes[k.batch] {
		return false
	}
	return !slices.ContainsFunc(pr.points, func(p plan.Point) bool {
		if groupOf(p.Settings).sessionKind() != k.sessionKind() {
			return false
		}
		ms, _, ok := v.minLatency(p.Settings)
		return !ok || ms <= float64(pr.plan.SLA.Limit)/float64(time.Millisecond)
	})
}
