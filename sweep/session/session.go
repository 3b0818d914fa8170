// Package session is the workbench without a screen: one target, live load on
// it, changes of settings with their history and undo, a sweep in the
// background, and who owns the engine now.
//
// [New] makes a [Session], Run does the work until its context ends, Snapshot
// is what a screen draws. The verbs (Apply, Undo, SetLoad, StartSweep ...) never
// block for longer than it takes to look at the state: they refuse with a
// reason, or start the work and let the snapshots tell how it goes. [Sweep] is
// the one way a plan is run, with a screen or without.
//
// A Session is safe for concurrent use.
package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Target is a sweep's target that can also carry live load while its settings
// change. Live may run beside Apply and Use.
type Target interface {
	sweep.Target
	// Live sends l until ctx ends and hands fresh samples on a few times a
	// second. It returns nil when ctx ended, else why the load broke off.
	Live(ctx context.Context, l load.Spec, fresh func([]load.Sample)) error
	// Use is the latest utilization.
	Use() trial.Use
}

// Config is what a session works with.
type Config struct {
	// Open starts the target. It may take long.
	Open func(ctx context.Context) (Target, error)
	Plan plan.Plan // the promise, the live load and what StartSweep searches
	// Promise, where it is not nil, measures the promise on the target that has
	// come up, in place of the plan's, and says where it comes from. It is asked
	// once, before there is any load, and its results are used before any call
	// that needs a promise.
	Promise func(ctx context.Context, t Target) (sla trial.SLA, why string)
	// Record opens the profile of a sweep.
	Record func(info sweep.Info, p plan.Plan) (Recording, error)
	// RecordLive opens the profile of live traffic.
	RecordLive func(info sweep.Info) (LiveRecording, error)
	// Export writes the choice.
	Export func(ExportRequest) (Exported, error)
}

// ExportRequest is what Export writes. Trial is nil when settings were never
// measured in a trial, and holds the figures of all Runs of a setting together.
type ExportRequest struct {
	Info     sweep.Info
	Settings knob.Settings
	Options  knob.Options
	SLA      trial.SLA
	Trial    *trial.Trial
	Runs     int
	Profile  string // ID of the profile the trial is in
}

// Exported is what an export wrote. Notes are what the file's format has no key
// for and what to do instead, a sentence each; the file says it too.
type Exported struct {
	Path  string
	Notes []string
}

// Recording is a sweep's profile being written.
type Recording interface {
	sweep.Recorder
	// Operators records where the time of a run goes.
	Operators(trial.Operators) error
	ID() string
	Path() string
	// End writes the last line and closes the file. The state is Done, Aborted
	// or Failed.
	End(state SweepState, exit int) error
}

// Session is the workbench without a screen.
type Session struct {
	cfg  Config
	now  func() time.Time
	snap atomic.Pointer[Snapshot]
	wg   sync.WaitGroup // every goroutine the session started

	mu       sync.Mutex // guards everything below
	ctx      context.Context
	ending   bool // Run waits for what was spawned: no more is
	target   Target
	state    Snapshot // the parts that change rarely; Live is made at each publish
	ring     ring
	load     *liveLoad
	sweeping *background
	rec      *recorder      // nil while nothing is recorded
	restore  *knob.Settings // what a restarted engine gets, nil for its start settings
}

// liveLoad is the live load's goroutine.
type liveLoad struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// New returns a session that has not begun.
func New(c Config) *Session {
	s := &Session{cfg: c, now: time.Now, ring: ring{sla: c.Plan.SLA}}
	s.state = Snapshot{Phase: Starting, SLA: c.Plan.SLA, LoadOn: true}
	if len(c.Plan.Loads) > 0 {
		s.state.Load = c.Plan.Loads[0]
	}
	s.state.Settings = knob.Default(c.Plan.Options.Rule)
	s.publish()
	return s
}

// Snapshot returns the latest state. It is cheap and safe from any goroutine.
func (s *Session) Snapshot() *Snapshot { return s.snap.Load() }

// publishEvery is how often a snapshot is made.
const publishEvery = 200 * time.Millisecond

// Run starts the target and works until ctx ends; then it stops load and sweep,
// keeps the profile, closes the target and returns.
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

// spawn starts a goroutine that Run waits for; none once the session ends. The
// lock is held.
func (s *Session) spawn(f func()) {
	if !s.ending {
		s.wg.Go(f)
	}
}

func (s *Session) shutdown() error {
	s.mu.Lock()
	if s.rec != nil {
		s.stopRecording()
	}
	s.ending = true
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
		info, err = s.describe(ctx, t)
	}
	if err == nil {
		s.promise(ctx, t)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.down(err)
		return
	}
	s.target, s.state.Info, s.state.Settings, s.state.Phase = t, info, info.Current, Serving
	text := "serving " + info.Model.Name
	if why := info.Model.BatchWhy; why != "" {
		text += ": " + why
	}
	s.say(Note, "%s", text)
	if l := info.Model.Lengths; l != "" {
		s.say(Note, "lengths of made requests: %s", l)
	}
	if p := info.Model.Padding; p != "" {
		s.say(Note, "padding: %s", p)
	}
	if b, ok := t.(sweep.Barer); ok {
		s.bare(b) // nothing flows yet
		return
	}
	s.startLoad()
}

// promise takes the promise that is measured, the first time that a target is up.
func (s *Session) promise(ctx context.Context, t Target) {
	s.mu.Lock()
	measure := s.cfg.Promise
	s.cfg.Promise = nil
	if measure != nil {
		s.say(Note, "measuring a promise for this machine")
	}
	s.mu.Unlock()
	if measure == nil {
		return
	}
	sla, why := measure(ctx, t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.SLA, s.ring.sla, s.cfg.Plan.SLA = sla, sla, sla
	s.say(Note, "promise %v (%s)", sla, why)
}

// describe asks a target that has come up what it is, after putting the settings of
// before a restart in force.
func (s *Session) describe(ctx context.Context, t Target) (sweep.Info, error) {
	s.mu.Lock()
	back := s.restore
	s.restore = nil
	s.mu.Unlock()
	if back != nil {
		if _, err := t.Apply(ctx, *back); err != nil {
			return sweep.Info{}, errors.Join(err, t.Close(ctx))
		}
	}
	info, err := t.Info(ctx)
	if err == nil {
		err = sweep.Judgeable(s.cfg.Plan.SLA, info.Tells)
	}
	if err != nil {
		return info, errors.Join(err, t.Close(ctx))
	}
	return info, nil
}

// down records that the engine is gone. The lock is held.
func (s *Session) down(err error) {
	if s.ctx.Err() != nil {
		return
	}
	s.state.Phase, s.state.Problem = Down, err.Error()
	s.say(Trouble, "%v", err)
}

// say adds a message. The lock is held.
func (s *Session) say(l Level, format string, args ...any) {
	const most = 500
	m := Message{At: s.now(), Level: l, Text: fmt.Sprintf(format, args...)}
	if len(s.state.Messages) >= most {
		s.state.Messages = s.state.Messages[len(s.state.Messages)-most+1:]
	}
	s.state.Messages = append(s.state.Messages, m)
}

// publish makes a snapshot of now.
func (s *Session) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.state
	out.At = s.now()
	// Slices are shared with snapshots already out: they only ever grow, and a
	// full slice expression keeps a later append from writing into them.
	out.Changes = out.Changes[:len(out.Changes):len(out.Changes)]
	out.Messages = out.Messages[:len(out.Messages):len(out.Messages)]
	if out.Applying != nil {
		a := *out.Applying
		a.Steps = append([]sweep.Step(nil), a.Steps...)
		out.Applying = &a
	}
	if s.rec != nil {
		out.Recorded = &Recorded{ID: s.rec.to.ID(), Path: s.rec.to.Path(), Since: s.rec.since, Trials: s.rec.n}
	}
	if s.sweeping != nil {
		st := s.sweeping.sweeper.State()
		out.Sweep = &st
	}
	out.Live = s.ring.live(s.use())
	s.snap.Store(&out)
}

// use is the target's utilization. The lock is held.
func (s *Session) use() trial.Use {
	if s.target == nil {
		return trial.Use{}
	}
	return s.target.Use()
}

func (s *Session) endSecond() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Phase == Serving || s.state.Phase == Sweeping {
		s.ring.second(s.now(), s.use())
		if s.rec != nil && s.state.Phase == Serving {
			s.rec.seconds = append(s.rec.seconds, s.ring.seconds[len(s.ring.seconds)-1])
		}
	}
}

// startLoad begins the live load unless the person holds it. The lock is held.
func (s *Session) startLoad() {
	if s.load != nil || !s.state.LoadOn || s.state.Phase != Serving || s.state.Inside.Measuring == AskBare {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	l := &liveLoad{cancel: cancel, done: make(chan struct{})}
	s.load = l
	t, spec := s.target, s.state.Load.For(s.state.Settings.Workers*s.state.Settings.BatchSize)
	s.ring.load = spec
	s.spawn(func() {
		defer close(l.done)
		defer cancel()
		err := t.Live(ctx, spec, s.fresh)
		if err != nil && ctx.Err() == nil {
			s.loadBroke(l, err)
		}
	})
}

// fresh counts samples that just came.
func (s *Session) fresh(samples []load.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range samples {
		s.ring.add(x)
	}
	if s.state.Phase == Serving {
		s.take(samples)
	}
}

// loadBroke goes on after the live load broke off: the target has restarted the
// engine if it could, and its Info says whether it is there.
func (s *Session) loadBroke(l *liveLoad, err error) {
	s.mu.Lock()
	if s.load != l {
		s.mu.Unlock()
		return
	}
	s.load = nil
	s.say(Trouble, "live load: %v", err)
	t, ctx := s.target, s.ctx
	s.mu.Unlock()
	info, infoErr := t.Info(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if infoErr != nil {
		s.down(errors.Join(err, infoErr))
		return
	}
	s.state.Settings = info.Current
	s.say(Warning, "the engine was restarted with %v", info.Current)
	s.startLoad()
}

// stopLoad ends the live load and waits for it. The lock is held, and released
// while waiting.
func (s *Session) stopLoad() {
	l := s.load
	if l == nil {
		return
	}
	s.load = nil
	l.cancel()
	s.mu.Unlock()
	<-l.done
	s.mu.Lock()
}
