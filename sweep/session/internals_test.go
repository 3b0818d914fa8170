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
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

func (*sweepRecording) Operators(trial.Operators) error { return nil }
func (*liveRecording) Operators(trial.Operators) error  { return nil }

// profiledDevice is a device whose model can be measured inside: the model alone in 200 ms,
// operator times in 3 s.
type profiledDevice struct {
	*device
	err             error
	loadsDuringBare []int // number of live loads during each measurement of the model alone
}

func (d *profiledDevice) Bare(context.Context) (trial.Bare, error) {
	time.Sleep(200 * ms)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loadsDuringBare = append(d.loadsDuringBare, d.liveLoads)
	return trial.Bare{Settings: d.settings, RPS: trial.NumOf(600), Workers: 1, BatchSize: d.settings.BatchSize}, d.err
}

func (d *profiledDevice) Operators(_ context.Context, runs int) (trial.Operators, error) {
	time.Sleep(3 * time.Second)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.liveLoads == 0 {
		return trial.Operators{}, errors.New("there is no load")
	}
	return trial.Operators{Settings: d.settings, Runs: runs, Operators: []trial.Operator{{Name: "Conv", Share: 1}}}, d.err
}

func (d *profiledDevice) liveLoadCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.liveLoads
}

// memoryRecordings keeps what a sweep and a live recording write, in memory.
type memoryRecordings struct {
	sweepRecording
	liveRecording
	operators []trial.Operators
}

func (k *memoryRecordings) ID() string                               { return "kept" }
func (k *memoryRecordings) Path() string                             { return "kept.jsonl" }
func (k *memoryRecordings) End(s session.SweepState, exit int) error { return nil }
func (k *memoryRecordings) Operators(o trial.Operators) error {
	k.operators = append(k.operators, o)
	return nil
}

// runSession runs a session on d.
func runSession(t *testing.T, d session.Target, do func(s *session.Session, sweep, live *memoryRecordings)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var inSweep, inLive memoryRecordings
		s := session.New(session.Config{
			Plan:       testPlan(t),
			Open:       func(context.Context) (session.Target, error) { return d, nil },
			Record:     func(sweep.Info, plan.Plan) (session.Recording, error) { return &inSweep, nil },
			RecordLive: func(sweep.Info) (session.LiveRecording, error) { return &inLive, nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		time.Sleep(time.Second)
		do(s, &inSweep, &inLive)
		cancel()
		wg.Wait()
	})
}

// TestBare: the model alone is measured before the first load and on demand, never during a load,
// and is valid only for the settings in force.
func TestBare(t *testing.T) {
	d := &profiledDevice{device: newDevice()}
	d.applyTime = 100 * ms
	runSession(t, d, func(s *session.Session, _, live *memoryRecordings) {
		snap := s.Snapshot()
		if got := snap.Internals.BareRate(snap.Settings).Or(0); got != 600 {
			t.Errorf("bare at the start = %g", got)
		}
		to := snap.Settings
		to.BatchDelay = 7 * ms
		if !snap.Internals.BareRate(to).OK() {
			t.Error("a delay makes the bare rate unknown")
		}
		to.BatchSize = 8
		if err := errors.Join(s.Apply(to), s.Record(true)); err == nil || !strings.Contains(err.Error(), "is being applied") {
			t.Errorf("record while applying: %v", err)
		}
		time.Sleep(time.Second)
		if err := s.Record(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if s.Snapshot().Internals.BareRate(to).OK() {
			t.Error("a change of batch size keeps the bare rate")
		}
		if err := s.Bare(); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(snap.Settings); err == nil || err.Error() != "wait until the measurement of the model alone has ended" {
			t.Errorf("apply while measuring: %v", err)
		}
		if err := s.SetLoad(s.Snapshot().Load); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if snap = s.Snapshot(); !snap.Internals.BareRate(to).OK() || snap.Internals.Measuring != session.NoQuery || d.liveLoadCount() != 1 {
			t.Errorf("afterwards: %+v, %d live loads", snap.Internals, d.liveLoadCount())
		}
		if err := s.Record(false); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		// There may be a third segment between them, with the requests in flight.
		if n := len(live.liveRecording.trials); n < 2 || live.liveRecording.trials[0].BareRPS.OK() || live.liveRecording.trials[n-1].BareRPS.Or(0) != 600 {
			t.Errorf("%d segments recorded, want one before and one after with its bare rate", n)
		}
	})
	if !slices.Equal(d.loadsDuringBare, []int{0, 0}) {
		t.Errorf("live loads during the model alone: %v", d.loadsDuringBare)
	}
}

// TestSweepAfterBare: a sweep that is started while the model alone is measured begins after it.
func TestSweepAfterBare(t *testing.T) {
	d := &profiledDevice{device: newDevice()}
	runSession(t, d, func(s *session.Session, inSweep, _ *memoryRecordings) {
		if err := s.Bare(); err != nil {
			t.Fatal(err)
		}
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		if snap := s.Snapshot(); snap.Phase != session.Serving || snap.Sweep != nil {
			t.Errorf("at once: %v, sweep %v", snap.Phase, snap.Sweep)
		}
		time.Sleep(3 * time.Second)
		if snap := s.Snapshot(); snap.Sweep == nil || snap.Internals.Measuring != session.NoQuery {
			t.Errorf("afterwards: %v, sweep %v, measuring %v", snap.Phase, snap.Sweep, snap.Internals.Measuring)
		}
	})
}

// TestOperators: operator times are measured during the load, and written to every open profile.
func TestOperators(t *testing.T) {
	d := &profiledDevice{device: newDevice()}
	runSession(t, d, func(s *session.Session, inSweep, inLive *memoryRecordings) {
		if err := s.StartSweep(s.Snapshot().Plan); err != nil {
			t.Fatal(err)
		}
		if err := s.Operators(); err == nil || !strings.Contains(err.Error(), "pause it first") {
			t.Errorf("during a sweep: %v", err)
		}
		if err := s.PauseSweep(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := errors.Join(s.Record(true), s.Operators()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if snap := s.Snapshot(); snap.Internals.Measuring != session.QueryOperators || s.PauseSweep(false) == nil {
			t.Errorf("%v: the sweep could go on", snap.Internals.Measuring)
		}
		time.Sleep(3 * time.Second)
		if o := s.Snapshot().Internals.Operators; o == nil || o.Runs != 100 {
			t.Errorf("operators = %+v", o)
		}
		synctest.Wait()
		if len(inSweep.operators) != 1 || len(inLive.operators) != 1 {
			t.Errorf("%d in the sweep's profile, %d in the live one", len(inSweep.operators), len(inLive.operators))
		}
		d.mu.Lock()
		d.err = errors.New("no more paper")
		d.mu.Unlock()
		if err := s.Operators(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		snap := s.Snapshot()
		if last := snap.Messages[len(snap.Messages)-1]; last.Text != "operator times: no more paper" || last.Level != session.Error {
			t.Errorf("last message %+v", last)
		}
		if snap.Internals.Operators == nil || snap.Internals.Measuring != session.NoQuery {
			t.Errorf("after a failure: %+v", snap.Internals)
		}
	})
}

// A target that cannot measure inside its model returns an error at once.
func TestNoInternals(t *testing.T) {
	d := newDevice()
	runSession(t, d, func(s *session.Session, _, _ *memoryRecordings) {
		for what, err := range map[string]error{"run its model alone": s.Bare(), "report operator times": s.Operators()} {
			if err == nil || err.Error() != "this target does not "+what+": only an engine of this program does" {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := session.Operators(t.Context(), d); err == nil {
			t.Error("Operators without a screen is no error")
		}
		if in := s.Snapshot().Internals; in != (session.Internals{}) {
			t.Errorf("inside = %+v", in)
		}
	})
}

// TestStartSettings: before a remote server is open, nothing is claimed about its settings.
func TestStartSettings(t *testing.T) {
	p := plan.Default()
	if got := session.New(session.Config{Plan: p}).Snapshot().Settings; got != knob.Default(knob.TorchServe) {
		t.Errorf("the local engine starts with %v", got)
	}
	p.Target = "http://box:1"
	if got := session.New(session.Config{Plan: p}).Snapshot().Settings; got != (knob.Settings{}) {
		t.Errorf("a remote server starts with %v", got)
	}
}
