// Package gaussian estimates a function of several knobs everywhere from a few noisy measurements of it.
//
// A [Space] has the points at which the function may be asked for. [Fit] conditions a Gaussian process on
// [Observation]s; [Process.At] returns what is expected of a point and how certain that is.
//
// The function is the sum of a constant, of an effect of each knob alone, and of one of all knobs together. How much
// each knob matters, and over which distance, is not known: the process is a mixture over a fixed set of such
// assumptions, each weighted by how likely it makes the measurements (Bayesian model averaging), so that few
// measurements do not make it too certain, as a single best assumption would.
//
// Everything is deterministic and safe for concurrent use; nothing in this package knows what the knobs mean.
package gaussian

import (
	"math"
	"slices"
)

// Axis has the coordinates of all points for one knob.
type Axis struct {
	// At has the coordinate of each point. Those of an ordered knob are between 0 and 1; of an unordered one
	// it only matters which are equal.
	At        []float64
	Unordered bool
}

// Space has the points, by index.
type Space struct {
	axes []levels
}

// levels are the different coordinates of an axis, and which one each point has.
type levels struct {
	values    []float64
	of        []int
	unordered bool
}

// NewSpace returns the space with these axes, all of which have the same number of points.
func NewSpace(axes ...Axis) Space {
	var s Space
	for _, a := range axes {
		l := levels{values: slices.Compact(slices.Sorted(slices.Values(a.At))), of: make([]int, len(a.At)), unordered: a.Unordered}
		for i, x := range a.At {
			l.of[i], _ = slices.BinarySearch(l.values, x)
		}
		s.axes = append(s.axes, l)
	}
	return s
}

// Observation is a measurement at one point, with the standard deviation of its noise.
type Observation struct {
	Point     int
	Value, SD float64
}

// Prior says what is known about the function before any measurement.
type Prior struct {
	Mean   float64
	MeanSD float64 // of the constant part
	Effect float64 // usual standard deviation of the effect of one knob
}

// Process is a function as far as the measurements tell. Nothing changes it.
type Process struct {
	space        Space
	prior        Prior
	observations []Observation
	members      []member
}

// member is one assumption, conditioned on the measurements.
type member struct {
	assumption
	tables [][]float64 // by axis: the correlation of each two levels
	weight float64     // all together 1
	factor Cholesky
	solved []float64 // inverse of the covariance matrix times the measurements
}

// assumption says how much each knob matters and over which distance.
type assumption struct {
	effect      []float64 // by axis: standard deviation of its own effect
	length      []float64 // by axis: distance at which the correlation has mostly gone
	interaction float64   // standard deviation of the effect of all knobs together
}

// leastWeight is the weight, as a share of the largest, from which an assumption counts.
const leastWeight = 1e-2

// Fit conditions the process on measurements, of which there may be none.
func Fit(s Space, prior Prior, observations []Observation) *Process {
	p := &Process{space: s, prior: prior, observations: observations}
	y := make([]float64, len(observations))
	for i, o := range observations {
		y[i] = o.Value - prior.Mean
	}
	logs, most := make([]float64, 0, assumptions), math.Inf(-1)
	for k := range assumptions {
		m := member{assumption: newAssumption(k, len(s.axes), prior.Effect)}
		for d, axis := range s.axes {
			m.tables = append(m.tables, axis.correlations(m.length[d]))
		}
		m.factor = Factor(len(y), func(i, j int) float64 {
			v := p.covariance(m, observations[i].Point, observations[j].Point)
			if i == j {
				v += observations[i].SD*observations[i].SD + 1e-9
			}
			return v
		})
		m.solved = m.factor.Solve(y)
		logs = append(logs, -(dot(y, m.solved)+m.factor.logDeterminant())/2)
		most = max(most, logs[k])
		p.members = append(p.members, m)
	}
	kept, sum := p.members[:0], 0.0
	for k, m := range p.members {
		if m.weight = math.Exp(logs[k] - most); m.weight >= leastWeight {
			kept, sum = append(kept, m), sum+m.weight
		}
	}
	p.members = kept
	for i := range p.members {
		p.members[i].weight /= sum
	}
	return p
}

// At returns the expected value of a point and its standard deviation, without the noise of a measurement.
func (p *Process) At(point int) (mean, sd float64) {
	second := 0.0
	cov := make([]float64, len(p.observations))
	x := make([]float64, len(cov))
	for _, m := range p.members {
		for i, o := range p.observations {
			cov[i] = p.covariance(m, point, o.Point)
		}
		mu := dot(cov, m.solved)
		m.factor.solveLower(cov, x)
		v := max(p.covariance(m, point, point)-dot(x, x), 0)
		mean += m.weight * mu
		second += m.weight * (v + mu*mu)
	}
	return p.prior.Mean + mean, math.Sqrt(max(second-mean*mean, 0))
}

// covariance returns the prior covariance of the function at two points.
func (p *Process) covariance(m member, i, j int) float64 {
	sum, together := p.prior.MeanSD*p.prior.MeanSD, 1.0
	for d, axis := range p.space.axes {
		c := m.tables[d][axis.of[i]*len(axis.values)+axis.of[j]]
		sum += m.effect[d] * m.effect[d] * c
		together *= c
	}
	return sum + m.interaction*m.interaction*together
}

// unorderedCorrelation is that of the effects of two values of an unordered knob.
const unorderedCorrelation = .2

// correlations returns the correlation of the effects of each two levels of a knob: a Matern function of order 5/2
// of their distance.
func (l levels) correlations(length float64) []float64 {
	out := make([]float64, 0, len(l.values)*len(l.values))
	for _, a := range l.values {
		for _, b := range l.values {
			r := math.Sqrt(5) * math.Abs(a-b) / length
			c := (1 + r + r*r/3) * math.Exp(-r)
			if l.unordered && a != b {
				c = unorderedCorrelation
			}
			out = append(out, c)
		}
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
