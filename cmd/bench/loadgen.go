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
	// mostRate is somewhat more than is promised of one core: a plan is never
	// answered to its last microsecond.
	mostRate = 31_000
)

// loadBudget is how much of the set is run.
type loadBudget struct {
	constant, poisson time.Duration // of the runs whose gaps are looked at
	cycles            int           // of the stalling server in a run
	cost              time.Duration // of a run whose processor time counts
	turns             int           // such runs of each generator
	most              time.Duration // of the run of one core
}

func (b budget) load() loadBudget {
	const s = time.Second
	switch b.mode {
	case full.mode:
		return loadBudget{constant: 10 * s, poisson: 60 * s, cycles: 10, cost: 15 * s, turns: 5, most: 20 * s}
	case quick.mode:
		return loadBudget{constant: 10 * s, poisson: 8 * s, cycles: 1, cost: 2 * s, turns: 1, most: 4 * s}
	}
	return loadBudget{constant: s, poisson: s, cycles: 1, cost: s / 4, turns: 1, most: s / 2}
}

// loadgen measures the load generator against a server in another process that
// tells when requests came and when it stood still.
func loadgen(ctx context.Context, e *env) error {
	s := &loadServer{}
	var err error
	if s.child, err = e.startChild(ctx, loadgenServer, &s.loadgenAddrs); err != nil {
		return err
	}
	for _, figure := range []func(context.Context, *env, *loadServer) error{
		constantGaps, poissonGaps, underStalls, generatorCost, oneCore,
	} {
		if err := figure(ctx, e, s); err != nil {
			return s.stop(err)
		}
	}
	return s.stop(nil)
}

// loadServer is the server as its parent sees it.
type loadServer struct {
	loadgenAddrs
	*child
}

// ask reads what the server tells of itself.
func (s *loadServer) ask(ctx context.Context, path string, into any) error {
	return talk(ctx, http.MethodGet, "http://"+s.Control+path, "", func(r io.Reader) error {
		return json.NewDecoder(r).Decode(into)
	})
}

// open is an open load of a small body.
func open(addr, path string, rate float64, law load.Arrivals, d time.Duration, seed uint64) load.Config {
	return load.Config{
		Addr: addr, Path: path, Seed: seed, Limit: d,
		Bodies: []load.Body{{Type: "application/json", Data: []byte(`{"x":1}`)}},
		Spec:   load.Spec{Mode: load.Open, Rate: rate, Arrivals: law},
	}
}

// constantGaps is one run of 10 s: how evenly requests reach the server, at what
// rate, and how fast the fastest half is answered.
func constantGaps(ctx context.Context, e *env, s *loadServer) error {
	run, err := s.observed(ctx, open(s.Load, pathWork, slowRate, load.Constant, e.budget.load().constant, e.seed))
	if err != nil {
		return err
	}
	e.report.Add(judge.Figure{
		Name: "loadgen.rate.error", Value: math.Abs(rateOf(run.arrivals)/slowRate - 1), Unit: "share",
		Detail: fmt.Sprintf("%d of %d requests over %s s, constant %d/s, by the server's clock",
			len(run.arrivals), run.Planned, judge.Number(run.Seconds), slowRate),
	})
	cv, detail := run.spread()
	e.report.Add(run.figure("loadgen.gaps.constant", cv, "cv", detail, atMost(cv)))
	p50 := stat.Quantile(run.keptMS(), .5)
	f := run.figure("loadgen.p50.floor", p50.Value, "ms", fmt.Sprintf("server works 10 us, constant %d/s", slowRate), atMost(p50.Value))
	if f.Interval == nil {
		f.Interval = &p50
	}
	e.report.Add(f)
	return nil
}

// poissonGaps is how far the spread of gaps is from that of independent users.
func poissonGaps(ctx context.Context, e *env, s *loadServer) error {
	run, err := s.observed(ctx, open(s.Load, pathWork, slowRate, load.Poisson, e.budget.load().poisson, e.seed))
	if err != nil {
		return err
	}
	cv, detail := run.spread()
	off := math.Abs(cv - 1)
	e.report.Add(run.figure("loadgen.gaps.poisson-off", off, "cv", fmt.Sprintf("cv %s, %s", judge.Number(cv), detail), anything(off)))
	return nil
}

// observed is a run of which the server tells what it saw.
type observed struct {
	watchedRun
	arrivals []time.Duration // at the server, since the run's start, ascending
}

func (s *loadServer) observed(ctx context.Context, c load.Config) (observed, error) {
	var before, at []int64
	if err := s.ask(ctx, "/arrivals", &before); err != nil { // forgets them
		return observed{}, err
	}
	run, err := watchRun(ctx, c, s.noise())
	if err == nil {
		err = s.ask(ctx, "/arrivals", &at)
	}
	if err == nil && len(at) < 2 {
		err = fmt.Errorf("the server saw %d requests of %d", len(at), run.Planned)
	}
	slices.Sort(at)
	out := observed{watchedRun: run, arrivals: make([]time.Duration, len(at))}
	for i, t := range at {
		out.arrivals[i] = time.Duration(t - run.start.UnixNano())
	}
	return out, err
}

// rateOf is the requests per second of their arrivals.
func rateOf(at []time.Duration) float64 {
	return float64(len(at)-1) / (at[len(at)-1] - at[0]).Seconds()
}

// spread is the coefficient of variation of the gaps between arrivals, both of
// which came in blocks that are kept.
func (o observed) spread() (cv float64, detail string) {
	var gaps []float64
	for i := 1; i < len(o.arrivals); i++ {
		if o.keeps(o.arrivals[i-1]) && o.keeps(o.arrivals[i]) {
			gaps = append(gaps, (o.arrivals[i] - o.arrivals[i-1]).Seconds())
		}
	}
	return variation(gaps), fmt.Sprintf("%d gaps at the server, mean %s/s", len(gaps), judge.Number(rateOf(o.arrivals)))
}

// variation is the sample standard deviation over the mean.
func variation(v []float64) float64 {
	mean, squares := 0., 0.
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		squares += (x - mean) * (x - mean)
	}
	return math.Sqrt(squares/float64(len(v)-1)) / mean
}

// keptMS are the latencies of the requests planned in blocks that are kept, in
// ms and in order.
func (w watchedRun) keptMS() []float64 {
	var out []float64
	for _, s := range w.Samples {
		if w.keeps(s.Planned) {
			out = append(out, float64(s.Latency)/float64(time.Millisecond))
		}
	}
	return out
}
