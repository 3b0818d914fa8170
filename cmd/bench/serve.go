package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// served is a model of this set.
type served struct {
	model  string
	tokens int // of a text
	batch  int // the smallest that is tried
	least  time.Duration
}

// servedModels are bound by arithmetic, by memory, and by what serving costs.
func servedModels() []served {
	return []served{
		{model: "resnet18", batch: 1, least: 10 * time.Millisecond},
		{model: "mlp-wide", batch: 8, least: 10 * time.Millisecond},
		{model: "encoder", tokens: 8, batch: 1, least: 800 * time.Microsecond},
	}
}

// serving measures how much of the bare session the engine serves: one worker,
// one thread, and two clients for each place in a batch.
func serving(ctx context.Context, e *env) error {
	l, err := startLab(ctx, e)
	if err != nil {
		return err
	}
	for _, m := range servedModels() {
		if err = l.serving(ctx, e, m); err != nil {
			err = fmt.Errorf("%s: %w", m.model, err)
			break
		}
	}
	return l.stop(err)
}

// laboratory is the lab as its parent sees it.
type laboratory struct {
	labAddrs
	*child
}

func startLab(ctx context.Context, e *env) (*laboratory, error) {
	l := &laboratory{}
	var err error
	l.child, err = e.startChild(ctx, labCommand, &l.labAddrs)
	return l, err
}

// ask has the lab do something and reads what came of it.
func (l *laboratory) ask(ctx context.Context, path string, q url.Values, into any) error {
	return talk(ctx, http.MethodGet, "http://"+l.Lab+path+"?"+q.Encode(), "", func(r io.Reader) error {
		return json.NewDecoder(r).Decode(into)
	})
}

// open puts a model into service.
func (l *laboratory) open(ctx context.Context, m served) (opened, error) {
	q := url.Values{"model": {"builtin:" + m.model}, "batch": {strconv.Itoa(m.batch)}, "least": {m.least.String()}}
	if m.tokens > 0 {
		q.Set("tokens", strconv.Itoa(m.tokens))
	}
	var o opened
	err := l.ask(ctx, "/open", q, &o)
	return o, err
}

// apply changes settings in the way of every client of the engine.
func (l *laboratory) apply(ctx context.Context, model string, s knob.Settings) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := "http://" + l.Management + "/engine/v1/models/" + model + "/settings"
	return talk(ctx, http.MethodPut, path, string(body), func(r io.Reader) error {
		for dec := json.NewDecoder(r); ; {
			var line control.Line
			if err := dec.Decode(&line); err != nil {
				return fmt.Errorf("apply broke off: %w", err)
			}
			switch {
			case line.Error != "":
				return errors.New(line.Error)
			case line.Applied != nil:
				return nil
			}
		}
	})
}

// stats are the engine's counters of a model.
func (l *laboratory) stats(ctx context.Context, model string) (engine.Stats, error) {
	var s engine.Stats
	err := l.ask(ctx, "/stats", url.Values{"model": {model}}, &s)
	return s, err
}

// held is what the lab holds.
func (l *laboratory) held(ctx context.Context, model string) (held, error) {
	var h held
	err := l.ask(ctx, "/held", url.Values{"model": {model}}, &h)
	return h, err
}

// shortPlan is for blocks that are compared twice over: half as many.
func (e *env) shortPlan(noise judge.Noise) judge.Plan {
	p := e.plan(noise)
	p.Blocks, p.Most = p.Blocks/2, p.Most/2+2
	return p
}

// serving adds the figures of one model.
func (l *laboratory) serving(ctx context.Context, e *env, m served) error {
	o, err := l.open(ctx, m)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("batch %d of %s ms, %d clients", o.Batch, judge.Number(o.RunMS), 2*o.Batch)
	if err := l.fromWithin(ctx, e, o, m.model, what); err != nil {
		return err
	}
	var loops []float64
	if err := l.fromOutside(ctx, e, o, m.model, what, &loops); err != nil {
		return err
	}
	if m.model != "resnet18" {
		return nil
	}
	return l.twoWorkers(ctx, e, o, median(loops))
}

// fromWithin compares callers in the engine's process with the bare loop.
func (l *laboratory) fromWithin(ctx context.Context, e *env, o opened, name, what string) error {
	var all duty
	ask := func(path string, t *turn) func(context.Context, time.Duration) (float64, error) {
		return func(ctx context.Context, d time.Duration) (float64, error) {
			err := l.ask(ctx, path, url.Values{"model": {o.Name}, "for": {d.String()}}, t)
			return t.RunNS, err
		}
	}
	var bare turn
	within := func(ctx context.Context, d time.Duration) (float64, error) {
		var t turn
		v, err := ask("/callers", &t)(ctx, d)
		all.add(t)
		return v, err
	}
	r, err := judge.Paired(ctx, e.shortPlan(l.noise()), within, ask("/bare", &bare))
	if err != nil {
		return err
	}
	e.report.Add(all.figure("serve.duty."+name+".process", what))
	e.report.Add(lowerEnd(r, "serve.stretch."+name,
		fmt.Sprintf("a run of %s ms, bare %s ms", judge.Number(r.A/1e6), judge.Number(r.B/1e6))))
	return nil
}

// fromOutside compares clients with the bare loop, whose rates are kept in loops.
func (l *laboratory) fromOutside(ctx context.Context, e *env, o opened, name, what string, loops *[]float64) error {
	var all duty
	outside := func(ctx context.Context, d time.Duration) (float64, error) {
		t, _, err := l.clients(ctx, o, 2*o.Batch, d, e.seed)
		all.add(t)
		return t.Rate, err
	}
	bare := func(ctx context.Context, d time.Duration) (float64, error) {
		var t turn
		err := l.ask(ctx, "/bare", url.Values{"model": {o.Name}, "for": {d.String()}}, &t)
		*loops = append(*loops, t.Rate)
		return t.Rate, err
	}
	r, err := judge.Paired(ctx, e.shortPlan(l.noise()), outside, bare)
	if err != nil {
		return err
	}
	e.report.Add(all.figure("serve.duty."+name+".http", what))
	e.report.Add(r.Figure("serve.rate."+name, fmt.Sprintf("%s/s of %s/s", judge.Number(r.A), judge.Number(r.B))))
	return nil
}

// twoWorkers tells what a second worker brings where there is a core for it, with
// the generator on the same cores.
func (l *laboratory) twoWorkers(ctx context.Context, e *env, o opened, bare float64) error {
	const name = "serve.workers-2.resnet18"
	if e.cores < 2 {
		e.report.Add(judge.Figure{Name: name, Value: math.NaN(), Unit: "ratio", Detail: "there is one core"})
		return nil
	}
	s := knob.Default(knob.Eager)
	s.Workers, s.BatchSize = 2, o.Batch
	if err := l.apply(ctx, o.Name, s); err != nil {
		return err
	}
	t, res, err := l.clients(ctx, o, 4*o.Batch, 8*e.budget.length, e.seed)
	if err != nil {
		return err
	}
	e.report.Add(judge.Figure{
		Name: name, Value: t.Rate / bare, Unit: "ratio",
		Detail: fmt.Sprintf("%s/s of %s/s of one bare loop, %d cores, of which the clients used %s",
			judge.Number(t.Rate), judge.Number(bare), e.cores, judge.Number(res.CPU.Seconds()/res.Seconds)),
	})
	return nil
}

// clients loads the model over HTTP with so many of them.
func (l *laboratory) clients(ctx context.Context, o opened, n int, d time.Duration, seed uint64) (turn, load.Result, error) {
	before, err := l.stats(ctx, o.Name)
	if err != nil {
		return turn{}, load.Result{}, err
	}
	c := load.Config{
		Addr: l.Predict, Path: "/predictions/" + o.Name, Header: [][2]string{{"Accept", handler.TypeRaw}},
		Spec: load.Spec{Mode: load.Closed, Concurrency: n}, Limit: d,
	}
	for _, b := range handler.Bodies(o.Inputs, n, seed) {
		c.Bodies = append(c.Bodies, load.Body(b))
	}
	res, err := load.Run(ctx, c)
	if err != nil {
		return turn{}, res, err
	}
	if t := load.Count(res.Samples); t.OK != len(res.Samples) || t.OK == 0 {
		return turn{}, res, fmt.Errorf("%d of %d requests failed: status %v %s", len(res.Samples)-t.OK, len(res.Samples), t.Status, res.Err)
	}
	after, err := l.stats(ctx, o.Name)
	var sum tally
	for _, s := range res.Samples {
		sum.add(s.Model, int(s.Batch) == o.Batch)
	}
	return sum.turn(time.Duration(res.Seconds*float64(time.Second)), before, after), res, err
}

// duty sums blocks up: time inside Run over time with work.
type duty struct {
	turns, full, all int
	busy, work       int64
}

func (d *duty) add(t turn) {
	d.turns++
	d.full += t.Full
	d.all += t.All
	d.busy += t.BusyNS
	d.work += t.WorkNS
}

func (d *duty) figure(name, what string) judge.Figure {
	return judge.Figure{
		Name: name, Value: float64(d.busy) / float64(d.work), Unit: "share",
		Detail: fmt.Sprintf("%d blocks, %s, %.0f%% of requests in full batches", d.turns, what, 100*float64(d.full)/float64(d.all)),
	}
}

// lowerEnd is the figure of a ratio that may be high by chance: it is judged by
// the lower end of its interval.
func lowerEnd(r judge.Ratio, name, detail string) judge.Figure {
	f := r.Figure(name, detail)
	f.Detail = fmt.Sprintf("lower end of %s-%s, value %s, %s", judge.Number(r.Low), judge.Number(r.High), judge.Number(r.Value), f.Detail)
	f.Value, f.Interval = r.Low, nil
	return f
}
