package session

import (
	"math"
	"time"
)

// LatencyBin is the number of latencies above LowMS and up to HighMS.
type LatencyBin struct {
	LowMS, HighMS float64
	N             int
}

// binsPerOctave is how finely latencies are counted: a bin is 9% wide.
const binsPerOctave = 8

// Bins below and above these octaves from the limit of the promise are not
// distinguished.
const (
	lowestOctave  = -8
	highestOctave = 10
)

// distribution counts latencies in bins of equal width on a logarithmic scale, and
// leaves out those without any. The limit of the promise is exactly the edge of a bin,
// so that the counts on both sides of it are exact.
func distribution(values []float64, limit time.Duration) []LatencyBin {
	base := ms(limit)
	if !(base > 0) {
		base = 1
	}
	const first, last = lowestOctave * binsPerOctave, highestOctave * binsPerOctave
	var counts [last - first + 1]int
	used := 0
	for _, v := range values {
		i := last
		switch place := math.Ceil(binsPerOctave * math.Log2(v/base)); {
		case v <= 0:
			i = first
		case v <= base:
			i = int(min(max(place, first), 0))
		case place < last:
			i = int(max(place, 1))
		}
		if counts[i-first]++; counts[i-first] == 1 {
			used++
		}
	}
	if used == 0 {
		return nil
	}
	edge := func(i int) float64 { return base * math.Exp2(float64(i)/binsPerOctave) }
	out := make([]LatencyBin, 0, used)
	for i, n := range counts {
		if n > 0 {
			out = append(out, LatencyBin{LowMS: edge(first + i - 1), HighMS: edge(first + i), N: n})
		}
	}
	return out
}
