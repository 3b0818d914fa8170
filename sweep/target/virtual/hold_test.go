//go:build !race

package virtual_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/virtual"
	"sweetspot/sweep/trial"
)

// drifting is a simulated device whose service times grow with the time under load: by the share growth until the end of span.
type drifting struct {
	t        *testing.T
	growth   float64
	span     time.Duration
	measured time.Duration
	current  knob.Settings
}

func (d *drifting) device() *virtual.Target {
	rows := []servicetime.Row{}
	for _, batch := range []int{1, 2, 4, 8} {
		at := float64(10+10*batch) * float64(ms) * (1 + d.growth*d.measured.Seconds()/d.span.Seconds())
		rows = append(rows, servicetime.Row{Key: servicetime.Key{Workers: 1, Device: "cpu", Precision: "fp32"}, Batch: batch, Median: time.Duration(at), Spread: .1})
	}
	table, err := servicetime.New(rows)
	if err != nil {
		d.t.Fatal(err)
	}
	v, err := virtual.Open(virtual.Config{Name: "drifting", Table: table, Start: knob.Config{Settings: d.current, Options: knob.Options{Rule: knob.TorchServe}}})
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

func (d *drifting) Info(ctx context.Context) (sweep.Info, error) { return d.device().Info(ctx) }

func (d *drifting) Apply(_ context.Context, s knob.Settings) (sweep.Applied, error) {
	d.current = s
	return sweep.Applied{Settings: s}, nil
}

func (d *drifting) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	r, err := d.device().Measure(ctx, m)
	d.measured += time.Duration((r.Seconds + r.WarmupSeconds) * float64(time.Second))
	return r, err
}

func (d *drifting) Close(context.Context) error { return nil }

// memory is a HoldRecorder. after, if not nil, is called after each period.
type memory struct {
	periods []trial.HoldPeriod
	held    []trial.Hold
	after   func()
}

func (m *memory) HoldPeriod(p trial.HoldPeriod) error {
	m.periods = append(m.periods, p)
	if m.after != nil {
		m.after()
	}
	return nil
}

func (m *memory) Hold(h trial.Hold) error { m.held = append(m.held, h); return nil }

// holdOf returns a hold of a device whose service times grow by this share.
func holdOf(t *testing.T, growth float64, limit, span time.Duration, l load.Spec, seed uint64) (*sweep.Hold, *memory) {
	s := knob.Default(knob.TorchServe)
	s.BatchSize, s.BatchDelay = 8, ms
	to := &memory{}
	return &sweep.Hold{
		Target: &drifting{t: t, growth: growth, span: span, current: s}, Recorder: to, SLA: trial.SLA{Percentile: 99, Limit: limit},
		N: 7, Settings: s, Load: l, Time: span, Rate: 80, Seed: seed,
	}, to
}

func runHold(t *testing.T, h *sweep.Hold) trial.Hold {
	t.Helper()
	out, err := h.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// holdSeeds is the number of holds of a kind in a long test.
const holdSeeds = 20

// The latencies of a steady device drift in few holds, and a drift of a fifth is found in most. With Poisson arrivals the P99 of a
// minute fluctuates more, and so it takes more minutes.
func TestHoldDrift(t *testing.T) {
	seeds, span := 10, 10*time.Minute
	closed, open := load.Spec{Concurrency: 8}, load.Spec{Mode: load.Open, Rate: 30}
	if !testing.Short() {
		seeds, span = holdSeeds, time.Hour
	}
	for _, tt := range []struct {
		name        string
		load        load.Spec
		growth      float64
		least, most float64 // share of the holds with a growing P99
		long        bool
	}{
		{name: "steady", load: closed, most: .05},
		{name: "a fifth slower", load: closed, growth: .2, least: .8, most: 1},
		{name: "steady, Poisson arrivals", load: open, most: .05, long: true},
		{name: "a fifth slower, Poisson arrivals", load: open, growth: .2, least: .8, most: 1, long: true},
	} {
		if tt.long && testing.Short() {
			continue
		}
		growing, falling, steady := 0, 0, 0
		for seed := range seeds {
			h, _ := holdOf(t, tt.growth, time.Second, span, tt.load, uint64(1000*(seed+1)))
			out := runHold(t, h)
			if out.Result != trial.Pass {
				t.Fatalf("%s: %v, %s", tt.name, out.Result, out.Why)
			}
			switch out.Latency.Drift {
			case trial.Growing:
				growing++
			case trial.Falling:
				falling++
			case trial.Steady:
				steady++
			}
		}
		t.Logf("%s, %v: of %d holds %d growing, %d falling, %d steady", tt.name, span, seeds, growing, falling, steady)
		drift := float64(growing)
		if tt.growth == 0 {
			drift += float64(falling)
		}
		if slack := 2.; drift < tt.least*float64(seeds)-slack || drift > tt.most*float64(seeds)+slack {
			t.Errorf("%s: a drift in %g of %d holds, want %.0f-%.0f%%", tt.name, drift, seeds, 100*tt.least, 100*tt.most)
		}
	}
}

// A device that becomes slower breaks the promise when the limit is reached, and the hold ends when that is certain. Before, it was
// kept, so only the parts are broken.
func TestHoldBreaks(t *testing.T) {
	h, to := holdOf(t, .5, 140*ms, 20*time.Minute, load.Spec{Concurrency: 8}, 1)
	out := runHold(t, h)
	if out.Result != trial.Fail || out.Periods >= out.Planned || out.Planned != 20 || !strings.Contains(out.Ended, "3 periods in a row") {
		t.Fatalf("%v (%s) after %d of %d periods: %q", out.Result, out.Why, out.Periods, out.Planned, out.Ended)
	}
	if n := len(out.Broken); n != 3 || out.Broken[2] != out.Periods || to.periods[0].Broken || out.Latency.Drift != trial.Growing {
		t.Errorf("broken in %v of %d, %s", out.Broken, out.Periods, out.Latency.Drift)
	}
	if len(to.periods) != out.Periods || len(to.held) != 1 || to.held[0].Why != out.Why || to.held[0].N != 7 {
		t.Errorf("recorded %d periods, %d results", len(to.periods), len(to.held))
	}
}

// A device that becomes slower and stays within the limit keeps the promise, and the drift is said.
func TestHoldKept(t *testing.T) {
	h, to := holdOf(t, .3, 400*ms, 20*time.Minute, load.Spec{Concurrency: 8}, 1)
	progress := 0
	h.OnProgress = func(sweep.HoldProgress) { progress++ }
	out := runHold(t, h)
	if out.Result != trial.Pass || out.Ended != "" || out.Periods != 20 || out.Latency.Drift != trial.Growing || out.Over.Value.Or(1) != 0 {
		t.Errorf("%v, %s, %d periods, %+v", out.Result, out.Why, out.Periods, out.Latency)
	}
	checkNear(t, "change", out.Latency.Change.Value, .3, .03)
	if s := out.Seconds; s < 1199 || s > 1203 || progress < 20 || to.periods[19].FromS < 1135 {
		t.Errorf("measured %g s, the last period begins at %g s", s, to.periods[19].FromS)
	}
	text := out.Lines(99, 400)
	if !strings.HasPrefix(text[0].Text, "kept: ") || !strings.Contains(text[1].Text, "it reaches 400 ms in") {
		t.Errorf("text:\n%v", text)
	}
}

// Ctrl-C keeps the periods that were measured, and says nothing about the rest.
func TestHoldStopped(t *testing.T) {
	h, to := holdOf(t, 0, 400*ms, 20*time.Minute, load.Spec{Concurrency: 8}, 1)
	ctx, stop := context.WithCancelCause(t.Context())
	signal := errors.New("a signal")
	to.after = func() {
		if len(to.periods) == 12 {
			stop(signal)
		}
	}
	out, err := h.Run(ctx)
	if !errors.Is(err, signal) || out.Result != trial.Undecided || out.Periods != 12 || out.Ended != "stopped" || len(to.held) != 1 {
		t.Errorf("%v, %v (%s) after %d periods, %q", err, out.Result, out.Why, out.Periods, out.Ended)
	}
	h, to = holdOf(t, 0, 400*ms, 20*time.Minute, load.Spec{Concurrency: 8}, 1)
	h.BeforePeriod = func(context.Context) error { return sweep.ErrAborted }
	if out := runHold(t, h); out.Result != trial.Undecided || out.Periods != 0 || len(to.held) != 1 {
		t.Errorf("aborted before the first period: %+v", out)
	}
}
