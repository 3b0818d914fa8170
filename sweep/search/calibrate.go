package search

import (
	"math"

	"sweetspot/sweep/plan"
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
	sdFactor  = .25
	sdCost    = .15
	sdFamily  = .05
	sdWorkers = .04
	sdNear    = .05
	sdOwn     = .015 // part that is independent of all other points
)

// residual is the error of the prediction of one tested point.
type residual struct {
	point int
	value float64 // log(measured/predicted)
	sd    float64 // of the measurement
}

// posterior is the distribution of log(true/predicted) of a point, given the tests.
type belief struct{ mean, sd float64 }

// kernel has the data of all points for the covariance of their residuals.
type places struct {
	points []plan.Point
	quick  []float64 // predicted rate / highest predicted rate, 0 to 1
	doubt  []float64 // standard deviation of log(rate) of the prediction itself
}

// covariance returns the covariance of the residuals of points i and j.
func (s places) alike(i, j int) float64 {
	a, b := s.points[i].Settings, s.points[j].Settings
	sum := sq(sdFactor) + sq(sdCost)*s.quick[i]*s.quick[j]
	if i == j {
		sum += sq(sdOwn)
	}
	if groupOf(a).family() != groupOf(b).family() {
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
	sum += sq(sdFamily) + sq(sdWorkers)*math.Exp(-workers)
	return sum + (sq(sdNear)+s.doubt[i]*s.doubt[j])*math.Exp(-near)
}

func sq(v float64) float64 { return v * v }

// doublings returns |log2(a/b)|.
func doublings(a, b int) float64 { return math.Abs(math.Log2(float64(a) / float64(b))) }

// calibration is the Gaussian process with the residuals of the tests.
type calibration struct {
	places
	scale   float64 // factor of all standard deviations
	seen    []residual
	root    [][]float64 // Cholesky factor of the residuals' covariance matrix
	weights []float64 // inverse of the covariance matrix times the residuals
}

// calibrate fits the process to residuals. Without residuals every posterior is the prior, with
// standard deviations multiplied by scale.
func calibrate(s places, scale float64, seen []residual) *calibration {
	c := &calibration{places: s, scale: scale, seen: seen}
	sum := 0.0
	for _, r := range seen {
		sum += sq(r.value) / s.alike(r.point, r.point)
	}
	if n := float64(len(seen)); n > 0 { // increase scale if predictions are worse than expected
		c.scale = max(scale, math.Sqrt(sum/n)/2)
	}
	c.root = make([][]float64, len(seen))
	for i, a := range seen {
		c.root[i] = make([]float64, i+1)
		for j, b := range seen[:i+1] {
			v := sq(c.scale) * s.alike(a.point, b.point)
			if i == j {
				v += sq(a.sd) + 1e-9
			}
			for k := range j {
				v -= c.root[i][k] * c.root[j][k]
			}
			if i == j {
				c.root[i][i] = math.Sqrt(max(v, 1e-12))
			} else {
				c.root[i][j] = v / c.root[j][j]
			}
		}
	}
	y := make([]float64, len(seen))
	for i, r := range seen {
		y[i] = r.value
	}
	c.weights = c.backward(c.forward(y))
	return c
}

// solveLower solves L x = b for the Cholesky factor L.
func (c *calibration) forward(b []float64) []float64 {
	x := make([]float64, len(b))
	for i, row := range c.root {
		x[i] = b[i]
		for k := range i {
			x[i] -= row[k] * x[k]
		}
		x[i] /= row[i]
	}
	return x
}

// solveUpper solves transposed(L) x = b.
func (c *calibration) backward(b []float64) []float64 {
	x := make([]float64, len(b))
	for i := len(b) - 1; i >= 0; i-- {
		x[i] = b[i]
		for k := i + 1; k < len(b); k++ {
			x[i] -= c.root[k][i] * x[k]
		}
		x[i] /= c.root[i][i]
	}
	return x
}

// posterior returns the posterior of a point.
func (c *calibration) at(point int) belief {
	cov := make([]float64, len(c.seen))
	mean := 0.0
	for i, r := range c.seen {
		cov[i] = sq(c.scale) * c.alike(r.point, point)
		mean += cov[i] * c.weights[i]
	}
	v := sq(c.scale) * c.alike(point, point)
	for _, x := range c.forward(cov) {
		v -= sq(x)
	}
	return belief{mean, math.Sqrt(max(v, sq(sdOwn)))}
}
