package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
)

// Rates of this set, in requests per second.
const (
	slowRate = 1000
	fastRate = 5000
	// coreRate is a little more than the goal for one core, because not all
	// requests of a plan are sent and answered in time.
	coreRate = 43_000
)

// loadBudget is how much the set runs.
type loadBudget struct {
	constant, poisson time.Duration // of the runs whose gaps are measured
	limit             time.Duration // of the bare loop with which they are compared
	cycles            int           // of the stalling server in a run
	cost              time.Duration // of a run whose CPU time is measured
	turns             int           // number of these runs of each generator
	oneCore           time.Duration // of the run of one core
}

func (b budget) load() loadBudget {
	const s = time.Second
	switch b.mode {
	case full.mode:
		return loadBudget{constant: 10 * s, poisson: 60 * s, limit: 10 * s, cycles: 10, cost: 15 * s, turns: 5, oneCore: 20 * s}
	case quick.mode:
		return loadBudget{constant: 7 * s, poisson: 8 * s, limit: 3 * s, cycles: 1, cost: 2 * s, turns: 1, oneCore: 4 * s}
	}
	return loadBudget{constant: s, poisson: s, limit: s, cycles: 1, cost: s / 4, turns: 1, oneCore: s / 2}
}

// measureLoadgen measures the load generator with a server in another process. The
// server reports when requests arrived and when it stalled.
func measureLoadgen(ctx context.Context, e *env) error {
	s := &loadServer{}
	var err error
	if s.child, err = e.startChild(ctx, loadgenServer, &s.loadgenAddrs); err != nil {
		return err
	}
	for _, figure := range []func(context.Context, *env, *loadServer) error{
		constantGaps, poissonGaps, measureStalls, generatorCost, oneCore,
	} {
		if err := figure(ctx, e, s); err != nil {
			return s.stop(err)
		}
	}
	return s.stop(nil)
}

// loadServer is the parent's view of the server.
type loadServer struct {
	loadgenAddrs
	*child
}

// get reads from the control listener of the server.
func (s *loadServer) get(ctx context.Context, path string, answer any) error {
	return doRequest(ctx, http.MethodGet, "http://"+s.Control+path, "", func(r io.Reader) error {
		return json.NewDecoder(r).Decode(answer)
	})
}

// openLoad is an open load with a small body.
func openLoad(addr, path string, rate float64, arrivals load.Arrivals, d time.Duration, seed uint64) load.Config {
	return load.Config{
		Addr: addr, Path: path, Seed: seed, Limit: d,
		Bodies: []load.Body{{Type: "application/json", Data: []byte(`{"x":1}`)}},
		Spec:   load.Spec{Mode: load.Open, Rate: rate, Arrivals: arrivals},
	}
}

// constantGaps adds the figures of a run with constant gaps: the rate and the
// variation of the gaps at the server, and the median latency.
func constantGaps(ctx context.Context, e *env, s *loadServer) error {
	run, err := s.observe(ctx, openLoad(s.Load, pathWork, slowRate, load.Constant, e.budget.load().constant, e.seed))
	if err != nil {
		return err
	}
	e.report.Add(judge.Figure{
		Name: "loadgen.rate.error", Value: math.Abs(rateOf(run.arrivals)/slowRate - 1), Unit: "share",
		Detail: fmt.Sprintf("%d of %d requests over %s s, constant %d/s, by the server's clock",
			len(run.arrivals), run.Planned, judge.Number(run.Seconds), slowRate),
	})
	cv, detail := run.gapVariation()
	e.report.Add(run.figure("loadgen.gaps.constant", cv, "cv", detail, openBelow(cv)))
	p50 := stat.Quantile(run.keptLatencies(), .5)
	f := run.figure("loadgen.p50.floor", p50.Value, "ms", fmt.Sprintf("server works 10 us, constant %d/s", slowRate), openBelow(p50.Value))
	if f.Interval == nil {
		f.Interval = &p50
	}
	e.report.Add(f)
	return leastP50(e, s)
}

// poissonGaps adds how far the coefficient of variation of Poisson arrivals is
// from 1.
func poissonGaps(ctx context.Context, e *env, s *loadServer) error {
	run, err := s.observe(ctx, openLoad(s.Load, pathWork, slowRate, load.Poisson, e.budget.load().poisson, e.seed))
	if err != nil {
		return err
	}
	cv, detail := run.gapVariation()
	deviation := math.Abs(cv - 1)
	e.report.Add(run.figure("loadgen.gaps.poisson-off", deviation, "cv", fmt.Sprintf("cv %s, %s", judge.Number(cv), detail), openInterval(deviation)))
	return nil
}

// observedRun is a run with the arrivals that the server reported.
type observedRun struct {
	watchedRun
	arrivals []time.Duration // at the server, since the start of the run, ascending
}

// observe runs the load and reads the arrivals from the server.
func (s *loadServer) observe(ctx context.Context, c load.Config) (observedRun, error) {
	var discarded, at []int64
	if err := s.get(ctx, "/arrivals", &discarded); err != nil { // of the run before
		return observedRun{}, err
	}
	run, err := watchRun(ctx, c, s.watch())
	if err == nil {
		err = s.get(ctx, "/arrivals", &at)
	}
	if err == nil && len(at) < 2 {
		err = fmt.Errorf("the server received %d of %d requests", len(at), run.Planned)
	}
	slices.Sort(at)
	out := observedRun{watchedRun: run, arrivals: make([]time.Duration, len(at))}
	for i, t := range at {
		out.arrivals[i] = time.Duration(t - run.start.UnixNano())
	}
	return out, err
}

// rateOf is the rate of arrivals per second.
func rateOf(at []time.Duration) float64 {
	return float64(len(at)-1) / (at[len(at)-1] - at[0]).Seconds()
}

// gapVariation is the coefficient of variation of the gaps between two arrivals in
// blocks that are kept.
func (o observedRun) gapVariation() (cv float64, detail string) {
	var gaps []float64
	for i := 1; i < len(o.arrivals); i++ {
		if o.isKept(o.arrivals[i-1]) && o.isKept(o.arrivals[i]) {
			gaps = append(gaps, (o.arrivals[i] - o.arrivals[i-1]).Seconds())
		}
	}
	return coefficientOfVariation(gaps), fmt.Sprintf("%d gaps at the server, mean %s/s", len(gaps), judge.Number(rateOf(o.arrivals)))
}

// coefficientOfVariation is the sample standard deviation divided by the mean.
func coefficientOfVariation(v []float64) float64 {
	mean, squares := 0., 0.
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		squares += (x - mean) * (x - mean)
	}
	return math.Sqrt(squares/float64(len(v)-1)) / mean
}

// keptLatencies are the latencies in ms of the requests that were planned in
// blocks that are kept, in order.
func (w watchedRun) keptLatencies() []float64 {
	var out []float64
	for _, s := range w.Samples {
		if w.isKept(s.Planned) {
			out = append(out, float64(s.Latency)/float64(time.Millisecond))
		}
	}
	return out
}
