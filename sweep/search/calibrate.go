package search

import (
	"math"

	"sweetspot/sweep/plan"
)

// What measurements say of predictions. A residual is log(measured/predicted) of
// a verified point. Those of two points are alike because of
//
//   - what is wrong with every prediction by the same factor,
//   - what every request or batch costs beside its execution (HTTP, wake-ups, the
//     generator's share of the processor): it adds to the time and weighs most
//     where the predicted time is shortest,
//   - what is wrong with the times of a device, precision and number of threads,
//     of a number of workers, and of a batch size,
//
// and each of these is given a standard deviation. With them the residuals are a
// Gaussian process: what is expected of a point that was not verified, and how
// uncertain that is, follow from those that were, the most similar ones first.
const (
	sdFactor  = .25
	sdCost    = .15
	sdFamily  = .05
	sdWorkers = .04
	sdNear    = .05
	sdOwn     = .015 // what no other point tells of
)

// residual is what one measurement says.
type residual struct {
	point int
	value float64 // log(measured/predicted)
	sd    float64 // of its noise
}

// belief is what is known of log(truth/predicted) of a point.
type belief struct{ mean, sd float64 }

// places says where points lie, and how much longer each is predicted to take
// than the fastest.
type places struct {
	points []plan.Point
	quick  []float64 // 0-1: the shortest predicted time over the point's
	doubt  []float64 // of the prediction itself
}

// alike is the covariance of the residuals of points i and j.
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

// doublings is how many doublings two numbers are apart.
func doublings(a, b int) float64 { return math.Abs(math.Log2(float64(a) / float64(b))) }

// calibration is the Gaussian process with its measurements.
type calibration struct {
	places
	scale   float64 // of the standard deviations, as large as the residuals ask for
	seen    []residual
	root    [][]float64 // the Cholesky root of their covariances
	weights []float64   // the covariances' inverse times the residuals
}

// calibrate takes the measurements in. Without any every belief is the prior,
// whose standard deviations are multiplied by scale.
func calibrate(s places, scale float64, seen []residual) *calibration {
	c := &calibration{places: s, scale: scale, seen: seen}
	sum := 0.0
	for _, r := range seen {
		sum += sq(r.value) / s.alike(r.point, r.point)
	}
	if n := float64(len(seen)); n > 0 { // predictions that are worse than was thought
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

// forward solves root x = b.
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

// backward solves the transposed root times x = b.
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

// at is what is known of a point.
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
