package predict

import (
	"math"
	"time"

	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
)

// Correct corrects a measured percentile by what the simulator says of the same
// run: long is the simulated percentile of a long run, same that of a run with
// the very arrivals of the measurement, its number of requests and its warm-up.
//
//	corrected = measured x long / same
//
// A short run that starts with an empty queue is too good at high utilization,
// and one whose arrivals happened to crowd is too bad. The simulated run had the
// same luck with the same arrivals, so that the ratio takes it out: a control
// variate. The model may be wrong by some percent, as its error is in both. What
// is returned is a prediction and has to be called corrected, never measured. It
// is NaN if a figure is not positive and finite.
func Correct(measured, long, same float64) float64 {
	for _, v := range []float64{measured, long, same} {
		if !(v > 0) || math.IsInf(v, 1) {
			return math.NaN()
		}
	}
	return measured * long / same
}

// Corrector corrects the short runs of one setting under one load. It belongs to
// one goroutine.
type Corrector struct {
	sim  *Sim
	c    Config
	q    float64
	long float64 // ms
}

// NewCorrector simulates c, a long run of the load to be corrected, and keeps
// its quantile q. 100000 requests or more are long.
func NewCorrector(c Config, q float64) *Corrector {
	k := &Corrector{sim: New(c), c: c, q: q}
	k.sim.Run()
	k.long = k.sim.Quantile(q)
	return k
}

// Correct corrects the quantile, in ms, of a run with the given arrivals whose
// requests from warm on were measured.
func (k *Corrector) Correct(measured float64, plan []time.Duration, warm time.Duration) float64 {
	c := k.c
	c.Plan, c.Warm = plan, warm
	k.sim.Reset(c)
	k.sim.Run()
	return Correct(measured, k.long, k.sim.Quantile(k.q))
}

// Fit scales a curve to the batches of a measurement: by the mean of what they
// took over the mean of what the curve says of their sizes. A run shows the time
// of its batches better than any probe before it did, and a correction with the
// fitted curve scatters less. The curve comes back as it is when no sample tells
// its batch.
func Fit(c servicetime.Curve, samples []load.Sample) servicetime.Curve {
	var took, expected float64
	for _, s := range samples {
		if s.Batch > 0 && s.Model > 0 { // b requests tell of one batch
			took += float64(s.Model) / float64(s.Batch)
			expected += float64(c.At(int(s.Batch))) / float64(s.Batch)
		}
	}
	if took == 0 {
		return c
	}
	return c.Scaled(took / expected)
}
