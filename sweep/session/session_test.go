package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

const ms = time.Millisecond

// device is a target in virtual time. Its requests take 40 ms at batch size 1 and less at larger
// ones. Live samples come every 100 ms.
type device struct {
	mu        sync.Mutex
	settings  knob.Settings
	liveLoads int   // running live loads
	liveErr   error // error of the next live load
	applyErr  error // error of Apply
	applyTime time.Duration
	closed    bool
}

func newDevice() *device { return &device{settings: knob.Default(knob.TorchServe)} }

func (d *device) service() time.Duration {
	return map[int]time.Duration{1: 40 * ms, 2: 24 * ms, 4: 16 * ms, 8: 12 * ms}[d.settings.BatchSize]
}

func (d *device) Info(context.Context) (sweep.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return sweep.Info{
		Current: d.settings, Options: knob.Options{Rule: knob.TorchServe}, Limits: knob.Limits{Rule: knob.TorchServe, Cores: 2, BatchAxis: true}, Metrics: trial.AllMetrics(),
		Fixed: map[knob.Name]string{knob.FP16: "not yet"},
	}, nil
}

func (d *device) Apply(_ context.Context, s knob.Settings) (sweep.Applied, error) {
	time.Sleep(d.applyTime)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.applyErr != nil {
		return sweep.Applied{}, d.applyErr
	}
	d.settings = s
	return sweep.Applied{Settings: s, Took: d.applyTime}, nil
}

func (d *device) Live(ctx context.Context, _ load.Spec, fresh func([]load.Sample)) error {
	d.mu.Lock()
	d.liveLoads++
	err := d.liveErr
	d.liveErr = nil
	d.mu.Unlock()
	defer func() { d.mu.Lock(); d.liveLoads--; d.mu.Unlock() }()
	if err != nil {
		return err
	}
	tick := time.NewTicker(100 * ms)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fresh(d.samples(50))
		case <-ctx.Done():
			return nil
		}
	}
}

// samples returns n answers with the settings in force.
func (d *device) samples(n int) []load.Sample {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]load.Sample, n)
	for i := range out {
		out[i] = load.Sample{Latency: d.service(), Model: d.service() / 2, Batch: int32(d.settings.BatchSize), Status: 200}
	}
	return out
}

func (d *device) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	var samples []load.Sample
	why := ""
	for elapsed := 250 * ms; elapsed <= m.Time; elapsed += 250 * ms {
		select {
		case <-time.After(250 * ms):
		case <-ctx.Done():
			return trial.Result{}, ctx.Err()
		}
		gap := d.service() / 10 // 10 clients
		for i, s := range d.samples(int(250 * ms / gap)) {
			s.Planned = elapsed - 250*ms + time.Duration(i)*gap
			samples = append(samples, s)
		}
		stop, reason := m.Stop(elapsed, samples)
		m.Progress(elapsed, samples)
		if stop {
			why = reason
			break
		}
	}
	last := samples[len(samples)-1]
	r := load.Result{Seconds: (last.Planned + last.Latency).Seconds(), Samples: samples, Lag: latency.New()}
	return sweep.Summarize(r, m.Load, m.SLA, why), nil
}

func (d *device) Use() trial.ResourceUse { return trial.ResourceUse{CPUPercent: trial.NumOf(150)} }

func (d *device) Close(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// sweepRecording is a Recording in memory.
type sweepRecording struct {
	mu     sync.Mutex
	trials []trial.Trial
	choice *trial.Choice
	state  session.SweepState
	exit   int
}

func (n *sweepRecording) Trial(t trial.Trial) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trials = append(n.trials, t)
	return nil
}
func (n *sweepRecording) Probe(trial.Probe) error     { return nil }
func (n *sweepRecording) Event(trial.Event) error     { return nil }
func (n *sweepRecording) Choice(c trial.Choice) error { n.choice = &c; return nil }
func (n *sweepRecording) ID() string                  { return "note" }
func (n *sweepRecording) Path() string                { return "note.jsonl" }
func (n *sweepRecording) End(s session.SweepState, exit int) error {
	n.state, n.exit = s, exit
	return nil
}

func testPlan(t *testing.T) plan.Plan {
	t.Helper()
	p := plan.Default()
	p.SLA.Limit = 20 * ms
	p.Knobs = map[knob.Name]string{knob.BatchSize: "1,2,4,8", knob.BatchDelay: "1"}
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// liveRecording is a LiveRecording in memory.
type liveRecording struct {
	mu      sync.Mutex
	trials  []trial.Trial
	seconds int
	ended   bool
}

func (r *liveRecording) ID() string   { return "tape" }
func (r *liveRecording) Path() string { return "tape.jsonl" }
func (r *liveRecording) Live(t trial.Trial, seconds []session.Second) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trials = append(r.trials, t)
	r.seconds += len(seconds)
	return nil
}

func (r *liveRecording) End(session.SweepState, int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	return nil
}

// withSession runs a session in a synctest bubble and ends it when do returns.
func withSession(t *testing.T, d *device, do func(s *session.Session, n *sweepRecording)) *liveRecording {
	t.Helper()
	live := &liveRecording{}
	synctest.Test(t, func(t *testing.T) {
		n := &sweepRecording{}
		s := session.New(session.Config{
			Plan:       testPlan(t),
			Open:       func(context.Context) (session.Target, error) { time.Sleep(2 * time.Second); return d, nil },
			Record:     func(sweep.Info, plan.Plan) (session.Recording, error) { return n, nil },
			RecordLive: func(sweep.Info) (session.LiveRecording, error) { return live, nil },
			Export: func(r session.ExportRequest) (session.Exported, error) {
				switch {
				case r.Measured == nil:
					return session.Exported{Path: "unmeasured.properties"}, nil
				case r.Measured.Role == trial.RoleLive:
					if r.Measured.Latency.P99.Value.Or(0) == 0 || r.Measured.Counts.OK == 0 || r.Measured.Verdict.ValueMS.Or(0) == 0 || r.Measured.Settings != r.Settings {
						t.Errorf("live figures: %+v", *r.Measured)
					}
					return session.Exported{Path: "live.properties"}, nil
				}
				return session.Exported{Path: "trial.properties", Notes: []string{"FP16 has no key"}}, nil
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		do(s, n)
		cancel()
		wg.Wait()
		if !d.closed || d.liveLoads != 0 {
			t.Errorf("left behind: closed %v, %d live loads", d.closed, d.liveLoads)
		}
	})
	return live
}

func TestLiveApplyUndo(t *testing.T) {
	d := newDevice()
	d.applyTime = 500 * ms
	withSession(t, d, func(s *session.Session, _ *sweepRecording) {
		if got := s.Snapshot(); got.Phase != session.Starting || s.Apply(got.Settings) == nil {
			t.Errorf("before the engine is up: phase %v, Apply accepted", got.Phase)
		}
		time.Sleep(5 * time.Second)
		snap := s.Snapshot()
		if snap.Phase != session.Serving || snap.Live.P99.Or(0) != 40 || snap.Live.Verdict.Result != trial.Fail {
			t.Fatalf("serving: phase %v, P99 %v, verdict %+v", snap.Phase, snap.Live.P99, snap.Live.Verdict)
		}
		to := snap.Settings
		to.BatchSize = 8
		if err := s.Apply(to); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(to); err == nil || !strings.Contains(err.Error(), "being applied") {
			t.Errorf("second Apply = %v", err)
		}
		time.Sleep(time.Second)
		if !s.Snapshot().Live.Transient {
			t.Error("not settling right after a change")
		}
		time.Sleep(4 * time.Second)
		snap = s.Snapshot()
		if snap.Settings != to || snap.Live.Verdict.Likely() != trial.Pass || snap.Live.Transient || snap.Live.Batch.Or(0) != 8 {
			t.Errorf("after the change: %+v %+v", snap.Settings, snap.Live.Verdict)
		}
		time.Sleep(20 * time.Second) // until there are enough answers for a pass
		if v := s.Snapshot().Live.Verdict; v.Result != trial.Pass {
			t.Errorf("long after the change: %+v", v)
		}
		if len(snap.Changes) != 1 || snap.Changes[0].Took != 500*ms || snap.Live.Totals.Failed+snap.Live.Totals.Refused != 0 {
			t.Errorf("changes %+v, totals %+v", snap.Changes, snap.Live.Totals)
		}
		if err := s.Undo(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if snap = s.Snapshot(); snap.Settings.BatchSize != 1 || len(snap.Changes) != 2 || !snap.Changes[1].Undo {
			t.Errorf("after undo: %v, %+v", snap.Settings, snap.Changes)
		}
		if snap.Undoable != 0 || snap.Redoable != 1 || s.Undo() == nil || snap.Baseline != snap.Settings {
			t.Errorf("after undo: %d undoable, %d redoable", snap.Undoable, snap.Redoable)
		}
		if err := s.Redo(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if snap = s.Snapshot(); snap.Settings != to || snap.Undoable != 1 || snap.Redoable != 0 || s.Redo() == nil {
			t.Errorf("after redo: %v, %d undoable, %d redoable", snap.Settings, snap.Undoable, snap.Redoable)
		}
	})
}

func TestRefusals(t *testing.T) {
	d := newDevice()
	withSession(t, d, func(s *session.Session, _ *sweepRecording) {
		if err := s.Undo(); err == nil {
			t.Error("Undo of nothing was accepted")
		}
		time.Sleep(3 * time.Second)
		now := s.Snapshot().Settings
		fp16, zero := now, now
		fp16.Precision = knob.HalfPrecision
		zero.BatchSize = 0
		for _, tc := range []struct {
			err  error
			want string
		}{
			{s.Apply(now), "in force already"},
			{s.Apply(fp16), "precision: not yet"},
			{s.Apply(zero), "batch_size: 0 is outside"},
			{s.SetLoad(load.Spec{}), "concurrency 0"},
			{s.SetLoad(load.Spec{Mode: load.Open}), "rate 0"},
			{s.PauseSweep(true), "no sweep"},
			{s.AbortSweep(), "no sweep"},
			{s.Restart(), "is up"},
		} {
			if tc.err == nil || !strings.Contains(tc.err.Error(), tc.want) {
				t.Errorf("err = %v, want %q", tc.err, tc.want)
			}
		}
		d.mu.Lock()
		d.applyErr = errors.New("out of memory")
		d.mu.Unlock()
		to := now
		to.BatchSize = 4
		if err := s.Apply(to); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		snap := s.Snapshot()
		last := snap.Messages[len(snap.Messages)-1]
		if snap.Settings != now || last.Level != session.Error || !strings.Contains(last.Text, "out of memory") {
			t.Errorf("after a failed apply: %v, %+v", snap.Settings, last)
		}
	})
}

// TestRecording: each setting has its own segment, and the end of the session closes the recording.
func TestRecording(t *testing.T) {
	live := withSession(t, newDevice(), func(s *session.Session, _ *sweepRecording) {
		if err := s.Record(true); err == nil {
			t.Error("recording before there is an engine was accepted")
		}
		time.Sleep(3 * time.Second)
		if err := s.Record(false); err == nil {
			t.Error("ending no recording was accepted")
		}
		if err := s.Record(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		to := s.Snapshot().Settings
		to.BatchSize = 8
		if err := s.Apply(to); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if r := s.Snapshot().Recording; r == nil || r.Path != "tape.jsonl" || s.Record(true) == nil {
			t.Errorf("recording: %+v", r)
		}
	})
	if len(live.trials) != 2 || !live.ended || live.seconds < 9 {
		t.Fatalf("%d segments, %d seconds, ended %v", len(live.trials), live.seconds, live.ended)
	}
	a, b := live.trials[0], live.trials[1]
	if a.Settings.BatchSize != 1 || b.Settings.BatchSize != 8 || a.N != 1 || b.N != 2 || a.Role != trial.RoleLive {
		t.Errorf("segments %+v and %+v", a.Settings, b.Settings)
	}
	if a.Latency.P99.Value.Or(0) != 40 || b.Latency.P99.Value.Or(0) != 12 {
		t.Errorf("P99 %v and %v, want 40 and 12", a.Latency.P99.Value, b.Latency.P99.Value)
	}
	if rps := a.Throughput.Value.Or(0); rps < 450 || rps > 550 {
		t.Errorf("throughput %v, want about 500", rps)
	}
}

func TestLoadControls(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, _ *sweepRecording) {
		time.Sleep(4 * time.Second)
		if err := s.HoldLoad(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		sent := s.Snapshot().Live.Totals.Sent
		time.Sleep(2 * time.Second)
		if snap := s.Snapshot(); snap.Live.Totals.Sent != sent || snap.LoadOn {
			t.Errorf("the stopped load sent %d more", snap.Live.Totals.Sent-sent)
		}
		if err := errors.Join(s.HoldLoad(false), s.SetLoad(load.Spec{Mode: load.Open, Rate: 50})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if snap := s.Snapshot(); snap.Live.Totals.Sent == sent || snap.Load.Rate != 50 {
			t.Errorf("the load was not started again: %+v", snap.Load)
		}
	})
}

// TestSweepOwnsAndReturnsTheEngine: a sweep owns the engine. A pause returns it to the user, and
// after the end the user's settings are in force again.
func TestSweepOwnsAndReturnsTheEngine(t *testing.T) {
	d := newDevice()
	withSession(t, d, func(s *session.Session, n *sweepRecording) {
		time.Sleep(3 * time.Second)
		mine := s.Snapshot().Settings
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * ms)
		snap := s.Snapshot()
		if snap.Phase != session.Sweeping || snap.Sweep.Total != 4 || s.Apply(mine) == nil || s.StartSweep(s.Snapshot().Plan) == nil {
			t.Errorf("sweeping: %v %+v", snap.Phase, snap.Sweep)
		}
		if err := s.PauseSweep(true); err != nil {
			t.Fatal(err)
		}
		for s.Snapshot().Sweep.State != session.Paused {
			time.Sleep(100 * ms)
		}
		time.Sleep(2 * time.Second)
		done := len(s.Snapshot().Sweep.Trials)
		if snap = s.Snapshot(); snap.Phase != session.Serving || snap.Settings != mine || d.liveLoads != 1 {
			t.Errorf("paused: %v, %v, %d live loads", snap.Phase, snap.Settings, d.liveLoads)
		}
		time.Sleep(20 * time.Second)
		if got := len(s.Snapshot().Sweep.Trials); got != done {
			t.Errorf("%d trials while paused", got-done)
		}
		if err := s.PauseSweep(false); err != nil {
			t.Fatal(err)
		}
		for !s.Snapshot().Sweep.State.Ended() {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		snap = s.Snapshot()
		if snap.Sweep.State != session.Done || snap.Sweep.Choice == nil || snap.Sweep.Choice.Settings.BatchSize != 8 {
			t.Errorf("sweep = %+v", snap.Sweep)
		}
		if snap.Phase != session.Serving || snap.Settings != mine || n.state != session.Done || n.exit != 0 {
			t.Errorf("given back: %v %v, recording ended %v exit %d", snap.Phase, snap.Settings, n.state, n.exit)
		}
		if out, err := s.Export(session.ExportOptions{Trial: snap.Sweep.Choice.N}); err != nil || out.Path != "trial.properties" || len(out.Notes) != 1 {
			t.Errorf("Export = %+v, %v", out, err)
		}
		if _, err := s.Export(session.ExportOptions{Trial: 99}); err == nil {
			t.Error("Export of trial 99 was accepted")
		}
	})
}

// TestSweepUsesTheLiveLoad: a sweep uses the load that the user has set, and says so.
func TestSweepUsesTheLiveLoad(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, n *sweepRecording) {
		time.Sleep(3 * time.Second)
		live := load.Spec{Mode: load.Closed, Concurrency: 3}
		if err := s.SetLoad(live); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * ms) // until it is in a snapshot
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * ms)
		for !s.Snapshot().Sweep.State.Ended() {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		snap := s.Snapshot()
		if got := snap.Sweep.Plan.Loads; len(got) != 1 || got[0] != live {
			t.Errorf("the sweep's loads are %v, want %v", got, live)
		}
		for _, x := range snap.Sweep.Trials {
			if x.Load != live {
				t.Errorf("trial %d under %v, want %v", x.N, x.Load, live)
			}
		}
		if !slices.ContainsFunc(snap.Messages, func(m session.Message) bool {
			return m.Text == "sweep started: under concurrency 3"
		}) || len(snap.Sweep.Trials) == 0 || snap.Load != live {
			t.Errorf("%d trials, live load %v, messages %v", len(snap.Sweep.Trials), snap.Load, snap.Messages)
		}
	})
}

func TestAbortAndEndKeepTheProfile(t *testing.T) {
	withSession(t, newDevice(), func(s *session.Session, n *sweepRecording) {
		time.Sleep(3 * time.Second)
		if err := errors.Join(s.StartSweep(s.Snapshot().Plan), s.AbortSweep()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if snap := s.Snapshot(); snap.Sweep.State != session.Aborted || snap.Phase != session.Serving || n.state != session.Aborted {
			t.Errorf("aborted: %v, %v, recording %v", snap.Sweep.State, snap.Phase, n.state)
		}
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * ms) // withSession ends the session during the sweep
	})
}

func TestEngineRestartsAfterItDied(t *testing.T) {
	d := newDevice()
	d.liveErr = sweep.ErrEngineDied
	withSession(t, d, func(s *session.Session, _ *sweepRecording) {
		time.Sleep(5 * time.Second)
		snap := s.Snapshot()
		if snap.Phase != session.Serving || snap.Live.Totals.OK == 0 {
			t.Errorf("after a death: %v, %+v", snap.Phase, snap.Live.Totals)
		}
		if len(snap.Crashes) != 1 || snap.At.Sub(snap.Crashes[0]) < 2*time.Second {
			t.Errorf("at %v: the engine died at %v", snap.At, snap.Crashes)
		}
	})
}

func TestEngineThatDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		d := newDevice()
		s := session.New(session.Config{Plan: testPlan(t), Open: func(context.Context) (session.Target, error) {
			if fail {
				return nil, errors.New("no ONNX Runtime: run make ort")
			}
			return d, nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Run(ctx) })
		time.Sleep(time.Second)
		if snap := s.Snapshot(); snap.Phase != session.Down || !strings.Contains(snap.Problem, "make ort") || s.Apply(snap.Settings) == nil {
			t.Errorf("down: %v %q", snap.Phase, snap.Problem)
		}
		fail = false
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if snap := s.Snapshot(); snap.Phase != session.Serving || snap.Problem != "" {
			t.Errorf("restarted: %v %q", snap.Phase, snap.Problem)
		}
		cancel()
		wg.Wait()
	})
}
