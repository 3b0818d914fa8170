package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
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

// modelSpec is a model to measure.
type modelSpec struct {
	model  string
	tokens int           // of a text, 0 for other models
	batch  int           // the smallest batch size to try
	minRun time.Duration // the smallest run time of a batch
	// pictures is the name of the model in figures if its clients send JPEG files, which its handler decodes; "" is
	// clients that send tensors.
	pictures string
}

// name is the name of the model in figures.
func (m modelSpec) name() string { return cmp.Or(m.pictures, m.model) }

// serveSpecs are models that are limited by arithmetic, by memory, and by the cost
// of serving.
func serveSpecs() []modelSpec {
	return []modelSpec{
		{model: "resnet18", batch: 1, minRun: 10 * time.Millisecond},
		{model: "mlp-wide", batch: 8, minRun: 10 * time.Millisecond},
		{model: "encoder", tokens: 8, batch: 1, minRun: 800 * time.Microsecond},
		{model: "resnet18", batch: 1, minRun: 10 * time.Millisecond, pictures: "images"},
	}
}

// measureServe compares the engine with the bare session: one worker, one thread,
// and twice as many clients as the batch size.
func measureServe(ctx context.Context, e *env) error {
	srv, err := startModelServer(ctx, e)
	if err != nil {
		return err
	}
	for _, m := range serveSpecs() {
		if err = srv.measureServe(ctx, e, m); err != nil {
			err = fmt.Errorf("%s: %w", m.name(), err)
			break
		}
	}
	return srv.stop(err)
}

// modelServer is the parent's view of the process with the testEngine.
type modelServer struct {
	modelServerAddrs
	*child
}

func startModelServer(ctx context.Context, e *env) (*modelServer, error) {
	srv := &modelServer{}
	var err error
	srv.child, err = e.startChild(ctx, modelServerCommand, &srv.modelServerAddrs)
	return srv, err
}

// get sends a request to the measure listener and decodes the answer.
func (srv *modelServer) get(ctx context.Context, path string, q url.Values, answer any) error {
	return doRequest(ctx, http.MethodGet, "http://"+srv.Measure+path+"?"+q.Encode(), "", func(r io.Reader) error {
		return json.NewDecoder(r).Decode(answer)
	})
}

// open loads a model.
func (srv *modelServer) open(ctx context.Context, m modelSpec) (openedModel, error) {
	q := url.Values{"model": {m.name() + "=builtin:" + m.model}, "batch": {strconv.Itoa(m.batch)}, "min-run": {m.minRun.String()}}
	if m.tokens > 0 {
		q.Set("tokens", strconv.Itoa(m.tokens))
	}
	var o openedModel
	if m.pictures != "" {
		q.Set("handler", "image_classifier")
		var err error
		if o.bodies, err = jpegBodies(8); err != nil {
			return o, err
		}
	}
	err := srv.get(ctx, "/open", q, &o)
	return o, err
}

// jpegBodies returns n JPEG files of 500 x 375 pixels, the usual size in ImageNet, of about 70 KB.
func jpegBodies(n int) ([]handler.Body, error) {
	const width, height, quality = 500, 375, 90
	out := make([]handler.Body, n)
	for i := range out {
		img := image.NewRGBA(image.Rect(0, 0, width, height))
		rng := rand.New(rand.NewPCG(uint64(i), 0))
		for y := range height {
			for x := range width {
				noise := rng.IntN(24)
				wave := func(period float64) uint8 {
					return uint8(110 + 90*math.Sin(float64(x*(i+1)+2*y)/period) + float64(noise))
				}
				img.SetRGBA(x, y, color.RGBA{wave(31), wave(53), wave(97), 255})
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
			return nil, err
		}
		out[i] = handler.Body{Type: "image/jpeg", Data: b.Bytes()}
	}
	return out, nil
}

// apply changes settings through the control API, as every client of the engine.
func (srv *modelServer) apply(ctx context.Context, model string, s knob.Settings) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := "http://" + srv.Management + "/engine/v1/models/" + model + "/settings"
	return doRequest(ctx, http.MethodPut, path, string(body), func(r io.Reader) error {
		for dec := json.NewDecoder(r); ; {
			var line control.Line
			if err := dec.Decode(&line); err != nil {
				return fmt.Errorf("the apply was interrupted: %w", err)
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

// stats returns the engine's counters of a model.
func (srv *modelServer) stats(ctx context.Context, model string) (engine.Stats, error) {
	var s engine.Stats
	err := srv.get(ctx, "/stats", url.Values{"model": {model}}, &s)
	return s, err
}

// state returns what the process holds.
func (srv *modelServer) state(ctx context.Context, model string) (processState, error) {
	var state processState
	err := srv.get(ctx, "/state", url.Values{"model": {model}}, &state)
	return state, err
}

// shortPlan has half the blocks of plan, because serve compares each model twice.
func (e *env) shortPlan(watch judge.DisturbanceFunc) judge.Plan {
	p := e.plan(watch)
	p.Blocks, p.MaxBlocks = p.Blocks/2, p.MaxBlocks/2+2
	return p
}

// ratePlan has with -full so many pairs that a difference of a few percent from a goal is decided: over HTTP each block has
// another share of the cores.
func (e *env) ratePlan(watch judge.DisturbanceFunc) judge.Plan {
	if e.budget.mode != full.mode {
		return e.shortPlan(watch)
	}
	p := e.plan(watch)
	p.Blocks, p.MaxBlocks = 2*p.Blocks, 2*p.MaxBlocks
	return p
}

// measureServe adds the figures of one model.
func (srv *modelServer) measureServe(ctx context.Context, e *env, m modelSpec) error {
	o, err := srv.open(ctx, m)
	if err != nil {
		return err
	}
	setup := fmt.Sprintf("batch %d of %s ms, %d clients", o.Batch, judge.Number(o.RunMS), 2*o.Batch)
	if m.pictures != "" {
		return srv.measurePictures(ctx, e, o, m.pictures, setup)
	}
	if err := srv.measureInProcess(ctx, e, o, m.model, setup); err != nil {
		return err
	}
	var bareRates []float64
	if err := srv.measureOverHTTP(ctx, e, o, m.model, setup, &bareRates); err != nil {
		return err
	}
	if m.model != "resnet18" {
		return nil
	}
	return srv.measureTwoWorkers(ctx, e, o, median(bareRates))
}

// measureInProcess compares callers in the process of the engine with the bare
// loop.
func (srv *modelServer) measureInProcess(ctx context.Context, e *env, o openedModel, name, setup string) error {
	var sum duty
	block := func(path string, t *blockResult) func(context.Context, time.Duration) (float64, error) {
		return func(ctx context.Context, d time.Duration) (float64, error) {
			err := srv.get(ctx, path, url.Values{"model": {o.Name}, "for": {d.String()}}, t)
			return t.RunNS, err
		}
	}
	var bare blockResult
	inProcess := func(ctx context.Context, d time.Duration) (float64, error) {
		var t blockResult
		v, err := block("/callers", &t)(ctx, d)
		sum.add(t)
		return v, err
	}
	r, err := judge.Paired(ctx, e.shortPlan(srv.watch()), inProcess, block("/bare", &bare))
	if err != nil {
		return err
	}
	e.report.Add(sum.figure("serve.duty."+name+".process", setup))
	e.report.Add(lowerEnd(r, "serve.stretch."+name,
		fmt.Sprintf("a run of %s ms, bare %s ms", judge.Number(r.A/1e6), judge.Number(r.B/1e6))))
	return srv.measureWaking(ctx, e, o, name, sum, setup)
}

// measureWaking adds the duty of a loop that runs batches and wakes up one goroutine after each,
// and the engine's duty as a share of it.
func (srv *modelServer) measureWaking(ctx context.Context, e *env, o openedModel, name string, process duty, setup string) error {
	if name != "encoder" {
		return nil // the runs of the others are much longer than the waking
	}
	const blocks = 8
	var sum duty
	for range blocks {
		var t blockResult
		if err := srv.get(ctx, "/waking", url.Values{"model": {o.Name}, "for": {e.budget.blockLength.String()}}, &t); err != nil {
			return err
		}
		sum.add(t)
	}
	f := sum.figure("serve.waking."+name, setup)
	e.report.Add(f)
	e.report.Add(judge.Figure{
		Name: "serve.share." + name, Value: process.value() / f.Value, Unit: "ratio",
		Detail: fmt.Sprintf("%s of %s", judge.Number(process.value()), judge.Number(f.Value)),
	})
	return nil
}

// measureOverHTTP compares clients over HTTP with the bare loop. It appends the
// rates of that loop to bareRates.
func (srv *modelServer) measureOverHTTP(ctx context.Context, e *env, o openedModel, name, setup string, bareRates *[]float64) error {
	var sum duty
	var runs, bareRuns []float64 // ns
	overHTTP := func(ctx context.Context, d time.Duration) (float64, error) {
		t, _, err := srv.clients(ctx, o, 2*o.Batch, d, e.seed)
		sum.add(t)
		runs = append(runs, t.RunNS)
		return t.Rate, err
	}
	bare := func(ctx context.Context, d time.Duration) (float64, error) {
		var t blockResult
		err := srv.get(ctx, "/bare", url.Values{"model": {o.Name}, "for": {d.String()}}, &t)
		*bareRates = append(*bareRates, t.Rate)
		bareRuns = append(bareRuns, t.RunNS)
		return t.Rate, err
	}
	r, err := judge.Paired(ctx, e.ratePlan(srv.watch()), overHTTP, bare)
	if err != nil {
		return err
	}
	e.report.Add(sum.figure("serve.duty."+name+".http", setup))
	e.report.Add(r.Figure("serve.rate."+name, fmt.Sprintf("%s/s of %s/s, a run of %s ms, bare %s ms",
		judge.Number(r.A), judge.Number(r.B), judge.Number(median(runs)/1e6), judge.Number(median(bareRuns)/1e6))))
	return srv.measureBeside(ctx, e, o, name, overHTTP, r)
}

// measurePictures measures the duty alone: whether decoding and resizing on the same cores, by several goroutines at
// a time, delays the worker.
func (srv *modelServer) measurePictures(ctx context.Context, e *env, o openedModel, name, setup string) error {
	const blocks = 8
	var sum duty
	for i := range blocks {
		t, _, err := srv.clients(ctx, o, 2*o.Batch, e.budget.blockLength, e.seed+uint64(i))
		if err != nil {
			return err
		}
		sum.add(t)
	}
	e.report.Add(sum.figure("serve.duty."+name+".http", setup+" with JPEG files of 500 x 375"))
	return nil
}

// measureTwoWorkers measures the rate with a second worker, if there is a core for
// it. The load generator uses the same cores.
func (srv *modelServer) measureTwoWorkers(ctx context.Context, e *env, o openedModel, bare float64) error {
	const name = "serve.workers-2.resnet18"
	if e.cores < 2 {
		e.report.Add(judge.Figure{Name: name, Value: math.NaN(), Unit: "ratio", Detail: "only one core"})
		return nil
	}
	s := knob.Default(knob.Eager)
	s.Workers, s.BatchSize = 2, o.Batch
	if err := srv.apply(ctx, o.Name, s); err != nil {
		return err
	}
	t, res, err := srv.clients(ctx, o, 4*o.Batch, 8*e.budget.blockLength, e.seed)
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

// clients sends requests over HTTP from n clients.
func (srv *modelServer) clients(ctx context.Context, o openedModel, n int, d time.Duration, seed uint64) (blockResult, load.Result, error) {
	before, err := srv.stats(ctx, o.Name)
	if err != nil {
		return blockResult{}, load.Result{}, err
	}
	c := load.Config{
		Addr: srv.Predict, Path: "/predictions/" + o.Name, Header: [][2]string{{"Accept", handler.TypeRaw}},
		Spec: load.Spec{Mode: load.Closed, Concurrency: n}, Limit: d,
	}
	bodies := o.bodies
	if bodies == nil {
		bodies = handler.Bodies(o.Inputs, n, seed)
	} else {
		c.Header = nil // the answers of the handler, not bytes
	}
	for _, b := range bodies {
		c.Bodies = append(c.Bodies, loadBody(b))
	}
	res, err := load.Run(ctx, c)
	if err != nil {
		return blockResult{}, res, err
	}
	if err := requestError(res); err != nil {
		return blockResult{}, res, err
	}
	after, err := srv.stats(ctx, o.Name)
	var sum tally
	for _, s := range res.Samples {
		sum.add(s.Model, int(s.Batch) == o.Batch)
	}
	return sum.result(time.Duration(res.Seconds*float64(time.Second)), before, after), res, err
}

// duty sums blocks. The duty of a worker is the time inside Run divided by the time
// with requests waiting or in flight.
type duty struct {
	blocks, full, all int
	busy, work        int64
}

func (d *duty) add(t blockResult) {
	d.blocks++
	d.full += t.Full
	d.all += t.All
	d.busy += t.BusyNS
	d.work += t.WorkNS
}

func (d *duty) value() float64 { return float64(d.busy) / float64(d.work) }

func (d *duty) figure(name, setup string) judge.Figure {
	return judge.Figure{
		Name: name, Value: d.value(), Unit: "share",
		Detail: fmt.Sprintf("%d blocks, %s, %.0f%% of requests in full batches", d.blocks, setup, 100*float64(d.full)/float64(d.all)),
	}
}

// lowerEnd is the figure of a ratio that may be high by chance, so it is judged by
// the lower end of its interval.
func lowerEnd(r judge.Ratio, name, detail string) judge.Figure {
	f := r.Figure(name, detail)
	f.Detail = fmt.Sprintf("lower end of %s-%s, value %s, %s", judge.Number(r.Low), judge.Number(r.High), judge.Number(r.Value), f.Detail)
	f.Value, f.Interval = r.Low, nil
	return f
}
