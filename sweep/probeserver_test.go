package sweep_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/servercost"
	"sweetspot/sweep/trial"
)

// costlyServer is a server with a known cost. Its measurements take the time that Stop allows them, in
// a bubble; the first ones are slower, as of a server that is not warm.
type costlyServer struct {
	truth    servercost.Server
	inForce  knob.Settings
	fixed    map[knob.Name]string
	measured int
	applied  int
	change   time.Duration    // of the time that a change takes
	unsteady func(n int) bool // whether the nth measurement is of a busy machine: a third slower, and uncertain
}

func (s *costlyServer) Info(context.Context) (sweep.Info, error) {
	return sweep.Info{Current: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}, Fixed: s.fixed}, nil
}

func (s *costlyServer) Apply(ctx context.Context, to knob.Settings) (sweep.Applied, error) {
	if to != s.inForce {
		s.applied++
		if !pause(ctx, s.change) {
			return sweep.Applied{}, context.Cause(ctx)
		}
	}
	s.inForce = to
	return sweep.Applied{Settings: to}, nil
}

func (s *costlyServer) Close(context.Context) error { return nil }

func (s *costlyServer) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	s.measured++
	f, err := servercost.Simulate(s.truth, s.inForce, servercost.Load{Clients: m.Load.Concurrency, Requests: 2000, Seed: uint64(s.measured)})
	if err != nil {
		return trial.Result{}, err
	}
	if s.measured < 3 {
		f.Rate /= float64(4 - s.measured)
	}
	half := .03
	if s.unsteady != nil && s.unsteady(s.measured) {
		f.Rate, half = f.Rate*2/3, .2
	}
	for at := time.Duration(0); at < m.Time; at += 250 * time.Millisecond {
		if !pause(ctx, 250*time.Millisecond) {
			return trial.Result{}, context.Cause(ctx)
		}
		if stop, _ := m.Stop(at+250*time.Millisecond, make([]load.Sample, int(f.Rate*at.Seconds()))); stop {
			break
		}
	}
	r := trial.Result{Throughput: trial.Estimate{Value: trial.NumOf(f.Rate), Low: trial.NumOf(f.Rate * (1 - half)), High: trial.NumOf(f.Rate * (1 + half))}}
	r.Latency.P99.Value = trial.NumOf(f.P99)
	return r, nil
}

func probedPoints() []knob.Settings {
	var out []knob.Settings
	for _, w := range []int{1, 2} {
		for _, b := range []int{1, 4, 8} {
			s := knob.Default(knob.TorchServe)
			s.Workers, s.BatchSize, s.BatchDelay = w, b, 10*time.Millisecond
			out = append(out, s)
		}
	}
	return out
}

// TestServerProbe: the probe of a server with a known cost finds it within a minute.
func TestServerProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		truth := servercost.Server{
			Cost:    servercost.Cost{Batch: .7, Request: .3, Background: .3, Frontend: .1},
			Service: servicetime.Line(50*time.Microsecond, 120*time.Microsecond), Cores: 2, Spread: .1,
		}
		s := &costlyServer{truth: truth, change: 3 * time.Second}
		begin, steps := time.Now(), 0
		probes, err := sweep.ServerProbe{Target: s, Points: probedPoints(), OnStep: func(done, total int, _ servercost.Step) {
			if steps = total; done > total {
				t.Errorf("step %d of %d", done, total)
			}
		}}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("the probe took %v", took)
		}
		if len(probes) != steps || s.applied != 6 {
			t.Errorf("%d of %d loads, after %d changes", len(probes), steps, s.applied)
		}
		f, err := servercost.Fit(truth.Service, 2, probes)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(f.Batch.Value-.7) > .2 || math.Abs(f.Request.Value-.3) > .07 || f.Batch.Low > .7 || f.Batch.High < .7 || f.Request.Low > .3 || f.Request.High < .3 {
			t.Errorf("found %v", f)
		}
	})
}

// TestServerProbeUnsteady: loads that another program disturbs are measured again, within the same minute, and the cost is
// still found.
func TestServerProbeUnsteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		truth := servercost.Server{
			Cost:    servercost.Cost{Batch: .7, Request: .3, Background: .3, Frontend: .1},
			Service: servicetime.Line(50*time.Microsecond, 120*time.Microsecond), Cores: 2, Spread: .1,
		}
		s := &costlyServer{truth: truth, change: 2 * time.Second, unsteady: func(n int) bool { return n > 5 && n%3 == 0 }}
		begin, steps := time.Now(), 0
		probes, err := sweep.ServerProbe{Target: s, Points: probedPoints(), OnStep: func(_, total int, _ servercost.Step) { steps = total }}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Minute || len(probes) <= steps {
			t.Errorf("%d loads for %d steps, in %v", len(probes), steps, took)
		}
		f, err := servercost.Fit(truth.Service, 2, probes)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(f.Batch.Value-.7) > .25 || math.Abs(f.Request.Value-.3) > .1 || f.Check() != nil {
			t.Errorf("found %v", f)
		}
	})
}

// TestServerProbeEnds: a slow server ends the probe, a server that cannot be changed is an error.
func TestServerProbeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		truth := servercost.Server{Service: servicetime.Line(time.Second, 0), Cores: 2}
		s := &costlyServer{truth: truth, change: 10 * time.Second}
		begin := time.Now()
		probes, err := sweep.ServerProbe{Target: s, Points: probedPoints(), Time: 30 * time.Second}.Run(t.Context())
		if took := time.Since(begin); err != nil || took > time.Minute || len(probes) == 0 {
			t.Errorf("%d loads in %v: %v", len(probes), took, err)
		}
		s.fixed = map[knob.Name]string{knob.BatchSize: "the model API is off"}
		if _, err := (sweep.ServerProbe{Target: s, Points: probedPoints()}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the model API is off") {
			t.Errorf("a fixed batch size: %v", err)
		}
		s.fixed = nil
		if _, err := (sweep.ServerProbe{Target: s}).Run(t.Context()); err == nil {
			t.Error("no points: no error")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := (sweep.ServerProbe{Target: s, Points: probedPoints()}).Run(ctx); err == nil {
			t.Error("after the end of the context: no error")
		}
	})
}
