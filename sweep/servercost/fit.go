package servercost

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
)

// Probe is a measured closed load on the server.
type Probe struct {
	Settings knob.Settings
	Clients  int
	Rate     float64 // answers per second
	Error    float64 // standard error of Rate, as a share of it
	P99      float64 // request latency in ms; NaN if it was not measured
}

// Full reports whether the queue is hardly ever empty, so that the rate is that of full batches.
func (p Probe) Full() bool { return 2*p.Clients >= 3*p.Settings.Workers*p.Settings.BatchSize }

// Interval is a fitted value with its 95% interval. An end is NaN if the probes do not bound it.
type Interval struct{ Value, Low, High float64 }

// String returns the value with its interval, without a unit.
func (iv Interval) String() string {
	if math.IsNaN(iv.Low) || math.IsNaN(iv.High) {
		return fmt.Sprintf("%.2g (not bounded)", iv.Value)
	}
	return fmt.Sprintf("%.2g (%.2g to %.2g)", iv.Value, iv.Low, iv.High)
}

// Fitted is the result of Fit.
type Fitted struct {
	Server   Server
	Batch    Interval // Cost.Batch
	Request  Interval // Cost.Request
	Others   []Interval
	P99      float64 // by which simulated P99s are multiplied to be those of the probes
	Residual float64 // standard deviation of log(measured/simulated rate) of the probes
	Probes   int
}

// largestResidual is the Residual up to which predictions are of use.
const largestResidual = .25

// doubtfulResidual is the Residual above which Doubt is not empty. A quiet machine has about .08.
const doubtfulResidual = .1

// Doubt says why the predictions may be far off; "" if nothing is known.
func (f Fitted) Doubt() string {
	if f.Residual <= doubtfulResidual {
		return ""
	}
	percent := 100 * (math.Exp(f.Residual) - 1)
	return fmt.Sprintf("the loads differ by %.0f%% from the simulation, and the predictions may too: end other work on the machine, and repeat it", percent)
}

// Check returns an error if the simulation does not have the rates of the probes, so that it
// predicts nothing.
func (f Fitted) Check() error {
	if !(f.Residual <= largestResidual) {
		return fmt.Errorf("the simulated server differs by %.0f%% from the measured loads: the machine is too busy, or the service times are not those of this model on it",
			100*(math.Exp(f.Residual)-1))
	}
	return nil
}

// The parameters, in the order of Cost.
const (
	paramBatch = iota
	paramRequest
	paramBackground
	paramFrontend
	paramSwitch
	paramSlowdown
	paramCount
)

// params are the values of a Cost, in its order.
type params [paramCount]float64

func (p params) cost() Cost {
	return Cost{
		Batch: p[paramBatch], Request: p[paramRequest], Background: p[paramBackground],
		Frontend: p[paramFrontend], Switch: p[paramSwitch], Slowdown: p[paramSlowdown],
	}
}

// bounds are the lowest and highest values.
func (p params) bounded() params {
	for i := range p {
		if i >= paramBackground {
			p[i] = max(p[i], 0)
		}
	}
	p[paramSlowdown] = min(p[paramSlowdown], 5)
	return p
}

// minimum of the standard error of a rate: the simulation is not exact, and probes are seldom
// better.
const leastError = .02

// fitRequests is the number of simulated requests of each probe.
const fitRequests = 1200

// fitSeed is the seed of all simulations of a fit, so that they differ only by the cost.
const fitSeed = 1

// Fit finds the cost with which the simulation has the rates of the probes: least squares of the
// logarithms, each weighted by its error, and less if it is further off than the others. service has the times of one worker alone on the same machine.
// It needs full probes of one worker with two batch sizes, and a probe with one client.
func Fit(service servicetime.Curve, cores int, probes []Probe) (Fitted, error) {
	f := fitter{service: service, cores: cores}
	for _, p := range probes {
		if !(p.Rate > 0) || math.IsInf(p.Rate, 0) || p.Clients < 1 || p.Settings.Workers < 1 || p.Settings.BatchSize < 1 {
			return Fitted{}, fmt.Errorf("servercost: a probe with %d clients and %g answers/s", p.Clients, p.Rate)
		}
		f.probes = append(f.probes, p)
	}
	start, err := f.start()
	if err != nil {
		return Fitted{}, err
	}
	f.spread, f.trust = .1, make([]float64, len(probes))
	for i := range f.trust {
		f.trust[i] = 1
	}
	best, err := f.descend(start)
	for range robustRounds {
		if err == nil {
			err = f.distrust(best)
		}
		if err == nil {
			best, err = f.descend(best)
		}
	}
	if err != nil {
		return Fitted{}, err
	}
	return f.result(best)
}

// robustRounds is how often probes that are far off get a lower weight.
const robustRounds = 2

// distrust lowers the weight of probes that are further off than the others (Huber 1964), because
// something else on the machine slows some of them down.
func (f *fitter) distrust(p params) error {
	const limit = 1.5 // standard deviations, estimated from the median
	for i := range f.trust {
		f.trust[i] = 1
	}
	r, err := f.residuals(p)
	if err != nil {
		return err
	}
	r = r[:len(f.probes)]
	sizes := make([]float64, len(r))
	for i, x := range r {
		sizes[i] = math.Abs(x)
	}
	slices.Sort(sizes)
	scale := max(1, sizes[len(sizes)/2]/.6745)
	for i, x := range r {
		if off := math.Abs(x) / scale; off > limit {
			f.trust[i] = math.Sqrt(limit / off)
		}
	}
	return nil
}

type fitter struct {
	service servicetime.Curve
	cores   int
	spread  float64
	probes  []Probe
	trust   []float64 // by which the weights of the probes are multiplied, 0 to 1
}

func (f *fitter) server(p params) Server {
	return Server{Cost: p.cost(), Service: f.service, Cores: f.cores, Spread: f.spread}
}

// start returns a first guess: the line through the cycles of one worker with full batches, and the
// rest of the cycle of one client.
func (f *fitter) start() (params, error) {
	var n, sx, sy, sxx, sxy float64
	for _, p := range f.probes {
		if p.Settings.Workers != 1 || !p.Full() {
			continue
		}
		b := float64(p.Settings.BatchSize)
		y := 1e3*b/p.Rate - f.ms(p.Settings.BatchSize)
		n, sx, sy, sxx, sxy = n+1, sx+b, sy+y, sxx+b*b, sxy+b*y
	}
	d := n*sxx - sx*sx
	if n < 2 || d < 1e-9 {
		return params{}, errors.New("servercost: the probes have no two batch sizes of one worker with a full queue")
	}
	var p params
	p[paramRequest] = (n*sxy - sx*sy) / d
	p[paramBatch] = (sy - p[paramRequest]*sx) / n
	p[paramBackground], p[paramFrontend], p[paramSwitch], p[paramSlowdown] = .1, .1, .05, .05
	for _, q := range f.probes {
		if q.Clients == 1 && q.Settings.BatchSize == 1 {
			rest := 1e3/q.Rate - f.ms(1) - p[paramBatch] - p[paramRequest]
			p[paramFrontend] = max(rest, .01)
		}
	}
	return p, nil
}

// ms returns the service time of a batch.
func (f *fitter) ms(batch int) float64 {
	return float64(f.service.At(batch)) / float64(time.Millisecond)
}

// weight returns 1/error of a probe.
func weight(p Probe) float64 {
	e := p.Error
	if !(e >= leastError) {
		e = leastError
	}
	return 1 / e
}

// usual are the standard deviations of parameters around 0 that are seldom exceeded: without probes that
// show another value they are near 0.
var usual = params{paramBackground: 1, paramFrontend: .5, paramSwitch: 1, paramSlowdown: 1}

// residuals returns log(measured/simulated) / error of each probe, and the parameters as shares of usual.
func (f *fitter) residuals(p params) ([]float64, error) {
	out := make([]float64, len(f.probes), len(f.probes)+paramCount)
	for i, q := range f.probes {
		figures, err := Simulate(f.server(p), q.Settings, Load{Clients: q.Clients, Requests: max(fitRequests, 20*q.Clients), Seed: fitSeed})
		if err != nil {
			return nil, err
		}
		out[i] = math.Log(q.Rate/figures.Rate) * weight(q) * f.trust[i]
	}
	for k, sd := range usual {
		if sd > 0 {
			out = append(out, p[k]/sd)
		}
	}
	return out, nil
}

func sumOfSquares(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x * x
	}
	return s
}

// t95By has the two-sided 95% points of Student's t for 1 to 10 degrees of freedom.
var t95By = []float64{1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228}

// result adds the intervals. Parameters at the bound 0 count as known.
func (f *fitter) result(p params) (Fitted, error) {
	r, err := f.residuals(p)
	if err != nil {
		return Fitted{}, err
	}
	j, err := f.jacobian(p, r)
	if err != nil {
		return Fitted{}, err
	}
	out := Fitted{Server: f.server(p), Probes: len(f.probes)}
	var logs []float64
	for i, q := range f.probes {
		logs = append(logs, r[i]/weight(q)/f.trust[i])
	}
	out.Residual = math.Sqrt(sumOfSquares(logs) / float64(len(logs)))
	all := f.intervals(p, j, r)
	out.Batch, out.Request, out.Others = all[paramBatch], all[paramRequest], all[paramBackground:]
	out.P99, err = f.tail(p)
	return out, err
}

// intervals returns the 95% intervals of the parameters from the covariance at the minimum.
func (f *fitter) intervals(p params, j [paramCount][]float64, r []float64) []Interval {
	m, _ := normal(j, r)
	var free []int
	out := make([]Interval, paramCount)
	for k := range p {
		out[k] = Interval{p[k], math.NaN(), math.NaN()}
		if k < paramBackground || p[k] > 0 {
			free = append(free, k)
		}
	}
	dof := len(f.probes) - len(free)
	if dof < 1 {
		return out
	}
	t := 1.96
	if dof < len(t95By) {
		t = t95By[dof]
	}
	scale := max(1, sumOfSquares(r)/float64(dof))
	for i, k := range free {
		a, b := make([][]float64, len(free)), make([]float64, len(free))
		for x, u := range free {
			a[x] = make([]float64, len(free))
			for y, v := range free {
				a[x][y] = m[u][v]
			}
		}
		b[i] = 1
		column, ok := solve(a, b)
		if !ok || column[i] < 0 {
			continue
		}
		half := t * math.Sqrt(scale*column[i])
		out[k].Low, out[k].High = p[k]-half, p[k]+half
		if k >= paramBackground {
			out[k].Low = max(out[k].Low, 0)
		}
	}
	return out
}

// tail returns the median of measured/simulated P99 of the probes that have one; 1 if none has.
func (f *fitter) tail(p params) (float64, error) {
	var ratios []float64
	for _, q := range f.probes {
		if !(q.P99 > 0) {
			continue
		}
		figures, err := Simulate(f.server(p), q.Settings, Load{Clients: q.Clients, Requests: max(fitRequests, 20*q.Clients), Seed: fitSeed})
		if err != nil {
			return 0, err
		}
		if figures.P99 > 0 {
			ratios = append(ratios, q.P99/figures.P99)
		}
	}
	if len(ratios) == 0 {
		return 1, nil
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2], nil
}
