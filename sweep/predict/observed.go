package predict

import (
	"math"
	"slices"
	"time"

	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
)

// Bounds of what Observed reads a curve from.
const (
	fewestBatches = 5    // of a size, fewer are chance
	mostBatch     = 1024 // items
)

// Observed is the curve of a measurement's own batches: s(b) is the mean time of
// the batches of b, for each b of which there were 5 or more, and between and
// above these it is straight, as package servicetime has it. Below the smallest
// it goes on along the line through the first two, but a batch of 1 takes no more
// than that size and at least its share of it.
//
// A single size b tells s(b) alone: half of it is taken to be the batch's and
// half its items'. That is the middle between batching that is free and batching
// that gains nothing; sizes that did not form matter little.
//
// It is false when samples do not tell their batches.
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
	// A curve comes from a table; it does not matter whose.
	key := servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"}
	rows := make([]servicetime.Row, len(sizes))
	for i, s := range sizes {
		rows[i] = servicetime.Row{Key: key, Batch: s.batch, Median: time.Duration(math.Round(s.time))}
	}
	table, err := servicetime.New(rows)
	if err != nil { // a batch of no time, or of hours
		return servicetime.Curve{}, false
	}
	c, err := table.Curve(key)
	return c, err == nil
}

// observedSize is the mean time, in ns, of the batches of a size.
type observedSize struct {
	batch int
	time  float64
}

// observedSizes are the sizes of which enough batches were seen, ascending.
func observedSizes(samples []load.Sample) []observedSize {
	type sum struct{ n, time float64 }
	sums := map[int]sum{}
	for _, s := range samples {
		if s.Batch > 0 && s.Batch <= mostBatch && s.Model > 0 {
			of := sums[int(s.Batch)]
			sums[int(s.Batch)] = sum{of.n + 1, of.time + float64(s.Model)}
		}
	}
	var out []observedSize
	for b, s := range sums {
		if s.n >= float64(fewestBatches*b) { // b requests tell of one batch
			out = append(out, observedSize{b, s.time / s.n})
		}
	}
	slices.SortFunc(out, func(a, b observedSize) int { return a.batch - b.batch })
	return out
}
