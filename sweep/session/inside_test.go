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

	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

func (*notebook) Operators(trial.Operators) error { return nil }
func (*tape) Operators(trial.Operators) error     { return nil }

// insider is a device that lets its model be looked into: a moment of 200 ms for
// the bare session, 3 s for the operators.
type insider struct {
	*device
	failing error
	beside  []int // live loads that ran beside the bare session
}

func (d *insider) Bare(context.Context) (trial.Bare, error) {
	time.Sleep(200 * ms)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.beside = append(d.beside, d.lives)
	return trial.Bare{Settings: d.now, RPS: trial.NumOf(600), Workers: 1, BatchSize: d.now.BatchSize}, d.failing
}

func (d *insider) Operators(_ context.Context, runs int) (trial.Operators, error) {
	time.Sleep(3 * time.Second)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lives == 0 {
		return trial.Operators{}, errors.New("the load does not flow")
	}
	return trial.Operators{Settings: d.now, Runs: runs, Operators: []trial.Operator{{Name: "Conv", Share: 1}}}, d.failing
}

func (d *insider) flowing() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lives
}

// kept notes what a profile was given, a sweep's and a live one.
type kept struct {
	notebook
	tape
	operators []trial.Operators
}

func (k *kept) ID() string                               { return "kept" }
func (k *kept) Path() string                             { return "kept.jsonl" }
func (k *kept) End(s session.SweepState, exit int) error { return nil }
func (k *kept) Operators(o trial.Operators) error        { k.operators = append(k.operators, o); return nil }

// look runs a session on d.
func look(t *testing.T, d session.Target, do func(s *session.Session, sweep, live *kept)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var inSweep, inLive kept
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

// TestBare: the bare session runs before the first load and whenever it is asked
// for, never beside a load, and holds for the settings it was measured with.
func TestBare(t *testing.T) {
	d := &insider{device: newDevice()}
	look(t, d, func(s *session.Session, _, live *kept) {
		snap := s.Snapshot()
		if got := snap.Inside.BareFor(snap.Settings).Or(0); got != 600 {
			t.Errorf("bare at the start = %g", got)
		}
		to := snap.Settings
		to.BatchDelay = 7 * ms
		if !snap.Inside.BareFor(to).OK() {
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
		if s.Snapshot().Inside.BareFor(to).OK() {
			t.Error("a change of batch size keeps the bare rate")
		}
		if err := s.Bare(); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(snap.Settings); err == nil || err.Error() != "the bare session: being measured, it takes a moment" {
			t.Errorf("apply while measuring: %v", err)
		}
		if err := s.SetLoad(s.Snapshot().Load); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if snap = s.Snapshot(); !snap.Inside.BareFor(to).OK() || snap.Inside.Measuring != session.NoInquiry || d.flowing() != 1 {
			t.Errorf("afterwards: %+v, %d live loads", snap.Inside, d.flowing())
		}
		if err := s.Record(false); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		// A third one may lie between them, of what was under way.
		if n := len(live.tape.trials); n < 2 || live.tape.trials[0].BareRPS.OK() || live.tape.trials[n-1].BareRPS.Or(0) != 600 {
			t.Errorf("%d stretches recorded, want one before and one after with its bare rate", n)
		}
	})
	if !slices.Equal(d.beside, []int{0, 0}) {
		t.Errorf("live loads beside the bare session: %v", d.beside)
	}
}

// TestOperators: operator times are taken while the load flows, and go into
// every profile being written.
func TestOperators(t *testing.T) {
	d := &insider{device: newDevice()}
	look(t, d, func(s *session.Session, inSweep, inLive *kept) {
		if err := s.StartSweep(); err != nil {
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
		if snap := s.Snapshot(); snap.Inside.Measuring != session.AskOperators || s.PauseSweep(false) == nil {
			t.Errorf("%v: the sweep could go on", snap.Inside.Measuring)
		}
		time.Sleep(3 * time.Second)
		if o := s.Snapshot().Inside.Operators; o == nil || o.Runs != 100 {
			t.Errorf("operators = %+v", o)
		}
		synctest.Wait()
		if len(inSweep.operators) != 1 || len(inLive.operators) != 1 {
			t.Errorf("%d in the sweep's profile, %d in the live one", len(inSweep.operators), len(inLive.operators))
		}
		d.mu.Lock()
		d.failing = errors.New("no more paper")
		d.mu.Unlock()
		if err := s.Operators(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		snap := s.Snapshot()
		if last := snap.Messages[len(snap.Messages)-1]; last.Text != "operator times: no more paper" || last.Level != session.Trouble {
			t.Errorf("last message %+v", last)
		}
		if snap.Inside.Operators == nil || snap.Inside.Measuring != session.NoInquiry {
			t.Errorf("after a failure: %+v", snap.Inside)
		}
	})
}

// A target that cannot look into its model says so, before any work is done.
func TestNoInside(t *testing.T) {
	d := newDevice()
	look(t, d, func(s *session.Session, _, _ *kept) {
		for what, err := range map[string]error{"run its model alone": s.Bare(), "tell its operators' times": s.Operators()} {
			if err == nil || err.Error() != "this target does not "+what+": only an engine of this program does" {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := session.Operators(t.Context(), d); err == nil {
			t.Error("Operators without a screen is no error")
		}
		if in := s.Snapshot().Inside; in != (session.Inside{}) {
			t.Errorf("inside = %+v", in)
		}
	})
}
