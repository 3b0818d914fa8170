package profiles

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/trial"
)

// ServiceTimes has the curves of a profile, one for each combination of workers, device,
// precision and threads that has probes or trials. The effect of the own knobs of a
// target on service times is unknown, so that each combination of their values has a
// curve too.
type ServiceTimes map[CurveKey]servicetime.Curve

// CurveKey identifies a curve of a profile.
type CurveKey struct {
	Workers   int
	Device    string
	Precision knob.Precision
	Threads   int
	Own       knob.OwnValues
}

// CurveKeyOf returns the key of the curve of these settings.
func CurveKeyOf(s knob.Settings) CurveKey {
	return CurveKey{s.Workers, s.Device, s.Precision, s.Threads, s.Own}
}

// ServiceTimes returns the service times of a profile: from its probes, and for other batch
// sizes from its trials.
//
// A trial has the mean execution time of its requests and the sizes of its batches. That
// mean is used as the time of the mean batch size of its requests, which is exact if the
// curve is linear over these sizes. The spread is taken from trials with almost only one
// size. Below the smallest known size the curve is extrapolated linearly, but its time
// per item is at least that of the smallest known size.
func (p *Profile) ServiceTimes() ServiceTimes {
	seen := map[CurveKey]*observed{}
	at := func(s knob.Settings) *observed {
		k := CurveKeyOf(s)
		if seen[k] == nil {
			seen[k] = &observed{probes: map[int]mean{}, trials: map[int]mean{}}
		}
		return seen[k]
	}
	for _, b := range p.Probes {
		if ms, ok := b.ServiceTime.Median.Get(); ok && b.BatchSize > 0 && ms > 0 {
			at(b.Settings).probes.add(float64(b.BatchSize), ms)
		}
	}
	for _, t := range p.Trials {
		at(t.Settings).addTrial(t)
	}
	out := ServiceTimes{}
	for k, o := range seen {
		if c, ok := o.curve(); ok {
			out[k] = c
		}
	}
	return out
}

// observed has the measurements for one curve: times in ms by rounded batch size.
type observed struct {
	probes, trials means
	spreads        []float64 // of trials with almost only one size
}

// mean has the sums for the mean of several points of a curve.
type mean struct{ n, size, ms float64 }

type means map[int]mean

func (m means) add(size, ms float64) {
	k := int(math.Round(size))
	v := m[k]
	m[k] = mean{v.n + 1, v.size + size, v.ms + ms}
}

// singleSizeShare is the share of requests in batches of one size from which on the other
// sizes are ignored.
const singleSizeShare = .9

// addTrial adds the times of a trial, if it has any.
func (o *observed) addTrial(t trial.Trial) {
	ms, ok := t.Breakdown.Execution.Get()
	requests, sum, most := 0.0, 0.0, 0.0
	for size, n := range t.Batches.Sizes {
		items := float64(size) * float64(n)
		requests, sum, most = requests+items, sum+items*float64(size), max(most, items)
	}
	if !ok || ms <= 0 || requests <= 0 {
		return
	}
	o.trials.add(sum/requests, ms)
	p50, p99 := t.Model.P50.Or(0), t.Model.P99.Or(0)
	if most >= singleSizeShare*requests && p50 > 0 && p99 >= p50 {
		const z99 = 2.326 // of the normal distribution
		sigma := math.Log(p99/p50) / z99
		o.spreads = append(o.spreads, math.Sqrt(math.Expm1(sigma*sigma)))
	}
}

// curve returns the curve through the observed points.
func (o *observed) curve() (servicetime.Curve, bool) {
	all := means{}
	maps.Copy(all, o.trials)
	maps.Copy(all, o.probes)
	points := make([]mean, 0, len(all))
	for _, v := range all {
		points = append(points, mean{1, v.size / v.n, v.ms / v.n})
	}
	if len(points) == 0 {
		return servicetime.Curve{}, false
	}
	slices.SortFunc(points, func(a, b mean) int { return cmp.Compare(a.size, b.size) })
	key := servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"} // any key: the table has one curve
	var rows []servicetime.Row
	for _, size := range sizesOf(points) {
		rows = append(rows, servicetime.Row{Key: key, Batch: size, Median: time.Duration(1e6 * interpolate(points, float64(size)))})
	}
	table, err := servicetime.New(rows)
	if err != nil { // a time out of range
		return servicetime.Curve{}, false
	}
	c, err := table.Curve(key)
	if err != nil {
		return c, false
	}
	if len(o.spreads) > 0 {
		slices.Sort(o.spreads)
		c = c.WithSpread(o.spreads[len(o.spreads)/2])
	}
	return c, true
}

// sizesOf returns the batch sizes of the rows of the curve: 1, and the rounded sizes of the
// points.
func sizesOf(points []mean) []int {
	out := []int{1}
	for _, p := range points {
		out = append(out, max(1, int(math.Round(p.size))))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// interpolate returns the time of a size in ms, by linear interpolation between points,
// which are sorted by size.
func interpolate(points []mean, size float64) float64 {
	first := points[0]
	if len(points) == 1 {
		return first.ms
	}
	i := 1
	for i < len(points)-1 && points[i].size < size {
		i++
	}
	a, b := points[i-1], points[i]
	ms := a.ms + (b.ms-a.ms)*(size-a.size)/(b.size-a.size)
	if size < first.size {
		ms = min(max(ms, first.ms*size/first.size), first.ms)
	}
	return ms
}
