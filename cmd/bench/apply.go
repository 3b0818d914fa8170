package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/sweep/stat"
)

// applySpec is the model whose settings are changed. It opens fast, and it is slow
// enough for a load near its capacity.
func applySpec() modelSpec { return modelSpec{model: "encoder", tokens: 8, batch: 1} }

// loadShare is the load as a share of the smallest capacity of the drawn settings.
const loadShare = .7

// testShare is that of tests: the capacity is that of the model alone, and with the race detector the
// requests cost many times as much as the model.
const testShare = .07

// applyBudget is how much the set runs.
type applyBudget struct {
	randomChanges int           // changes of all knobs
	share         float64       // load, of the smallest capacity
	pairChanges   int           // changes between two settings, of each kind
	steady        time.Duration // measured in each of the settings
	after         time.Duration // requests in this time after a change belong to it
}

func (b budget) applies() applyBudget {
	switch b.mode {
	case full.mode:
		return applyBudget{randomChanges: 1000, share: loadShare, pairChanges: 200, steady: 20 * time.Second, after: time.Second}
	case quick.mode:
		return applyBudget{randomChanges: 150, share: loadShare, pairChanges: 8, steady: 3 * time.Second, after: time.Second}
	}
	return applyBudget{randomChanges: 10, share: testShare, pairChanges: 2, steady: 300 * time.Millisecond, after: 50 * time.Millisecond}
}

// measureApply measures how changes of the settings affect requests.
func measureApply(ctx context.Context, e *env) error {
	srv, err := startModelServer(ctx, e)
	if err != nil {
		return err
	}
	return srv.stop(srv.measureApply(ctx, e))
}

func (srv *modelServer) measureApply(ctx context.Context, e *env) error {
	o, err := srv.open(ctx, applySpec())
	if err != nil {
		return err
	}
	b := e.budget.applies()
	draws := drawSettings(e.seed, b.randomChanges, e.cores)
	rate, err := srv.applyLoad(ctx, o, draws, b.share)
	if err != nil {
		return err
	}
	if err := srv.measureRandomChanges(ctx, e, o, draws, rate); err != nil {
		return err
	}
	return srv.measureTails(ctx, e, o, rate)
}

// baseSettings are the settings before the first change and when idle. A
// queue of this set must never be full.
func baseSettings() knob.Settings {
	s := knob.Default(knob.Eager)
	s.QueueSize = 1000
	return s
}

// drawSettings draws n settings. Each changes every knob of the settings before it
// with a probability of .3, and at least one knob. There is one device, with the
// given number of cores.
func drawSettings(seed uint64, n, cores int) []knob.Settings {
	rng := rand.New(rand.NewPCG(seed, 5))
	pick := func(from ...int) int { return from[rng.IntN(len(from))] }
	changes := []func(*knob.Settings){
		func(s *knob.Settings) { s.Workers = pick(1, 2, 3) },
		func(s *knob.Settings) { s.BatchSize = pick(1, 2, 4, 8, 16) },
		func(s *knob.Settings) {
			s.BatchDelay = time.Duration(pick(0, 200, 1000, 5000, 20_000)) * time.Microsecond
		},
		func(s *knob.Settings) {
			s.Precision = knob.Precision(pick(int(knob.FullPrecision), int(knob.HalfPrecision)))
		},
		func(s *knob.Settings) { s.Threads = min(pick(1, 2), cores) },
		func(s *knob.Settings) { s.QueueSize = pick(1000, 2000, 4000) },
	}
	out := make([]knob.Settings, n)
	last := baseSettings()
	for i := range out {
		for next := last; next == last; {
			for _, change := range changes {
				if rng.Float64() < .3 {
					change(&next)
				}
			}
			out[i] = next
		}
		last = out[i]
	}
	return out
}

// applyLoad is a share of the smallest capacity of the settings, in requests per
// second. Batches of 1 have the smallest capacity, so others are not measured.
func (srv *modelServer) applyLoad(ctx context.Context, o openedModel, draws []knob.Settings, share float64) (float64, error) {
	smallest := math.Inf(1)
	seen := map[knob.Settings]bool{}
	for _, d := range draws {
		s := baseSettings()
		s.Workers, s.Precision, s.Threads = d.Workers, d.Precision, d.Threads
		if seen[s] {
			continue
		}
		seen[s] = true
		rate, err := srv.capacityOf(ctx, o, s, 120*time.Millisecond)
		if err != nil {
			return 0, err
		}
		smallest = min(smallest, rate)
	}
	return share * smallest, nil
}

// capacityOf is how many items per second the workers of s can run, measured for d.
func (srv *modelServer) capacityOf(ctx context.Context, o openedModel, s knob.Settings, d time.Duration) (float64, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	var t blockResult
	err = srv.get(ctx, "/capacity", url.Values{"model": {o.Name}, "for": {d.String()}, "settings": {string(text)}}, &t)
	return t.Rate, err
}

// measureRandomChanges makes random changes of all knobs while two clients send
// requests and check their answers. It compares what the process holds after a
// fifth of the changes with the end, both times idle with the same settings.
func (srv *modelServer) measureRandomChanges(ctx context.Context, e *env, o openedModel, draws []knob.Settings, rate float64) error {
	payloads, err := srv.choosePayloads(ctx, o, e.seed, payloadDistance)
	if err != nil {
		return err
	}
	early := len(draws) / 5
	counts, first, err := srv.changeUnderLoad(ctx, o, payloads, draws[:early], rate, e.seed)
	if err != nil {
		return err
	}
	more, last, err := srv.changeUnderLoad(ctx, o, payloads, draws[early:], rate, e.seed+1)
	if err != nil {
		return err
	}
	counts.add(more)
	sent := fmt.Sprintf("%d changes of up to 6 knobs, %d requests of 2 clients at %.0f/s, %.0f%% of the smallest capacity",
		len(draws), counts.sent, rate, 100*e.budget.applies().share)
	for _, f := range []struct {
		name   string
		n      int
		detail string
	}{
		{"failed", counts.failed, sent},
		{"lost", counts.lost, sent},
		{"duplicated", counts.duplicated, sent},
		{"mixed-up", counts.wrongAnswers, payloads.String(counts.maxError)},
		{"refused", counts.refused, sent},
	} {
		e.report.Add(judge.Figure{Name: "apply." + f.name, Value: float64(f.n), Unit: "count", Detail: f.detail})
	}
	srv.addProcessFigures(e, "apply", first, last, fmt.Sprintf("change %d to %d", early, len(draws)))
	return nil
}

// idleState is what the idle process holds.
type idleState struct {
	processState
	rss float64 // bytes; NaN is unknown
}

// changeUnderLoad makes the changes under load, and then returns the idleState.
func (srv *modelServer) changeUnderLoad(ctx context.Context, o openedModel, payloads *payloadSet, draws []knob.Settings, rate float64, seed uint64) (requestCounts, idleState, error) {
	before, err := srv.state(ctx, o.Name)
	if err != nil {
		return requestCounts{}, idleState{}, err
	}
	clients := startApplyClients(ctx, "http://"+srv.Predict+"/predictions/"+o.Name, payloads, rate, seed)
	for i, s := range draws {
		if err = srv.apply(ctx, o.Name, s); err != nil {
			err = fmt.Errorf("change %d to %s: %w", i+1, s, err)
			break
		}
	}
	counts := clients.stop()
	if err = errors.Join(err, context.Cause(ctx)); err != nil {
		return counts, idleState{}, err
	}
	if err := srv.apply(ctx, o.Name, baseSettings()); err != nil {
		return counts, idleState{}, err
	}
	r, err := srv.waitIdle(ctx, o)
	executed := r.Stats.OK + r.Stats.Failed - before.Stats.OK - before.Stats.Failed
	counts.duplicated = max(0, int(executed)-counts.sent)
	return counts, r, err
}

// waitIdle waits for at most two seconds until the process holds the same twice in
// a row, because closed connections are released a little later.
func (srv *modelServer) waitIdle(ctx context.Context, o openedModel) (idleState, error) {
	http.DefaultClient.CloseIdleConnections() // of this process, from parallel changes
	var last processState
	for range 20 {
		h, err := srv.state(ctx, o.Name)
		if err != nil {
			return idleState{}, err
		}
		if h.Goroutines == last.Goroutines && len(h.Descriptors) == len(last.Descriptors) {
			break
		}
		last = h
		time.Sleep(100 * time.Millisecond)
	}
	r := idleState{last, math.NaN()}
	if v, ok := monitor.NewSampler(srv.cmd.Process.Pid).Sample().RSSBytes.Get(); ok {
		r.rss = v
	}
	return r, nil
}

// addLeftFigures adds how many more sessions, goroutines and descriptors the
// process holds than before.
func (srv *modelServer) addLeftFigures(e *env, set string, first, last idleState, detail string) {
	descriptors := len(last.Descriptors) - len(first.Descriptors)
	which := detail
	if descriptors > 0 {
		which += "; new are " + newDescriptors(first.Descriptors, last.Descriptors)
	}
	for _, f := range []struct {
		name   string
		more   int
		detail string
	}{
		{"sessions", int(last.Sessions - first.Sessions), detail},
		{"goroutines", last.Goroutines - first.Goroutines, detail},
		{"descriptors", descriptors, which},
	} {
		e.report.Add(judge.Figure{Name: set + ".left." + f.name, Value: float64(f.more), Unit: "count", Detail: f.detail})
	}
}

// addProcessFigures adds what the process holds more than before, with its memory.
// The memory grows until the largest batches have run, so the figure is undecided
// after few changes.
func (srv *modelServer) addProcessFigures(e *env, set string, first, last idleState, detail string) {
	srv.addLeftFigures(e, set, first, last, detail)
	memory := judge.Figure{
		Name: set + ".memory", Value: last.rss/first.rss - 1, Unit: "share",
		Detail: fmt.Sprintf("%.0f MB to %.0f MB, %s", first.rss/1e6, last.rss/1e6, detail),
	}
	if e.budget.mode != full.mode {
		memory.Interval = &stat.Interval{Value: memory.Value, Low: math.NaN(), High: math.NaN()}
		memory.Detail += ", too few changes to decide"
	}
	e.report.Add(memory)
}
