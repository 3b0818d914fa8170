package predict

import (
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/engine/servicetime"
)

// Lengths simulates requests of different lengths. A batch has one run for each length of its
// rows; with padding one for each bucket, or one for all. The time of a run is linear in its
// padded elements, and a batch takes the sum of its runs.
type Lengths struct {
	// Drawn has the lengths of the requests in the order in which they are sent; it is used
	// again from its start. At least one.
	Drawn []int64
	// Pad means that the rows of a run are padded to a bucket, or to the longest of them if
	// they are above the last bucket.
	Pad     bool
	Buckets []int64 // ascending

	Run  float64 // ns of a run, however long
	Each float64 // ns for each row and element of its length
	// Spread is the standard deviation of the times around these, as a share.
	Spread float64
}

// target is the length to which a row is padded, or 0 for the longest of its run.
func (l *Lengths) target(length int64) int64 {
	if !l.Pad {
		return length
	}
	i, _ := slices.BinarySearch(l.Buckets, length)
	if i == len(l.Buckets) {
		return 0
	}
	return l.Buckets[i]
}

// work returns the runs of a batch with these lengths, whose order it changes, and their padded
// elements.
func (l *Lengths) work(lengths []int64) (runs, elements float64) {
	slices.Sort(lengths)
	for start := 0; start < len(lengths); {
		target := l.target(lengths[start])
		end := start + 1
		for end < len(lengths) && l.target(lengths[end]) == target {
			end++
		}
		if target == 0 {
			target = lengths[end-1]
		}
		runs++
		elements += float64(end-start) * float64(target)
		start = end
	}
	return runs, elements
}

// batch returns the time, in ns, of a batch with these lengths, whose order it changes.
func (l *Lengths) batch(lengths []int64) float64 {
	runs, elements := l.work(lengths)
	return l.Run*runs + l.Each*elements
}

// Batch returns the time of one batch of requests with these lengths, without spread.
func (l *Lengths) Batch(lengths []int64) time.Duration {
	return time.Duration(l.batch(slices.Clone(lengths)))
}

// mean returns the mean time, in ns, of batches of n requests.
func (l *Lengths) mean(n int) float64 {
	const draws = 512 // lengths
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	batch, sum, batches := make([]int64, n), 0.0, max(4, draws/n)
	for range batches {
		for i := range batch {
			batch[i] = l.Drawn[rng.IntN(len(l.Drawn))]
		}
		sum += l.batch(batch)
	}
	return sum / float64(batches)
}

// Curve returns the mean times of batches of up to size requests.
func (l *Lengths) Curve(size int) (servicetime.Curve, error) {
	key := servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"} // a table of its own
	rows := make([]servicetime.Row, size)
	for i := range rows {
		rows[i] = servicetime.Row{Key: key, Batch: i + 1, Median: time.Duration(l.mean(i + 1)), Spread: l.Spread}
	}
	table, err := servicetime.New(rows)
	if err != nil {
		return servicetime.Curve{}, err
	}
	return table.Curve(key)
}
