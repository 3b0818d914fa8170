package predict

import (
	"math"
	"slices"
	"time"

	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
)

// Limits of Observed.
const (
	minBatches = 5    // of one size
	maxBatch   = 1024 // items
)

// Observed returns the service-time curve of the batches of a measurement: s(b) is the mean time
// of the batches of size b, for each b with at least 5 batches. Between and above these sizes it
// is linear, as in package servicetime. Below the smallest size it is extrapolated along the
// first two, but s(1) is at most the time t of the smallest size b, and at least t/b.
//
// With a single size b, half of s(b) is assumed to be independent of the batch size and
// half proportional to it. That is the middle between batching without cost and batching
// without gain; sizes that did not occur matter little.
//
// It returns false if the samples have no batch sizes.
func Observed(samples []load.Sample) (servicetime.Curve, bool) {
	sizes := observedSizes(samples)
	if len(sizes) == 0 {
		return servicetime.Curve{}, false
	}
	first := sizes[0]
	b, t := float64(first.batch), first.time
	switch {
	case len(sizes) == 1 && first.batch == 1:
		sizes = append(sizes, observedSize{2, t * 1.5})
	case len(sizes) == 1:
		sizes = slices.Insert(sizes, 0, observedSize{1, t * (1 + 1/b) / 2})
	case first.batch > 1:
		slope := (sizes[1].time - t) / float64(sizes[1].batch-first.batch)
		sizes = slices.Insert(sizes, 0, observedSize{1, min(max(t-slope*(b-1), t/b), t)})
	}
	// Curves are made by tables; the key does not matter.
	key := servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"}
	rows := make([]servicetime.Row, len(sizes))
	for i, s := range sizes {
		rows[i] = servicetime.Row{Key: key, Batch: s.batch, Median: time.Duration(math.Round(s.time))}
	}
	table, err := servicetime.New(rows)
	if err != nil { // a time of 0, or of hours
		return servicetime.Curve{}, false
	}
	c, err := table.Curve(key)
	return c, err == nil
}

// observedSize has the mean time, in ns, of the batches of one size.
type observedSize struct {
	batch int
	time  float64
}

// observedSizes returns the sizes with enough batches, ascending.
func observedSizes(samples []load.Sample) []observedSize {
	type sum struct{ n, time float64 }
	sums := map[int]sum{}
	for _, s := range samples {
		if s.Batch > 0 && s.Batch <= maxBatch && s.Model > 0 {
			old := sums[int(s.Batch)]
			sums[int(s.Batch)] = sum{old.n + 1, old.time + float64(s.Model)}
		}
	}
	var out []observedSize
	for b, s := range sums {
		if s.n >= float64(minBatches*b) { // b samples belong to one batch
			out = append(out, observedSize{b, s.time / s.n})
		}
	}
	slices.SortFunc(out, func(a, b observedSize) int { return a.batch - b.batch })
	return out
}
