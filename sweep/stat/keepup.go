package stat

import (
	"math"
	"slices"
)

// Arrivals are the requests of a load that does not wait for answers, in the order
// in which they were answered.
type Arrivals struct {
	Waits      []float64 // from the planned send to the last byte, in seconds
	Rate       float64   // of their planned sends, per second, over the run
	Dispersion float64   // variance over mean of how many come in a time; 1 for Poisson arrivals, and the least
}

// The bounds of KeepsUp.
const (
	keepBlocks = 20     // that the run is cut into
	keepPass   = 8      // arrivals over the square of the backlog's range
	keepLean   = 3      // the same, for what it looks like
	keepFail   = 4      // the growth of the backlog over the root of the arrivals
	keepFewest = 100    // arrivals
	bursty     = 2      // dispersion from which on arrivals come in bursts: that of 50 counts of Poisson ones is off by a fifth
	drained    = 1. / 8 // of the largest backlog: what is left of a burst that was worked off
)

// Keeping is whether answers keep up with arrivals.
type Keeping struct {
	Answer  Answer
	Leaning Answer
	Growth  float64 // requests by which the backlog has grown from the first tenth of the run to the last
}

// KeepsUp tells whether a server answers as many requests as come.
//
// The backlog is how many requests are under way, by Little's law the rate times
// what they take. Means of it over 20 parts of the run leave out how batches come
// and go. A server that bears the load brings the backlog back; one that does not
// adds to it for as long as the run lasts. In between the arrivals' own chance
// moves it: n arrivals are off by sqrt(n D), D their dispersion. So
//
//   - it fails where the backlog has grown by 4 sqrt(n D): even a server that just
//     bears the load shows that once in 15000 runs (the reflection principle);
//   - it passes where the backlog stayed within a range R with n D of at least
//     8 R^2. A backlog that nothing brings back, a random walk between a floor and
//     a ceiling R apart, stays there with a chance of some exp(-n D pi^2 / 8 R^2),
//     1 in 20000;
//   - it also passes where the backlog was larger and has been worked off by the
//     end to an eighth: a burst in a trace.
func KeepsUp(a Arrivals) Keeping {
	n := len(a.Waits)
	if n < keepFewest {
		return Keeping{}
	}
	var backlog [keepBlocks]float64
	for i := range backlog {
		part := a.Waits[i*n/keepBlocks : (i+1)*n/keepBlocks]
		mean, _ := meanSD(part)
		backlog[i] = mean * a.Rate
	}
	least, most := slices.Min(backlog[:]), slices.Max(backlog[:])
	k := Keeping{Growth: (backlog[keepBlocks-1]+backlog[keepBlocks-2])/2 - (backlog[0]+backlog[1])/2}
	chance := float64(n) * math.Max(1, a.Dispersion)
	left := backlog[keepBlocks-1] - least
	switch span := most - least; {
	case k.Growth >= keepFail*math.Sqrt(chance):
		k.Answer, k.Leaning = Fail, Fail
	case chance >= keepPass*span*span, a.Dispersion >= bursty && left <= drained*span:
		k.Answer, k.Leaning = Pass, Pass
	case a.Dispersion <= 1 && chance >= keepLean*span*span:
		k.Leaning = Pass
	}
	return k
}
