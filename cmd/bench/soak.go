package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/sweep/stat"
)

// soakSpecs are served in parallel. They are limited by the cost of serving, by
// memory, by the length of a text, and by arithmetic.
func soakSpecs() []modelSpec {
	return []modelSpec{
		{model: "mlp", batch: 1},
		{model: "mlp-wide", batch: 1},
		{model: "encoder", tokens: 64, batch: 1},
		{model: "resnet18", batch: 1},
	}
}

// The load of the soak.
const (
	soakShare       = 2. // times the capacity of the machine, by requests that are sent whole
	soakBatch       = 16 // larger batches hardly increase the rates
	soakChange      = time.Second
	soakReleaseTime = 45 * time.Second // more than the rest of a body may take, after which its connection is closed
)

// soakRates returns the rates of models from their capacities alone on the machine. Together they
// need soakShare of the machine, and each model the same share. If maxRate limits a fast model,
// the slower ones get the rest of its share.
func soakRates(capacities []float64, maxRate float64) []float64 {
	order := make([]int, len(capacities))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(capacities[b], capacities[a]) })
	rates, share := make([]float64, len(capacities)), soakShare
	for n, i := range order {
		rates[i] = min(share/float64(len(order)-n)*capacities[i], maxRate)
		share -= rates[i] / capacities[i]
	}
	return rates
}

// soakBudget is how long the set runs: to measure the capacity of each model, to
// warm up, and for the part that is judged.
type soakBudget struct {
	capacity, warm, judged time.Duration
	parts                  int // of the judged part; the process is idle after each
	models                 int // how many of soakSpecs
	// maxRate limits the requests per second of a model, because the clients use the same cores. With fewer cores than the clients
	// need, they would not send in time, and the server would end their connections.
	maxRate float64
}

// soakTime is the time under load of -full.
const soakTime = 10 * time.Minute

func (e *env) soaks() soakBudget {
	switch {
	case e.length > 0:
		return soakBudget{time.Second, e.length / 2, e.length / 2, 10, 4, 300}
	case e.budget.mode == full.mode:
		return soakBudget{time.Second, soakTime / 2, soakTime / 2, 10, 4, 300}
	}
	return soakBudget{500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 2, 4, 60}
}

// measureSoak serves four models with twice the capacity of the machine while all
// knobs change and sweeps run beside it. Some clients wait for their answers, others are slow, leave, or
// send what must be refused. Every request that was sent whole must get one answer, the correct one or a refusal that
// says why; the process must not grow, and nothing may be left after its end.
func measureSoak(ctx context.Context, e *env) error {
	left, err := newLeftovers()
	if err != nil {
		return err
	}
	own := *e
	own.environ = left.environ()
	srv, err := startModelServer(ctx, &own)
	if err == nil {
		err = srv.measureSoak(ctx, &own)
		left.watch(srv)
		err = srv.stop(err)
	}
	if err == nil {
		left.addFigures(e)
	}
	return errors.Join(err, left.remove())
}

// soakedModel is a model of the soak.
type soakedModel struct {
	openedModel
	payloads *payloadSet
	rate     float64
	draws    []knob.Settings
	next     int // index of the next of draws
}

func (srv *modelServer) measureSoak(ctx context.Context, e *env) error {
	b := e.soaks()
	var models []*soakedModel
	for i, m := range soakSpecs()[:b.models] {
		one, err := srv.openSoaked(ctx, m, e.seed+uint64(i)<<16, e.cores)
		if err != nil {
			return fmt.Errorf("%s: %w", m.model, err)
		}
		models = append(models, one)
	}
	if err := srv.setSoakRates(ctx, models, e.cores, b); err != nil {
		return err
	}
	sweeps := startSoakSweeps(ctx, e)
	err := srv.soakUnderLoad(ctx, e, b, models)
	return errors.Join(err, sweeps.stop(e))
}

// soakUnderLoad sends to the models, first without judging, then in parts, and adds the figures.
func (srv *modelServer) soakUnderLoad(ctx context.Context, e *env, b soakBudget, models []*soakedModel) error {
	counts, err := srv.sendFor(ctx, models, b.warm, e.seed)
	if err != nil {
		return err
	}
	first, err := srv.waitAllIdle(ctx, models)
	if err != nil {
		return err
	}
	last, idle := first, []idleState{first}
	for part := range b.parts {
		more, err := srv.sendFor(ctx, models, b.judged/time.Duration(b.parts), e.seed+uint64(part)+1)
		if err != nil {
			return err
		}
		counts.add(more)
		if last, err = srv.waitReleased(ctx, models, first); err != nil {
			return err
		}
		idle = append(idle, last)
	}
	e.addSoakCounts(counts, models)
	srv.addUnaccounted(ctx, e, models)
	when := fmt.Sprintf("after %v and %v", b.warm, b.warm+b.judged)
	srv.addLeftFigures(e, "soak", first, last, when)
	e.addGrowth(idle, b.judged)
	return nil
}

// addGrowth adds the growth of the memory that the process has in use between the states, and of its parts. The resident
// memory has free pieces between those in use too, which vary by some percent from one state to the next.
func (e *env) addGrowth(idle []idleState, judged time.Duration) {
	ofGo := func(s idleState) float64 { return float64(s.Memory.Go) }
	native := func(s idleState) float64 { return float64(s.Memory.Native) }
	for _, of := range []struct {
		name, what string
		bytes      func(idleState) float64
	}{
		{"soak.growth", "memory in use", func(s idleState) float64 { return ofGo(s) + native(s) }},
		{"soak.growth.go", "memory that Go has in use", ofGo},
		{"soak.growth.native", "memory that ONNX Runtime and the C library have in use", native},
		{"soak.growth.resident", "resident memory", func(s idleState) float64 { return s.rss }},
	} {
		var sizes []float64
		for _, s := range idle {
			sizes = append(sizes, of.bytes(s))
		}
		f := growthFigure(of.name, of.what, sizes, judged)
		if judged < soakTime/2 { // the process has not reached its final size
			f.Interval.Low, f.Interval.High = math.NaN(), math.NaN()
			f.Detail += ", too short to decide"
		}
		e.report.Add(f)
	}
}

// openSoaked loads a model and draws its settings.
func (srv *modelServer) openSoaked(ctx context.Context, m modelSpec, seed uint64, cores int) (*soakedModel, error) {
	o, err := srv.open(ctx, m)
	if err != nil {
		return nil, err
	}
	s := &soakedModel{openedModel: o, draws: drawSettings(seed, 1000, cores)}
	// The first request that waits for others opens the timer of the model, a descriptor that stays until the model is
	// unloaded. Those that choosePayloads sends wait, so that it is open before the descriptors are counted.
	waiting := baseSettings()
	waiting.BatchSize, waiting.BatchDelay = 2, time.Millisecond
	if err := srv.apply(ctx, o.Name, waiting); err != nil {
		return nil, err
	}
	if s.payloads, err = srv.choosePayloads(ctx, o, seed, soakPayloadDistance); err != nil {
		return nil, err
	}
	return s, srv.apply(ctx, o.Name, soakSettings(baseSettings()))
}

// setSoakRates sets the rate of each model from its capacity alone with all cores.
func (srv *modelServer) setSoakRates(ctx context.Context, models []*soakedModel, cores int, b soakBudget) error {
	fastest := baseSettings()
	fastest.Workers, fastest.BatchSize = cores, soakBatch
	capacities := make([]float64, len(models))
	for i, m := range models {
		var err error
		if capacities[i], err = srv.capacityOf(ctx, m.openedModel, fastest, b.capacity); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		if err := srv.apply(ctx, m.Name, soakSettings(baseSettings())); err != nil {
			return err
		}
	}
	for i, r := range soakRates(capacities, b.maxRate) {
		models[i].rate = r
	}
	return nil
}

// soakSettings are settings with a short queue, which becomes full.
func soakSettings(s knob.Settings) knob.Settings {
	s.QueueSize = 16
	return s
}

// sendFor sends to all models for d while their settings change, and returns the
// counts of the requests.
func (srv *modelServer) sendFor(ctx context.Context, models []*soakedModel, d time.Duration, seed uint64) (soakCounts, error) {
	limited, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var clients []*soakClients
	for i, m := range models {
		clients = append(clients, startSoakClients(ctx, srv.Predict, m, seed+uint64(i)<<16))
	}
	err := srv.keepChanging(limited, models)
	var counts soakCounts
	for _, c := range clients {
		counts.add(c.stop())
	}
	return counts, errors.Join(err, context.Cause(ctx))
}

// keepChanging changes the knobs of all models until ctx ends. A change in progress
// is then cancelled, which is tested this way too.
func (srv *modelServer) keepChanging(ctx context.Context, models []*soakedModel) error {
	tick := time.NewTicker(soakChange)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := srv.changeAll(ctx, models); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// changeAll applies the next settings of each model, all in parallel.
func (srv *modelServer) changeAll(ctx context.Context, models []*soakedModel) error {
	errs := make([]error, len(models))
	var wg sync.WaitGroup
	for i, m := range models {
		wg.Go(func() {
			s := soakSettings(m.draws[m.next%len(m.draws)])
			m.next++
			if err := srv.apply(ctx, m.Name, s); err != nil && ctx.Err() == nil {
				errs[i] = fmt.Errorf("%s: change to %s: %w", m.Name, s, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// waitAllIdle returns what the process holds when all models are idle with the same
// settings and new sessions. Old sessions would keep the memory of their largest
// batches.
func (srv *modelServer) waitAllIdle(ctx context.Context, models []*soakedModel) (idleState, error) {
	other := baseSettings()
	other.Precision = knob.HalfPrecision
	for _, m := range models {
		for _, s := range []knob.Settings{other, baseSettings()} {
			if err := srv.apply(ctx, m.Name, s); err != nil {
				return idleState{}, err
			}
		}
	}
	return srv.waitIdle(ctx, models[0].openedModel)
}

// waitReleased waits until the process holds no more goroutines and descriptors than
// in first, because connections are released late, and returns the last state.
func (srv *modelServer) waitReleased(ctx context.Context, models []*soakedModel, first idleState) (idleState, error) {
	last, err := srv.waitAllIdle(ctx, models)
	for begin := time.Now(); err == nil && time.Since(begin) < soakReleaseTime; {
		if last.Goroutines <= first.Goroutines && len(last.Descriptors) <= len(first.Descriptors) {
			break
		}
		last, err = srv.waitIdle(ctx, models[0].openedModel)
	}
	return last, err
}

// addSoakCounts adds the figures of the clients.
func (e *env) addSoakCounts(c soakCounts, models []*soakedModel) {
	numbers := make([]string, len(models))
	for i, m := range models {
		numbers[i] = judge.Number(m.rate)
	}
	rates := strings.Join(numbers, ", ")
	detail := fmt.Sprintf("%d requests sent whole to %d models at %s/s, %d answered, %d of them to slow clients, %d refused",
		c.sent, len(models), rates, c.ok, c.slow, c.refused)
	bad := fmt.Sprintf("%d refused for load and %d that must be refused; %d more were not sent whole or not waited for", c.refused, c.bad, c.abandoned)
	if c.example != "" {
		bad += "; the first: " + c.example
	}
	for _, f := range []struct {
		name   string
		n      int
		detail string
	}{{"failed", c.failed, detail}, {"lost", c.lost, detail}, {"mixed-up", c.wrongAnswers, detail}, {"unclear", c.unclear, bad}} {
		e.report.Add(judge.Figure{Name: "soak." + f.name, Value: float64(f.n), Unit: "count", Detail: f.detail})
	}
}

// addUnaccounted adds how many admitted requests the engine did not count exactly
// once as answered, failed, cancelled or expired.
func (srv *modelServer) addUnaccounted(ctx context.Context, e *env, models []*soakedModel) {
	wrong, all := 0.0, int64(0)
	for _, m := range models {
		s, err := srv.stats(ctx, m.Name)
		if err != nil {
			wrong = math.NaN()
			continue
		}
		all += s.Accepted
		wrong += math.Abs(float64(s.Accepted - s.OK - s.Failed - s.Cancelled - s.Expired))
	}
	e.report.Add(judge.Figure{
		Name: "soak.unaccounted", Value: wrong, Unit: "count",
		Detail: fmt.Sprintf("%d requests were admitted; each is answered, failed, cancelled or expired once", all),
	})
}

// growthFigure is the growth of a size of the process over the judged time, as a share of its
// mean: the slope of a line through its sizes when idle, with Student's interval. Sizes
// under load would vary much more, with the settings.
func growthFigure(name, what string, sizes []float64, judged time.Duration) judge.Figure {
	iv, mean := slope(sizes), stat.Mean(sizes).Value
	scale := float64(len(sizes)-1) / mean
	iv.Value, iv.Low, iv.High = iv.Value*scale, iv.Low*scale, iv.High*scale
	mb := make([]string, len(sizes))
	for i, b := range sizes {
		mb[i] = judge.Number(b / 1e6)
	}
	return judge.Figure{
		Name: name, Value: iv.Value, Unit: "share", Interval: &iv,
		Detail: fmt.Sprintf("of the %s when idle, over the last %v of load; MB: %s", what, judged, strings.Join(mb, " ")),
	}
}

// student are the quantiles of Student's distribution for 95% intervals, by degrees of freedom from 1.
var student = [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228}

// slope is the slope per step of the least-squares line through the values, with its
// 95% interval. The interval has no ends for fewer than 3 values.
func slope(values []float64) stat.Interval {
	n, mean := float64(len(values)), stat.Mean(values).Value
	var xx, xy float64
	for i, v := range values {
		x := float64(i) - (n-1)/2
		xx, xy = xx+x*x, xy+x*(v-mean)
	}
	b, squares := xy/xx, 0.
	for i, v := range values {
		r := v - mean - b*(float64(i)-(n-1)/2)
		squares += r * r
	}
	freedom := len(values) - 2
	if freedom < 1 {
		return stat.Interval{Value: b, Low: math.NaN(), High: math.NaN()}
	}
	half := student[min(freedom, len(student))-1] * math.Sqrt(squares/(n-2)/xx)
	return stat.Interval{Value: b, Low: b - half, High: b + half}
}
