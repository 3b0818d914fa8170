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

// soakModels are served side by side: an overhead without a model, arithmetic,
// memory, and a text.
func soakModels() []served {
	return []served{
		{model: "mlp", batch: 1},
		{model: "mlp-wide", batch: 1},
		{model: "encoder", tokens: 64, batch: 1},
		{model: "resnet18", batch: 1},
	}
}

// What the soak asks of the models.
const (
	soakShare    = 2.   // times what the machine bears
	soakBatch    = 16   // beyond which rates hardly rise
	soakMostRate = 300. // requests per second of a model: the clients share the machine
	soakChange   = time.Second
	soakLinger   = 15 * time.Second // more than a connection may take to end
)

// soakRates are what is sent to models that each bear so many requests a second when
// they have the machine for themselves. Together they ask for soakShare of it, the
// same of each; what fast ones may not be sent the slow ones get.
func soakRates(borne []float64) []float64 {
	order := make([]int, len(borne))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(borne[b], borne[a]) })
	rates, share := make([]float64, len(borne)), soakShare
	for n, i := range order {
		rates[i] = min(share/float64(len(order)-n)*borne[i], soakMostRate)
		share -= rates[i] / borne[i]
	}
	return rates
}

// soakBudget is how long the set runs: what each model bears, a warm part, and the
// part that is judged.
type soakBudget struct {
	bear, warm, judged time.Duration
	parts              int // of the judged part; the process rests after each
	models             int // how many of soakModels
}

func (b budget) soaks() soakBudget {
	switch b.mode {
	case full.mode:
		return soakBudget{time.Second, 30 * time.Second, 90 * time.Second, 6, 4}
	case quick.mode:
		return soakBudget{time.Second, 5 * time.Second, 10 * time.Second, 2, 4}
	}
	return soakBudget{100 * time.Millisecond, 300 * time.Millisecond, 300 * time.Millisecond, 1, 2}
}

// soaking serves four models at twice what the machine bears, to clients that wait for
// their answers and clients that leave, while all knobs are turned. Every request
// gets one answer, its own or a refusal, and the process does not grow.
func soaking(ctx context.Context, e *env) error {
	l, err := startLab(ctx, e)
	if err != nil {
		return err
	}
	return l.stop(l.soaking(ctx, e))
}

// soaked is a model under the soak.
type soaked struct {
	opened
	ids   *identities
	rate  float64
	draws []knob.Settings
	next  int // of draws
}

func (l *laboratory) soaking(ctx context.Context, e *env) error {
	b := e.budget.soaks()
	var models []*soaked
	for i, m := range soakModels()[:b.models] {
		one, err := l.soakable(ctx, m, e.seed+uint64(i)<<16, e.cores)
		if err != nil {
			return fmt.Errorf("%s: %w", m.model, err)
		}
		models = append(models, one)
	}
	if err := l.rateSoaked(ctx, models, e.cores, b.bear); err != nil {
		return err
	}
	counts, err := l.soakFor(ctx, models, b.warm, e.seed)
	if err != nil {
		return err
	}
	first, err := l.allAtRest(ctx, models)
	if err != nil {
		return err
	}
	last, rests := first, []float64{first.rss}
	for part := range b.parts {
		more, err := l.soakFor(ctx, models, b.judged/time.Duration(b.parts), e.seed+uint64(part)+1)
		if err != nil {
			return err
		}
		counts.add(more)
		if last, err = l.atRestAgain(ctx, models, first); err != nil {
			return err
		}
		rests = append(rests, last.rss)
	}
	e.addSoaked(counts, models)
	l.addUnanswered(ctx, e, models)
	when := fmt.Sprintf("after %v and %v", b.warm, b.warm+b.judged)
	l.addLeft(e, "soak", first, last, when)
	f := growth(rests, b.judged.Minutes())
	if e.budget.mode != full.mode { // the process is still growing to its size
		f.Interval.Low, f.Interval.High = math.NaN(), math.NaN()
		f.Detail += ", too short to tell"
	}
	e.report.Add(f)
	return nil
}

// soakable opens a model and draws its settings.
func (l *laboratory) soakable(ctx context.Context, m served, seed uint64, cores int) (*soaked, error) {
	o, err := l.open(ctx, m)
	if err != nil {
		return nil, err
	}
	s := &soaked{opened: o, draws: drawSettings(seed, 1000, cores)}
	if s.ids, err = l.identify(ctx, o, seed, soakApart); err != nil {
		return nil, err
	}
	return s, l.apply(ctx, o.Name, soakSettings(plainSettings()))
}

// rateSoaked gives each model its rate, by what it bears alone with all cores.
func (l *laboratory) rateSoaked(ctx context.Context, models []*soaked, cores int, d time.Duration) error {
	most := plainSettings()
	most.Workers, most.BatchSize = cores, soakBatch
	borne := make([]float64, len(models))
	for i, m := range models {
		var err error
		if borne[i], err = l.capacityOf(ctx, m.opened, most, d); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		if err := l.apply(ctx, m.Name, soakSettings(plainSettings())); err != nil {
			return err
		}
	}
	for i, r := range soakRates(borne) {
		models[i].rate = r
	}
	return nil
}

// soakSettings are settings whose queue fills.
func soakSettings(s knob.Settings) knob.Settings {
	s.QueueSize = 64
	return s
}

// soakFor lets clients send to all models for so long while their settings change,
// and returns what became of the requests.
func (l *laboratory) soakFor(ctx context.Context, models []*soaked, d time.Duration, seed uint64) (soakCounts, error) {
	within, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var clients []*soakClients
	for i, m := range models {
		clients = append(clients, startSoakClients(ctx, "http://"+l.Predict+"/predictions/"+m.Name, m, seed+uint64(i)<<16))
	}
	err := l.keepChanging(within, models)
	var counts soakCounts
	for _, c := range clients {
		counts.add(c.stop())
	}
	return counts, errors.Join(err, context.Cause(ctx))
}

// keepChanging turns the knobs of all models until ctx ends. A change that is under
// way then is called off, which is a case of its own.
func (l *laboratory) keepChanging(ctx context.Context, models []*soaked) error {
	tick := time.NewTicker(soakChange)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := l.changeAll(ctx, models); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// changeAll gives each model its next settings, all at the same time.
func (l *laboratory) changeAll(ctx context.Context, models []*soaked) error {
	errs := make([]error, len(models))
	var wg sync.WaitGroup
	for i, m := range models {
		wg.Go(func() {
			s := soakSettings(m.draws[m.next%len(m.draws)])
			m.next++
			if err := l.apply(ctx, m.Name, s); err != nil && ctx.Err() == nil {
				errs[i] = fmt.Errorf("%s: change to %s: %w", m.Name, s, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// allAtRest is what the process holds when no model has anything to do and all
// have new sessions, with the same settings as at other times: those that were there
// keep what their largest batches took.
func (l *laboratory) allAtRest(ctx context.Context, models []*soaked) (resting, error) {
	other := plainSettings()
	other.Precision = knob.HalfPrecision
	for _, m := range models {
		for _, s := range []knob.Settings{other, plainSettings()} {
			if err := l.apply(ctx, m.Name, s); err != nil {
				return resting{}, err
			}
		}
	}
	return l.rest(ctx, models[0].opened)
}

// atRestAgain waits until the process holds no more than at first, which connections
// that linger may take a while to give back, and returns what it holds at last.
func (l *laboratory) atRestAgain(ctx context.Context, models []*soaked, first resting) (resting, error) {
	last, err := l.allAtRest(ctx, models)
	for begin := time.Now(); err == nil && time.Since(begin) < soakLinger; {
		if last.Goroutines <= first.Goroutines && last.Descriptors <= first.Descriptors {
			break
		}
		last, err = l.rest(ctx, models[0].opened)
	}
	return last, err
}

// addSoaked adds what clients saw.
func (e *env) addSoaked(c soakCounts, models []*soaked) {
	each := make([]string, len(models))
	for i, m := range models {
		each[i] = judge.Number(m.rate)
	}
	rates := strings.Join(each, ", ")
	detail := fmt.Sprintf("%d requests to %d models at %s/s, %d answered, %d refused, %d left", c.sent, len(models), rates, c.ok, c.refused, c.left)
	for _, f := range []struct {
		name string
		n    int
	}{{"failed", c.failed}, {"lost", c.lost}, {"mixed-up", c.mixed}} {
		e.report.Add(judge.Figure{Name: "soak." + f.name, Value: float64(f.n), Unit: "count", Detail: detail})
	}
}

// addUnanswered adds how many requests the engine took in and did not account for,
// or accounted for twice.
func (l *laboratory) addUnanswered(ctx context.Context, e *env, models []*soaked) {
	off, all := 0.0, int64(0)
	for _, m := range models {
		s, err := l.stats(ctx, m.Name)
		if err != nil {
			off = math.NaN()
			continue
		}
		all += s.Accepted
		off += math.Abs(float64(s.Accepted - s.OK - s.Failed - s.Cancelled - s.Expired))
	}
	e.report.Add(judge.Figure{
		Name: "soak.unaccounted", Value: off, Unit: "count",
		Detail: fmt.Sprintf("%d requests were let in; each is answered, failed, cancelled or expired once", all),
	})
}

// growth is by what share of its mean the process grows in a minute of load: the
// slope of a line through what it holds at rest, with Student's interval. Under load
// it holds what its settings of the moment need, which differs by far more.
func growth(rests []float64, minutes float64) judge.Figure {
	iv, mean := slope(rests), stat.Mean(rests).Value
	scale := float64(len(rests)-1) / minutes / mean
	iv.Value, iv.Low, iv.High = iv.Value*scale, iv.Low*scale, iv.High*scale
	return judge.Figure{
		Name: "soak.growth", Value: iv.Value, Unit: "share", Interval: &iv,
		Detail: fmt.Sprintf("of the resident memory at rest, a minute of load; %d times, %.0f to %.0f MB",
			len(rests), slices.Min(rests)/1e6, slices.Max(rests)/1e6),
	}
}

// slope is that of the least-squares line through the values at rest, a step, with its
// 95% interval.
func slope(values []float64) stat.Interval {
	const t95 = 2.571 // Student's, of the 5 degrees of freedom of the whole set
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
	half := t95 * math.Sqrt(squares/(n-2)/xx)
	return stat.Interval{Value: b, Low: b - half, High: b + half}
}
