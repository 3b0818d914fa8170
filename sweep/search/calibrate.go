package search

import (
	"math"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/search/gaussian"
)

// How measurements correct predictions. The residual of a tested point is
// log(measured/predicted). Residuals of two points are correlated because of
//
//   - an error that all predictions have as a common factor,
//   - an overhead of every request or batch in addition to its execution (HTTP, wake-ups, the
//     CPU time of the load generator): its relative effect is largest if the predicted time is
//     shortest,
//   - errors in the times of a device, precision and number of threads, of a number of workers,
//     and of a batch size.
//
// Each of these has a standard deviation. The residuals are modelled as a Gaussian process, from
// which the expected residual of an untested point and its uncertainty follow.
const (
	sdCommon   = .25
	sdOverhead = .15
	sdSession  = .05
	sdWorkers  = .04
	sdSimilar  = .05
	sdPoint    = .015 // part that is independent of all other points
)

// residual is the error of the prediction of one tested point.
type residual struct {
	point int
	value float64 // log(measured/predicted)
	sd    float64 // of the measurement
}

// posterior is the distribution of log(true/predicted) of a point, given the tests.
type posterior struct{ mean, sd float64 }

// kernel has the data of all points for the covariance of their residuals.
type kernel struct {
	points       []plan.Point
	relativeRate []float64 // predicted rate / highest predicted rate, 0 to 1
	uncertainty  []float64 // standard deviation of log(rate) of the prediction itself
}

// covariance returns the covariance of the residuals of points i and j.
func (s kernel) covariance(i, j int) float64 {
	a, b := s.points[i].Settings, s.points[j].Settings
	sum := square(sdCommon) + square(sdOverhead)*s.relativeRate[i]*s.relativeRate[j]
	if i == j {
		sum += square(sdPoint)
	}
	if groupOf(a).sessionKind() != groupOf(b).sessionKind() {
		return sum
	}
	workers := doublings(a.Workers, b.Workers)
	near := workers + doublings(a.BatchSize, b.BatchSize)/1.5
	if a.BatchDelay != b.BatchDelay {
		near += .5
	}
	if s.points[i].Load != s.points[j].Load {
		near++
	}
	sum += square(sdSession) + square(sdWorkers)*math.Exp(-workers)
	return sum + (square(sdSimilar)+s.uncertainty[i]*s.uncertainty[j])*math.Exp(-near)
}

func square(v float64) float64 { return v * v }

// doublings returns |log2(a/b)|.
func doublings(a, b int) float64 { return math.Abs(math.Log2(float64(a) / float64(b))) }

// calibration is the Gaussian process with the residuals of the tests.
type calibration struct {
	kernel
	scale     float64 // factor of all standard deviations
	residuals []residual
	factor    gaussian.Cholesky // of the residuals' covariance matrix
	weights   []float64         // inverse of the covariance matrix times the residuals
}

// calibrate fits the process to residuals. Without residuals every posterior is the prior, with
// standard deviations multiplied by scale.
func calibrate(s kernel, scale float64, residuals []residual) *calibration {
	c := &calibration{kernel: s, scale: scale, residuals: residuals}
	sum := 0.0
	for _, r := range residuals {
		sum += square(r.value) / s.covariance(r.point, r.point)
	}
	if n := float64(len(residuals)); n > 0 { // increase scale if predictions are worse than expected
		c.scale = max(scale, math.Sqrt(sum/n)/2)
	}
	c.factor = gaussian.Factor(len(residuals), func(i, j int) float64 {
		v := square(c.scale) * s.covariance(residuals[i].point, residuals[j].point)
		if i == j {
			v += square(residuals[i].sd) + 1e-9
		}
		return v
	})
	y := make([]float64, len(residuals))
	for i, r := range residuals {
		y[i] = r.value
	}
	c.weights = c.factor.Solve(y)
	return c
}

// posterior returns the posterior of a point.
func (c *calibration) posterior(point int) posterior {
	cov := make([]float64, len(c.residuals))
	mean := 0.0
	for i, r := range c.residuals {
		cov[i] = square(c.scale) * c.covariance(r.point, point)
		mean += cov[i] * c.weights[i]
	}
	v := square(c.scale) * c.covariance(point, point)
	for _, x := range c.factor.SolveLower(cov) {
		v -= square(x)
	}
	return posterior{mean, math.Sqrt(max(v, square(sdPoint)))}
}
