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

// ServiceTimes is what a profile tells of how long batches take: a curve for
// every workers, device, precision and threads it has probes or trials of. What the
// target's own knobs do to it nobody knows: a curve holds for one setting of them.
type ServiceTimes map[TimesKey]servicetime.Curve

// TimesKey is what a curve of a profile belongs to.
type TimesKey struct {
	Workers   int
	Device    string
	Precision knob.Precision
	Threads   int
	Own       knob.OwnValues
}

// KeyOf is the key of the settings' curve.
func KeyOf(s knob.Settings) TimesKey {
	return TimesKey{s.Workers, s.Device, s.Precision, s.Threads, s.Own}
}

// Times returns the service times of a profile, from its probes where there are
// any, and for other batch sizes from its trials.
//
// A trial tells the mean execution time of its requests and the sizes of its
// batches. Where the curve is straight over those sizes, that mean is the
// curve's time at the size in which the mean request rode; so it is taken for.
// How times scatter comes from trials with next to only one size. Below the
// smallest size known the curve goes on straight, but nothing is faster in
// proportion than the smallest size known.
func (p *Profile) Times() ServiceTimes {
	seen := map[TimesKey]*observed{}
	at := func(s knob.Settings) *observed {
		k := KeyOf(s)
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
		at(t.Settings).trial(t)
	}
	out := ServiceTimes{}
	for k, o := range seen {
		if c, ok := o.curve(); ok {
			out[k] = c
		}
	}
	return out
}

// observed is what is known of one curve: times in ms by the nearest size.
type observed struct {
	probes, trials means
	spreads        []float64 // of trials with one size
}

// mean adds up points of a curve.
type mean struct{ n, size, ms float64 }

type means map[int]mean

func (m means) add(size, ms float64) {
	k := int(math.Round(size))
	v := m[k]
	m[k] = mean{v.n + 1, v.size + size, v.ms + ms}
}

// narrow is the share of requests that ride in batches of one size from which on
// that size is the trial's only one.
const narrow = .9

// trial adds what a trial tells, if it does.
func (o *observed) trial(t trial.Trial) {
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
	if most >= narrow*requests && p50 > 0 && p99 >= p50 {
		const z99 = 2.326 // of the normal law
		sigma := math.Log(p99/p50) / z99
		o.spreads = append(o.spreads, math.Sqrt(math.Expm1(sigma*sigma)))
	}
}

// curve is the curve through what was observed.
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
	key := servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"} // any: the table holds one curve
	var rows []servicetime.Row
	for _, size := range sizesOf(points) {
		rows = append(rows, servicetime.Row{Key: key, Batch: size, Median: time.Duration(1e6 * through(points, float64(size)))})
	}
	table, err := servicetime.New(rows)
	if err != nil { // a time beyond all bounds
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

// sizesOf are the sizes at which the curve gets a row: 1, and those next to the
// points.
func sizesOf(points []mean) []int {
	out := []int{1}
	for _, p := range points {
		out = append(out, max(1, int(math.Round(p.size))))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// through is the time, in ms, of a size on the straight lines through points,
// which ascend in size.
func through(points []mean, size float64) float64 {
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
