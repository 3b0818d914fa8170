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

// slowServer is a server of a slow model in real time: each row takes perRow, and batches
// are executed one after another. A measurement ends when all requests are answered, or when
// its context ends.
type slowServer struct {
	perRow  time.Duration
	cores   int
	inForce knob.Settings
}

func (s *slowServer) Info(context.Context) (sweep.Info, error) {
	return sweep.Info{Current: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}, Limits: knob.Limits{Cores: s.cores, BatchAxis: true}}, nil
}

func (s *slowServer) Apply(_ context.Context, to knob.Settings) (sweep.Applied, error) {
	s.inForce = to
	return sweep.Applied{Settings: to}, nil
}

func (s *slowServer) Close(context.Context) error { return nil }

func (s *slowServer) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	begin := time.Now()
	b := min(s.inForce.BatchSize, m.Load.Concurrency)
	model := s.perRow * time.Duration(b*s.inForce.Workers)
	rounds := (m.Load.Concurrency + b*s.inForce.Workers - 1) / (b * s.inForce.Workers)
	var samples []load.Sample
	why := ""
	for at := time.Duration(0); at < m.Time && (m.Max == 0 || len(samples) < m.Max); at += model {
		if !pause(ctx, model) {
			return trial.Result{}, context.Cause(ctx)
		}
		for range b * s.inForce.Workers {
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

// pause sleeps for d. It returns false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// TestSlowModel checks sweeps of slow models with small budgets, such as 2 s per row and 45 s: the
// probes do not take more than their share, trials are run, and the sweep ends in time.
func TestSlowModel(t *testing.T) {
	for _, tt := range []struct {
		perRow, budget time.Duration
		exact          bool // the budget is large enough for probes and trials
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
			d := &slowServer{perRow: tt.perRow, cores: 2}
			info, _ := d.Info(t.Context())
			points, _ := p.Points(info.Limits, info.Current, nil)
			s, err := search.New(p, points, trial.AllMetrics())
			if err != nil {
				t.Fatal(err)
			}
			n := &memoryRecorder{}
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
				share = tt.perRow // a probe needs at least one batch
			}
			if probes > share+time.Second {
				t.Errorf("%v per row: %d probes took %v, want at most %v", tt.perRow, len(n.probes), probes, share)
			}
			if len(n.probes) == 0 || len(n.trials) == 0 {
				t.Errorf("%v per row: %d probes, %d trials", tt.perRow, len(n.probes), len(n.trials))
			}
			if took := time.Since(begin); tt.exact && took > tt.budget+16*tt.perRow {
				t.Errorf("%v per row: the sweep took %v, with a budget of %v", tt.perRow, took, tt.budget)
			}
		})
	}
}

// TestLongTrialsOfASlowModel checks that trials and the validation of a slow model last until they
// have enough answers, if the budget is large enough.
func TestLongTrialsOfASlowModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan.Default()
		p.SLA.Limit, p.Budget.Time = 2*time.Minute, 24*time.Hour
		p.Knobs = map[knob.Name]string{knob.BatchSize: "1,2,4,8", knob.BatchDelay: "1"}
		p, err := search.Complete(p)
		if err != nil {
			t.Fatal(err)
		}
		d := &slowServer{perRow: 500 * ms, cores: 2}
		info, _ := d.Info(t.Context())
		points, _ := p.Points(info.Limits, info.Current, nil)
		s, err := search.New(p, points, trial.AllMetrics())
		if err != nil {
			t.Fatal(err)
		}
		n := &memoryRecorder{}
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
			t.Errorf("no choice, or not all of %d trials are a pass or likely one", len(n.trials))
		}
	})
}
