// Package session is the workbench without a screen: a target with live load, changes of settings
// with undo, a sweep in the background, and the owner of the engine: the user or the sweep.
//
// [New] returns a [Session]. Run works until its context ends. Snapshot returns what a screen
// shows. The other methods (Apply, Undo, SetLoad, StartSweep ...) return at once with the reason if
// they cannot do something. Otherwise they start it, and the snapshots show its progress. A
// [Sweeper] runs a plan, with and without a screen.
//
// A Session is safe for concurrent use.
package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Target is a sweep.Target that can also have live load while its settings change. Live may run
// concurrently with Apply and Use.
type Target interface {
	sweep.Target
	// Live sends l until ctx ends and passes new samples to the callback a few times a second. It
	// returns nil after the end of ctx, otherwise the reason why the load failed.
	Live(ctx context.Context, l load.Spec, onSamples func([]load.Sample)) error
	// Use returns the latest utilization.
	Use() trial.ResourceUse
}

// Config is the configuration of a session.
type Config struct {
	// Open starts the target. It may take a long time.
	Open func(ctx context.Context) (Target, error)
	Plan plan.Plan // the promise, the live load, and the plan of StartSweep
	// Promise measures a promise on the started target, which replaces the plan's, and says how it
	// was measured. It is called once, before there is any load. If it is nil, the plan's promise
	// is used.
	Promise func(ctx context.Context, t Target) (sla trial.SLA, why string)
	// Record creates the profile of a sweep.
	Record func(info sweep.Info, p plan.Plan) (Recording, error)
	// RecordLive creates the profile of live traffic.
	RecordLive func(info sweep.Info) (LiveRecording, error)
	// Export writes the chosen settings, or previews that.
	Export func(ExportRequest) (Exported, error)
}

// Recording is the open profile of a sweep.
type Recording interface {
	sweep.Recorder
	// Operators records operator times.
	Operators(trial.Operators) error
	ID() string
	Path() string
	// End writes the last line and closes the file. The state is Done, Aborted
	// or Failed.
	End(state SweepState, exit int) error
}

// Session is the workbench without a screen.
type Session struct {
	cfg      Config
	now      func() time.Time
	snapshot atomic.Pointer[Snapshot]
	wg       sync.WaitGroup // every goroutine the session started

	mu              sync.Mutex // guards everything below
	ctx             context.Context
	closing         bool // Run waits for the last goroutines, and no new ones may start
	target          Target
	state           Snapshot // without Live, which publish adds
	ring            ring
	liveLoad        *liveLoad
	comparing       *comparison     // nil without a comparison
	undo, redo      []knob.Settings // for Undo and Redo, the next one last
	sweeping        *background
	nextSweep       *plan.Plan // waits for the end of the measurement of the model alone
	rec             *recorder  // nil without a recording
	lengths         lengthWatch
	silence         silence
	restartSettings *knob.Settings // settings for a restarted engine, nil for its start settings
	pollingBatches  bool           // a request for the latest batches is in flight
}

// liveLoad is the goroutine of the live load.
type liveLoad struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// New returns a session. Run starts it.
func New(c Config) *Session {
	s := &Session{cfg: c, now: time.Now, ring: ring{sla: c.Plan.SLA}}
	s.state = Snapshot{Phase: Starting, SLA: c.Plan.SLA, LoadOn: true}
	if len(c.Plan.Loads) > 0 {
		s.state.Load = c.Plan.Loads[0]
	}
	s.state.Settings = startSettings(c.Plan)
	s.publish()
	return s
}

// Snapshot returns the latest state. It only reads a pointer.
func (s *Session) Snapshot() *Snapshot { return s.snapshot.Load() }

// publishEvery is the time between two snapshots.
const publishEvery = 200 * time.Millisecond

// Run starts the target and works until ctx ends. Then it stops the load and the sweep, closes
// their profiles and the target, and returns.
func (s *Session) Run(ctx context.Context) error {
	s.mu.Lock()
	s.ctx = ctx
	s.spawn(s.open)
	s.mu.Unlock()
	tick := time.NewTicker(publishEvery)
	defer tick.Stop()
	second := s.now()
	for {
		select {
		case <-tick.C:
			if s.now().Sub(second) >= time.Second {
				second = second.Add(s.now().Sub(second).Truncate(time.Second))
				s.endSecond()
			}
			s.publish()
		case <-ctx.Done():
			return s.shutdown()
		}
	}
}

// spawn starts a goroutine that Run waits for, or none if the session is closing. The lock is held.
func (s *Session) spawn(f func()) {
	if !s.closing {
		s.wg.Go(f)
	}
}

func (s *Session) shutdown() error {
	s.mu.Lock()
	if s.rec != nil {
		s.stopRecording()
	}
	s.closing = true
	s.mu.Unlock()
	s.wg.Wait()
	s.mu.Lock()
	t := s.target
	s.mu.Unlock()
	var err error
	if t != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = t.Close(ctx)
	}
	s.publish()
	return err
}

// open starts the target and its live load.
func (s *Session) open() {
	s.mu.Lock()
	ctx := s.ctx
	s.state.Phase, s.state.Problem = Starting, ""
	s.mu.Unlock()
	t, err := s.cfg.Open(ctx)
	var info sweep.Info
	if err == nil {
		info, err = s.targetInfo(ctx, t)
	}
	var found *trial.FP16Agreement
	if err == nil {
		s.measurePromise(ctx, t)
		found = agreementOf(ctx, t, info.Current, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.setDown(err)
		return
	}
	if s.target == nil && s.state.Baseline == (knob.Settings{}) {
		s.state.Baseline = info.Current
	}
	s.target, s.state.Info, s.state.Settings, s.state.Phase = t, info, info.Current, Serving
	s.setFP16(found)
	text := "serving " + info.Model.Name
	if why := info.Model.BatchWhy; why != "" {
		text += ": " + why
	}
	s.addMessage(Note, "%s", text)
	for _, n := range info.Notes {
		s.addMessage(Note, "%s", n)
	}
	if l := info.Model.Lengths; l != "" {
		s.addMessage(Note, "lengths of generated requests: %s", l)
	}
	if p := info.Model.Padding; p != "" {
		s.addMessage(Note, "padding: %s", p)
	}
	if info.Model.Images != "" && s.cfg.Plan.Input != "" { // else no images are sent
		s.addMessage(Note, "images %s", info.Model.Images)
	}
	if b, ok := t.(sweep.BareMeasurer); ok {
		s.measureBare(b) // there is no load yet
		return
	}
	s.startLoad()
}

// targetInfo returns the description of a started target, after it has applied the settings from
// before a restart.
func (s *Session) targetInfo(ctx context.Context, t Target) (sweep.Info, error) {
	s.mu.Lock()
	earlier := s.restartSettings
	s.restartSettings = nil
	s.mu.Unlock()
	if earlier != nil {
		if _, err := t.Apply(ctx, *earlier); err != nil {
			return sweep.Info{}, errors.Join(err, t.Close(ctx))
		}
	}
	info, err := t.Info(ctx)
	if err == nil {
		err = sweep.CheckSLA(s.cfg.Plan.SLA, info.Metrics)
	}
	if err != nil {
		return info, errors.Join(err, t.Close(ctx))
	}
	return info, nil
}

// noteCrash stores the time if the reason is that the engine died. The lock is held.
func (s *Session) noteCrash(err error) {
	if errors.Is(err, sweep.ErrEngineDied) {
		s.addCrash(s.now())
	}
}

// addCrash stores when the engine was found dead. The lock is held.
func (s *Session) addCrash(at time.Time) {
	const maxCrashes = 100
	s.state.Crashes = append(s.state.Crashes, at)
	if n := len(s.state.Crashes); n > maxCrashes {
		s.state.Crashes = slices.Clone(s.state.Crashes[n-maxCrashes:])
	}
}

// setDown notes that the engine has failed. The lock is held.
func (s *Session) setDown(err error) {
	if s.ctx.Err() != nil {
		return
	}
	s.state.Phase, s.state.Problem = Down, err.Error()
	s.addMessage(Error, "%v", err)
}

// addMessage adds a message. The lock is held.
func (s *Session) addMessage(l Level, format string, args ...any) {
	s.add(Message{Level: l, Text: fmt.Sprintf(format, args...)})
}

// add adds a message of now. The lock is held.
func (s *Session) add(m Message) {
	const maxMessages = 500
	m.At = s.now()
	if len(s.state.Messages) >= maxMessages {
		s.state.Messages = s.state.Messages[len(s.state.Messages)-maxMessages+1:]
	}
	s.state.Messages = append(s.state.Messages, m)
}

// publish makes a new snapshot.
func (s *Session) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.state
	out.At = s.now()
	// Earlier snapshots have the same slices. Slices only grow, and a full slice expression
	// prevents that a later append writes into them.
	out.Changes = out.Changes[:len(out.Changes):len(out.Changes)]
	out.Messages = out.Messages[:len(out.Messages):len(out.Messages)]
	if out.Applying != nil {
		a := *out.Applying
		a.Steps = append([]sweep.Step(nil), a.Steps...)
		out.Applying = &a
	}
	if s.rec != nil {
		out.Recording = &RecordingStatus{ID: s.rec.to.ID(), Path: s.rec.to.Path(), Since: s.rec.since, Trials: s.rec.segments}
	}
	if s.sweeping != nil {
		st := s.sweeping.sweeper.State()
		out.Sweep = &st
	}
	out.Plan = s.plan()
	out.Live = s.ring.snapshot(s.utilization(), s.host())
	out.Live.Silent, out.CanKill = s.silentFor(), s.canKill()
	if out.Phase == Serving {
		s.judgeSilence(&out.Live.Verdict)
		out.Answers.Judge(&out.Live.Verdict) // as in a trial
	}
	s.snapshot.Store(&out)
}

// utilization returns the target's utilization. The lock is held.
func (s *Session) utilization() trial.ResourceUse {
	if s.target == nil {
		return trial.ResourceUse{}
	}
	return s.target.Use()
}

func (s *Session) endSecond() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Phase == Serving || s.state.Phase == Sweeping {
		s.ring.endSecond(s.now(), s.utilization(), s.host())
		s.lookAtComparison()
		s.reportSilence()
		s.pollBatches()
		s.askLengths()
		if s.rec != nil && s.state.Phase == Serving {
			s.rec.seconds = append(s.rec.seconds, s.ring.seconds[len(s.ring.seconds)-1])
		}
	}
}

// startLoad starts the live load unless the user has stopped it. The lock is held.
func (s *Session) startLoad() {
	if s.liveLoad != nil || !s.state.LoadOn || s.state.Phase != Serving || s.state.Internals.Measuring == QueryBare {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	l := &liveLoad{cancel: cancel, done: make(chan struct{})}
	s.liveLoad = l
	t, spec := s.target, s.state.Load.For(s.state.Settings.Workers*s.state.Settings.BatchSize)
	s.ring.load = spec
	s.silence.begin(s.now())
	s.spawn(func() {
		defer close(l.done)
		defer cancel()
		err := t.Live(ctx, spec, s.addSamples)
		if err != nil && ctx.Err() == nil {
			s.loadFailed(l, err)
		}
	})
}

// addSamples counts new samples.
func (s *Session) addSamples(samples []load.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for i := range samples {
		s.ring.present.slowest.add(&samples[i], now)
		s.ring.add(samples[i])
		if d := s.silence.add(&samples[i], now); d > 0 {
			s.addMessage(Note, "answered again after %v", d.Round(time.Second))
		}
	}
	if s.comparing != nil {
		s.comparing.add(now, samples)
	}
	if s.state.Phase == Serving {
		s.recordSamples(samples)
	}
}

// loadFailed handles a failure of the live load. If the engine died, the target has tried to
// restart it, and Info says whether it runs.
func (s *Session) loadFailed(l *liveLoad, err error) {
	s.mu.Lock()
	if s.liveLoad != l {
		s.mu.Unlock()
		return
	}
	s.liveLoad = nil
	s.dropComparison("the load failed")
	s.noteCrash(err)
	s.addMessage(Error, "live load: %v", err)
	t, ctx := s.target, s.ctx
	s.mu.Unlock()
	info, infoErr := t.Info(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if infoErr != nil {
		s.setDown(errors.Join(err, infoErr))
		return
	}
	s.state.Settings = info.Current
	s.addMessage(Warning, "the engine was restarted with %v", info.Current)
	s.startLoad()
}

// stopLoad stops the live load and waits for its end. The lock is held, but released while waiting.
func (s *Session) stopLoad() {
	l := s.liveLoad
	if l == nil {
		return
	}
	s.liveLoad = nil
	l.cancel()
	s.mu.Unlock()
	<-l.done
	s.mu.Lock()
}
