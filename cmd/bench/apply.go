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

// applyModel is what settings are changed of: quick to open, and slow enough
// that its capacity can be loaded.
func applyModel() served { return served{model: "encoder", tokens: 8, batch: 1} }

// loadShare is how much of the smallest capacity drawn is asked for.
const loadShare = .7

// applyBudget is how much of the set is run.
type applyBudget struct {
	random int           // changes of all knobs
	known  int           // changes between two settings, of each kind
	steady time.Duration // in each of the settings
	after  time.Duration // what still counts as of a change
}

func (b budget) applies() applyBudget {
	switch b.mode {
	case full.mode:
		return applyBudget{random: 1000, known: 200, steady: 20 * time.Second, after: time.Second}
	case quick.mode:
		return applyBudget{random: 150, known: 8, steady: 3 * time.Second, after: time.Second}
	}
	return applyBudget{random: 10, known: 2, steady: 300 * time.Millisecond, after: 50 * time.Millisecond}
}

// applying measures what requests notice of changes of the settings.
func applying(ctx context.Context, e *env) error {
	l, err := startLab(ctx, e)
	if err != nil {
		return err
	}
	return l.stop(l.applying(ctx, e))
}

func (l *laboratory) applying(ctx context.Context, e *env) error {
	o, err := l.open(ctx, applyModel())
	if err != nil {
		return err
	}
	b := e.budget.applies()
	draws := drawSettings(e.seed, b.random, e.cores)
	rate, err := l.bearable(ctx, o, draws)
	if err != nil {
		return err
	}
	if err := l.random(ctx, e, o, draws, rate); err != nil {
		return err
	}
	return l.tails(ctx, e, o, rate)
}

// plainSettings are those between which nothing is measured. No queue of this
// set may fill.
func plainSettings() knob.Settings {
	s := knob.Default(knob.Eager)
	s.QueueSize = 1000
	return s
}

// drawSettings draws n settings, each of which turns every knob of the one before
// with a probability of .3, and at least one. There is one device, with so many
// cores.
func drawSettings(seed uint64, n, cores int) []knob.Settings {
	rng := rand.New(rand.NewPCG(seed, 5))
	pick := func(from ...int) int { return from[rng.IntN(len(from))] }
	turns := []func(*knob.Settings){
		func(s *knob.Settings) { s.Workers = pick(1, 2, 3) },
		func(s *knob.Settings) { s.BatchSize = pick(1, 2, 4, 8, 16) },
		func(s *knob.Settings) {
			s.BatchDelay = time.Duration(pick(0, 200, 1000, 5000, 20_000)) * time.Microsecond
		},
		func(s *knob.Settings) { s.Precision = knob.Precision(pick(0, 1)) },
		func(s *knob.Settings) { s.Threads = min(pick(1, 2), cores) },
		func(s *knob.Settings) { s.QueueSize = pick(1000, 2000, 4000) },
	}
	out := make([]knob.Settings, n)
	last := plainSettings()
	for i := range out {
		for turned := last; turned == last; {
			for _, turn := range turns {
				if rng.Float64() < .3 {
					turn(&turned)
				}
			}
			out[i] = turned
		}
		last = out[i]
	}
	return out
}

// bearable is the share of the smallest capacity drawn, in requests a second.
// Batches of 1 bear the least, so larger ones are not measured.
func (l *laboratory) bearable(ctx context.Context, o opened, draws []knob.Settings) (float64, error) {
	least := math.Inf(1)
	seen := map[knob.Settings]bool{}
	for _, d := range draws {
		s := plainSettings()
		s.Workers, s.Precision, s.Threads = d.Workers, d.Precision, d.Threads
		if seen[s] {
			continue
		}
		seen[s] = true
		rate, err := l.capacityOf(ctx, o, s, 120*time.Millisecond)
		if err != nil {
			return 0, err
		}
		least = min(least, rate)
	}
	return loadShare * least, nil
}

// capacityOf is how many items a second the workers of s bear, measured for so long.
func (l *laboratory) capacityOf(ctx context.Context, o opened, s knob.Settings, d time.Duration) (float64, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	var t turn
	err = l.ask(ctx, "/capacity", url.Values{"model": {o.Name}, "for": {d.String()}, "settings": {string(text)}}, &t)
	return t.Rate, err
}

// random changes all knobs by chance while two clients send and look at whose
// answers they get. What the process holds is looked at after a fifth of the
// changes and at the end, both times at rest under the same settings.
func (l *laboratory) random(ctx context.Context, e *env, o opened, draws []knob.Settings, rate float64) error {
	ids, err := l.identify(ctx, o, e.seed, identityApart)
	if err != nil {
		return err
	}
	early := len(draws) / 5
	counts, first, err := l.underLoad(ctx, o, ids, draws[:early], rate, e.seed)
	if err != nil {
		return err
	}
	more, last, err := l.underLoad(ctx, o, ids, draws[early:], rate, e.seed+1)
	if err != nil {
		return err
	}
	counts.add(more)
	sent := fmt.Sprintf("%d changes of up to 6 knobs, %d requests of 2 clients at %.0f/s, %.0f%% of the smallest capacity",
		len(draws), counts.sent, rate, 100*loadShare)
	for _, f := range []struct {
		name   string
		n      int
		detail string
	}{
		{"failed", counts.failed, sent},
		{"lost", counts.lost, sent},
		{"duplicated", counts.duplicated, sent},
		{"mixed-up", counts.mixed, ids.String(counts.worst)},
		{"refused", counts.refused, sent},
	} {
		e.report.Add(judge.Figure{Name: "apply." + f.name, Value: float64(f.n), Unit: "count", Detail: f.detail})
	}
	l.addHeld(e, "apply", first, last, fmt.Sprintf("change %d to %d", early, len(draws)))
	return nil
}

// resting is what the process holds at rest.
type resting struct {
	held
	rss float64 // bytes; NaN is not known
}

// underLoad makes the changes under load, and then looks at what is held.
func (l *laboratory) underLoad(ctx context.Context, o opened, ids *identities, draws []knob.Settings, rate float64, seed uint64) (tallied, resting, error) {
	before, err := l.held(ctx, o.Name)
	if err != nil {
		return tallied{}, resting{}, err
	}
	callers := startCallers(ctx, "http://"+l.Predict+"/predictions/"+o.Name, ids, rate, seed)
	for i, s := range draws {
		if err = l.apply(ctx, o.Name, s); err != nil {
			err = fmt.Errorf("change %d to %s: %w", i+1, s, err)
			break
		}
	}
	counts := callers.stop()
	if err = errors.Join(err, context.Cause(ctx)); err != nil {
		return counts, resting{}, err
	}
	if err := l.apply(ctx, o.Name, plainSettings()); err != nil {
		return counts, resting{}, err
	}
	r, err := l.rest(ctx, o)
	ran := r.Stats.OK + r.Stats.Failed - before.Stats.OK - before.Stats.Failed
	counts.duplicated = max(0, int(ran)-counts.sent)
	return counts, r, err
}

// rest waits until the process holds the same twice, as connections that have
// been closed are gone a little later, for at most two seconds.
func (l *laboratory) rest(ctx context.Context, o opened) (resting, error) {
	http.DefaultClient.CloseIdleConnections() // this program's own, of changes made side by side
	var last held
	for range 20 {
		h, err := l.held(ctx, o.Name)
		if err != nil {
			return resting{}, err
		}
		if h.Goroutines == last.Goroutines && h.Descriptors == last.Descriptors {
			break
		}
		last = h
		time.Sleep(100 * time.Millisecond)
	}
	r := resting{last, math.NaN()}
	if v, ok := monitor.NewSampler(l.cmd.Process.Pid).Sample().RSSBytes.Get(); ok {
		r.rss = v
	}
	return r, nil
}

// addLeft adds what the process holds more of than before, but for its memory.
func (l *laboratory) addLeft(e *env, set string, first, last resting, detail string) {
	for _, f := range []struct {
		name string
		more int
	}{
		{"sessions", int(last.Sessions - first.Sessions)},
		{"goroutines", last.Goroutines - first.Goroutines},
		{"descriptors", last.Descriptors - first.Descriptors},
	} {
		e.report.Add(judge.Figure{Name: set + ".left." + f.name, Value: float64(f.more), Unit: "count", Detail: detail})
	}
}

// addHeld adds what the process holds more than before. Its memory keeps growing
// towards what the largest batches take, so that few changes decide nothing.
func (l *laboratory) addHeld(e *env, set string, first, last resting, detail string) {
	l.addLeft(e, set, first, last, detail)
	grown := judge.Figure{
		Name: set + ".memory", Value: last.rss/first.rss - 1, Unit: "share",
		Detail: fmt.Sprintf("%.0f MB to %.0f MB, %s", first.rss/1e6, last.rss/1e6, detail),
	}
	if e.budget.mode != full.mode {
		grown.Interval = &stat.Interval{Value: grown.Value, Low: math.NaN(), High: math.NaN()}
		grown.Detail += ", too few to tell"
	}
	e.report.Add(grown)
}
