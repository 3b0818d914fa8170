package predict

import (
	"math"
	"time"

	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
)

// Correct corrects a measured percentile with the simulator: long is the simulated percentile of
// a long run, same that of a run with exactly the arrivals of the measurement, its number of
// requests and its warm-up.
//
//	corrected = measured x long / same
//
// A short run that starts with an empty queue has too low latencies at high
// utilization; a run whose arrivals are in bursts by chance has too high ones. The
// simulated run with the same arrivals has the same error, so that the ratio removes it
// (a control variate). The simulator may be wrong by some percent, because its error is
// in both runs. The result is a prediction and must be called corrected, never measured.
// It is NaN if an argument is not positive and finite.
func Correct(measured, long, same float64) float64 {
	for _, v := range []float64{measured, long, same} {
		if !(v > 0) || math.IsInf(v, 1) {
			return math.NaN()
		}
	}
	return measured * long / same
}

// Corrector corrects short runs of one setting with one load. Only one goroutine may use it.
type Corrector struct {
	sim  *Sim
	c    Config
	q    float64
	long float64 // ms
}

// NewCorrector simulates c, a long run of the load, and keeps its quantile q. A long run has at
// least 100000 requests.
func NewCorrector(c Config, q float64) *Corrector {
	k := &Corrector{sim: New(c), c: c, q: q}
	k.sim.Run()
	k.long = k.sim.Quantile(q)
	return k
}

// Correct corrects the quantile, in ms, of a run with the arrivals of plan, measured from warm on.
func (k *Corrector) Correct(measured float64, plan []time.Duration, warm time.Duration) float64 {
	c := k.c
	c.Plan, c.Warm = plan, warm
	k.sim.Reset(c)
	k.sim.Run()
	return Correct(measured, k.long, k.sim.Quantile(k.q))
}

// Fit scales a curve to the batches of a measurement: by the mean of their times / the mean of the
// curve's times for their sizes. The batches of the run itself give better service times than an
// earlier probe, so that corrections with the fitted curve have less variance. It returns c
// unchanged if no sample has a batch size.
func Fit(c servicetime.Curve, samples []load.Sample) servicetime.Curve {
	var took, expected float64
	for _, s := range samples {
		if s.Batch > 0 && s.Model > 0 { // b samples belong to one batch
			took += float64(s.Model) / float64(s.Batch)
			expected += float64(c.At(int(s.Batch))) / float64(s.Batch)
		}
	}
	if took == 0 {
		return c
	}
	return c.Scaled(took / expected)
}
