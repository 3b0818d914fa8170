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

// A promise may be out of reach at any load: no request is answered in less than
// the shortest time that a batch takes, which is one of one. Such points need no load test but
// one, which shows that the probe met no busy machine.

// fewOver is how many answers have a median that says something: were a P99 kept,
// five of ten would be over the limit once in a hundred million times.
const fewOver = 10

// alone is the shortest time in ms that a batch of at most so many took in a
// family, with no other worker busy, and its size; false where no batch of one was
// timed, which is the shortest nearly always. Where more workers were probed than
// one they may have waited for each other, at most for all of them.
func (v *view) alone(family group, most int) (ms float64, size int, ok bool) {
	fewest := map[int]trial.Probe{} // by batch size
	for _, p := range v.found.Probes {
		_, measured := p.ServiceTime.Fastest.Get()
		old, known := fewest[p.BatchSize]
		if !measured || p.Error != "" || p.BatchSize > most || groupOf(p.Settings).family() != family ||
			known && old.Settings.Workers < p.Settings.Workers {
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

// least is the shortest latency in ms of the promised kind that settings can
// show at any load, and in words what it is made of; false where no probe says.
func (v *view) least(s knob.Settings) (shortest float64, what string, known bool) {
	ms, size, ok := v.alone(groupOf(s).family(), s.BatchSize)
	what = fmt.Sprintf("a batch of %d alone takes %.1f ms", size, ms)
	if !ok || v.plan.SLA.Latency == trial.ModelLatency || !v.waits(s) {
		return ms, what, ok
	}
	full, timed := v.fullAlone(s)
	if delayed := ms + s.DelayMS(); timed && min(delayed, full) > ms {
		return min(delayed, full), fmt.Sprintf("%s and one that does not fill waits %s ms, a full one takes %.1f ms", what, s.Get(knob.BatchDelay), full), true
	}
	return ms, what, true
}

// waits tells whether so many requests wait for the whole delay, in settings
// whose batches do not fill, that the percentile is theirs: under the torchserve
// rule the first of each batch does.
func (v *view) waits(s knob.Settings) bool {
	over := 1 - v.plan.SLA.Percentile/100
	return v.plan.Options.Rule == knob.TorchServe && s.BatchSize > 1 && 1/float64(s.BatchSize-1) > over
}

// fullAlone is the shortest time in ms of a full batch, with no other worker busy.
func (v *view) fullAlone(s knob.Settings) (ms float64, ok bool) {
	ms = math.Inf(1)
	for _, p := range v.found.Probes {
		if fastest, measured := p.ServiceTime.Fastest.Get(); measured && p.BatchSize == s.BatchSize && groupOf(p.Settings).family() == groupOf(s).family() {
			ms = min(ms, fastest/float64(p.Settings.Workers))
		}
	}
	return ms, !math.IsInf(ms, 1)
}

// impossible says why a point cannot keep the promise at any load, or "". A run
// that shows otherwise is believed before the probes.
func (v *view) impossible(point int) string {
	s := v.points[point].Settings
	ms, what, ok := v.least(s)
	limit := float64(v.plan.SLA.Limit) / 1e6
	if !ok || ms <= limit || v.disproved(groupOf(s).family()) {
		return ""
	}
	return fmt.Sprintf("%s, above %v, and no request is answered sooner", what, v.plan.SLA.Limit)
}

// disproved tells whether a test of a family was within the limit.
func (v *view) disproved(family group) bool {
	return slices.ContainsFunc(v.tests, func(x tested) bool {
		return groupOf(v.points[x.point].Settings).family() == family && slices.ContainsFunc(x.trials, withinLimit)
	})
}

func withinLimit(t trial.Trial) bool {
	value, known := t.Verdict.ValueMS.Get()
	return t.Verdict.Result == trial.Pass || known && value <= t.Verdict.LimitMS
}

// none says why no point can keep the promise at any load, or "". It is what is
// said of the point that comes nearest.
func (v *view) none() string {
	nearest, why := math.Inf(1), ""
	for i, p := range v.points {
		w := v.impossible(i)
		if w == "" {
			return ""
		}
		if ms, _, _ := v.least(p.Settings); ms < nearest {
			nearest, why = ms, w
		}
	}
	return why
}

// ruledOut counts the points that cannot keep the promise at any load, and says
// why one of them cannot.
func (v *view) ruledOut() (n int, why string) {
	for i := range v.points {
		if w := v.impossible(i); w != "" {
			n, why = n+1, w
		}
	}
	return n, why
}

// confirmed tells whether a test of an impossible point shows that it is one: it
// failed, or was too short to fail while most of its answers were over the limit.
func (v *view) confirmed() bool {
	return slices.ContainsFunc(v.tests, func(x tested) bool {
		return v.impossible(x.point) != "" && slices.ContainsFunc(x.trials, func(t trial.Trial) bool {
			median := t.Latency.P50.Value
			if t.Verdict.Latency == trial.ModelLatency {
				median = t.Model.P50
			}
			return t.Verdict.Result == trial.Fail && t.Error == "" ||
				!t.Disturbed() && t.Counts.OK >= fewOver && median.Or(0) > t.Verdict.LimitMS
		})
	})
}

// certainNone is none where a test has confirmed it.
func (v *view) certainNone() string {
	if why := v.none(); why != "" && v.confirmed() {
		return why
	}
	return ""
}

// confirm is the test of the point that comes nearest to a promise which none can
// keep.
func (v *view) confirm(why string) (plan.Point, bool) {
	best, nearest := -1, math.Inf(1)
	for i, p := range v.points {
		if ms, _, ok := v.least(p.Settings); ok && !v.tried(i) && ms < nearest {
			best, nearest = i, ms
		}
	}
	if best < 0 || len(v.tests) > 0 {
		return plan.Point{}, false
	}
	why = "one test to confirm that none can keep the promise: " + why
	if v.plan.Question == plan.Capacity {
		return v.begin(best, why), true
	}
	p := v.points[best]
	p.Reason = join(why, p.Reason)
	return p, true
}

// quietShare is the load, as a share of what the workers can do, at which a point
// is tried that is predicted to keep the promise at none: requests hardly wait
// for each other there. Far below it, at stillShare, there is nothing left to
// gain from sending less.
const (
	quietShare = 1. / 8
	stillShare = 1. / 100
)

// bears is the most that the workers of a point can do, in requests/s.
func (v *view) bears(point int) float64 {
	s := v.points[point].Settings
	c, _ := v.m.curve(groupOf(s))
	return c.Rate(s.Workers, s.BatchSize)
}

// needless tells whether a probe need not be made: its batches belong to points
// that all are known to be out of reach, by two sizes of batch where there are
// several.
func (o *oracle) needless(k probeKey, found []trial.Probe) bool {
	v := &view{oracle: o, found: trial.History{Probes: found}}
	sizes := map[int]bool{}
	for _, p := range found {
		if groupOf(p.Settings).family() == k.family() && p.Error == "" {
			sizes[p.BatchSize] = true
		}
	}
	if len(sizes) < 2 && !sizes[k.batch] {
		return false
	}
	return !slices.ContainsFunc(o.points, func(p plan.Point) bool {
		if groupOf(p.Settings).family() != k.family() {
			return false
		}
		ms, _, ok := v.least(p.Settings)
		return !ok || ms <= float64(o.plan.SLA.Limit)/float64(time.Millisecond)
	})
}
