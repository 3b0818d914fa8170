package sweep_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// tortoise is a server of a slow model on the clock: an item takes each, a batch
// the time of its items, workers take turns. What was sent is answered before a
// measurement ends, unless its context does.
type tortoise struct {
	each  time.Duration
	cores int
	now   knob.Settings
}

func (s *tortoise) Info(context.Context) (sweep.Info, error) {
	return sweep.Info{Current: knob.Default(knob.TorchServe), Limits: knob.Limits{Cores: s.cores, BatchAxis: true}}, nil
}

func (s *tortoise) Apply(_ context.Context, to knob.Settings) (sweep.Applied, error) {
	s.now = to
	return sweep.Applied{Settings: to}, nil
}

func (s *tortoise) Close(context.Context) error { return nil }

func (s *tortoise) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	begin := time.Now()
	b := min(s.now.BatchSize, m.Load.Concurrency)
	model := s.each * time.Duration(b*s.now.Workers)
	rounds := (m.Load.Concurrency + b*s.now.Workers - 1) / (b * s.now.Workers)
	var samples []load.Sample
	why := ""
	for at := time.Duration(0); at < m.Time && (m.Max == 0 || len(samples) < m.Max); at += model {
		if !pause(ctx, model) {
			return trial.Result{}, context.Cause(ctx)
		}
		for range b * s.now.Workers {
			samples = append(samples, load.Sample{Planned: at, Latency: time.Duration(rounds) * model, Model: model, Batch: int32(b), Status: 200})
		}
		stop, reason := m.Stop(time.Since(begin), samples)
		if m.Progress != nil {
			m.Progress(time.Since(begin), samples)
		}
		if stop {
			why = reason
			break
		}
	}
	if !pause(ctx, time.Duration(rounds)*model) {
		return trial.Result{}, context.Cause(ctx)
	}
	return sweep.Summarize(load.Result{Seconds: time.Since(begin).Seconds(), Samples: samples, Lag: latency.New()}, m.Load, m.SLA, why), nil
}

// pause sleeps for d, or until ctx ends, which it says by false.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// A model of 2 s an item under a budget of 45 s: probes keep to their share of
// it, what is left goes to load, and the budget is kept.
func TestSlowModel(t *testing.T) {
	for _, tt := range []struct {
		each, budget time.Duration
		exact        bool // the budget is kept to a batch
	}{
		{2 * time.Second, 45 * time.Second, true},
		{200 * ms, 3 * time.Minute, true},
		{20 * time.Second, 45 * time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := plan.Default()
			p.SLA.Limit, p.Budget.Time = 2*time.Minute, tt.budget
			p, err := search.Complete(p)
			if err != nil {
				t.Fatal(err)
			}
			d := &tortoise{each: tt.each, cores: 2}
			info, _ := d.Info(t.Context())
			points, _ := p.Points(info.Limits, info.Current, nil)
			s, err := search.New(p, points, trial.AllMetrics())
			if err != nil {
				t.Fatal(err)
			}
			n := &notebook{}
			r := sweep.Runner{
				Target: d, Strategy: s, Recorder: n, SLA: p.SLA, Seed: 1, FirstNumber: 1, Time: p.Budget.Time, MaxRequests: p.Trial.MaxRequests,
				Explain: explain,
			}
			begin := time.Now()
			if _, err := r.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			probes := time.Duration(0)
			for _, x := range n.probes {
				probes += time.Duration(x.Seconds * float64(time.Second))
			}
			share := tt.budget * 3 / 10
			if !tt.exact {
				share = tt.each // one batch is what it takes to know anything
			}
			if probes > share+time.Second {
				t.Errorf("%v an item: %d probes took %v of %v", tt.each, len(n.probes), probes, share)
			}
			if len(n.probes) == 0 || len(n.trials) == 0 {
				t.Errorf("%v an item: %d probes, %d trials", tt.each, len(n.probes), len(n.trials))
			}
			if took := time.Since(begin); tt.exact && took > tt.budget+16*tt.each {
				t.Errorf("%v an item: took %v of a budget of %v", tt.each, took, tt.budget)
			}
		})
	}
}

// Trials of a slow model, and its validation, last as long as the answers take that
// they want, where the budget has room for it.
func TestSlowTrialsGetTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan.Default()
		p.SLA.Limit, p.Budget.Time = 2*time.Minute, 24*time.Hour
		p.Knobs = map[knob.Name]string{knob.BatchSize: "1,2,4,8", knob.BatchDelay: "1"}
		p, err := search.Complete(p)
		if err != nil {
			t.Fatal(err)
		}
		d := &tortoise{each: 500 * ms, cores: 2}
		info, _ := d.Info(t.Context())
		points, _ := p.Points(info.Limits, info.Current, nil)
		s, err := search.New(p, points, trial.AllMetrics())
		if err != nil {
			t.Fatal(err)
		}
		n := &notebook{}
		r := sweep.Runner{
			Target: d, Strategy: s, Recorder: n, SLA: p.SLA, Seed: 1, FirstNumber: 1, Time: p.Budget.Time, MaxRequests: p.Trial.MaxRequests,
			Explain: explain,
		}
		out, err := r.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if out.Choice == nil || slices.ContainsFunc(n.trials, func(x trial.Trial) bool { return x.Verdict.Likely() != trial.Pass }) {
			for _, x := range n.trials {
				t.Logf("%s: %v: %v %s, %d answers in %.0f s", x.Reason, x.Settings, x.Verdict.Result, x.Verdict.Why, x.Counts.OK, x.Seconds)
			}
			t.Errorf("no choice, or a trial that does not look like a pass, of %d", len(n.trials))
		}
	})
}
