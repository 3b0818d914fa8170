package stat

import (
	"math"
	"slices"
)

// Arrivals are the requests of an open load, in the order of their answers.
type Arrivals struct {
	Waits      []float64 // from the planned send to the last byte, in seconds
	Rate       float64   // planned requests per second of the run
	Dispersion float64   // variance / mean of the number of arrivals in an interval; 1 for Poisson arrivals, and at least 1
}

// The bounds of KeepsUp.
const (
	keepBlocks  = 20     // parts of the run
	keepPass    = 8      // pass: arrivals / square of the range of the backlog
	keepLean    = 3      // the same for Leaning
	keepFail    = 4      // fail: growth of the backlog / square root of the arrivals
	minArrivals = 100    // arrivals
	bursty      = 2      // dispersion of bursty arrivals; for 50 counts of Poisson arrivals its standard error is a fifth
	workedOff   = 1. / 8 // of the largest backlog: what may remain after a burst
)

// Keeping says whether answers keep up with arrivals.
type Keeping struct {
	Answer  Answer
	Leaning Answer
	Growth  float64 // requests by which the backlog has grown from the first tenth of the run to the last
	Unended bool    // of bursty arrivals: a backlog remained at the end, so that it may have been about to grow
}

// KeepsUp decides whether a server answers as many requests as arrive.
//
// The backlog is the number of requests in the server; by Little's law it is the
// rate times their latency. Means over 20 parts of the run remove the fluctuation
// between batches. If the server keeps up, the backlog returns to its level; if
// not, it grows for the whole run. The random number of arrivals also changes it:
// the standard deviation of n arrivals is sqrt(n D), where D is their dispersion. So
//
//   - it fails if the backlog has grown by 4 sqrt(n D): even a server at the
//     limit shows that only once in 15000 runs (the reflection principle);
//   - it passes if the backlog stayed within a range R and n D is at least 8 R^2.
//     A backlog without a level, a random walk between two barriers R apart, stays
//     there with a probability of about exp(-n D pi^2 / 8 R^2), 1 in 20000. If D is 2 or
//     more, what remains of the backlog at the end must be as small as for Poisson
//     arrivals: n is at least 8 times its square;
//   - it also passes if the backlog was larger and has decreased to an eighth by
//     the end: a burst in a trace.
func KeepsUp(a Arrivals) Keeping {
	n := len(a.Waits)
	if n < minArrivals {
		return Keeping{}
	}
	var backlog [keepBlocks]float64
	for i := range backlog {
		part := a.Waits[i*n/keepBlocks : (i+1)*n/keepBlocks]
		mean, _ := meanSD(part)
		backlog[i] = mean * a.Rate
	}
	lowest, highest := slices.Min(backlog[:]), slices.Max(backlog[:])
	k := Keeping{Growth: (backlog[keepBlocks-1]+backlog[keepBlocks-2])/2 - (backlog[0]+backlog[1])/2}
	variance := float64(n) * math.Max(1, a.Dispersion)
	remaining := backlog[keepBlocks-1] - lowest
	// The dispersion of a trace whose rate rises at its end is large, and then the backlog that remains shows nothing.
	settled := a.Dispersion < bursty || float64(n) >= keepPass*remaining*remaining
	switch span := highest - lowest; {
	case k.Growth >= keepFail*math.Sqrt(variance):
		k.Answer, k.Leaning = Fail, Fail
	case variance >= keepPass*span*span && settled, a.Dispersion >= bursty && remaining <= workedOff*span:
		k.Answer, k.Leaning = Pass, Pass
	case a.Dispersion <= 1 && variance >= keepLean*span*span:
		k.Leaning = Pass
	default:
		k.Unended = !settled
	}
	return k
}
