package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// Sweeper runs one plan on a target and records it: the one code path of a
// sweep with a screen and without. Fill the fields and call Run once; State and
// the gate's verbs may be called from any goroutine meanwhile.
type Sweeper struct {
	Plan   plan.Plan // settled and valid
	Target sweep.Target
	Record func(info sweep.Info, p plan.Plan) (Recording, error)
	Resume *Resumed            // the sweep this one goes on from; nil for none
	Fresh  func([]load.Sample) // sees samples as they come; nil is allowed
	Watch  func(Sweep)         // sees every change of state, from Run's goroutine; nil is allowed

	gate   gate
	mu     sync.Mutex // guards state and probes
	st     Sweep
	probes []trial.Probe // recorded, those taken over included
	rec    Recording     // nil before the profile is open
	old    trial.History // what is taken over of Resume
}

// EventResumed is what the event is called that says how much of an earlier sweep
// was taken over.
const EventResumed = "resumed"

// Resumed is an earlier sweep, as its profile holds it. What of it holds for the
// new plan is copied into the new profile; see [search.Carry].
type Resumed struct {
	Plan  plan.Plan // that it was measured under
	Found trial.History
}

// State returns where the sweep stands. The slices are not to be changed.
func (w *Sweeper) State() Sweep {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.st
	if !st.State.Ended() {
		st.State = w.gate.state()
	}
	return st
}

// Pause stops the sweep after the trial at hand, or lets it go on.
func (w *Sweeper) Pause(pause bool) { w.gate.pause(pause) }

// Abort ends the sweep after the trial at hand, with what it has.
func (w *Sweeper) Abort() { w.gate.abort() }

// Run measures the plan's points and records them. The returned state is Done,
// Aborted or Failed; with the context cancelled it is Aborted and the error is
// the cause. The profile is closed in every case.
func (w *Sweeper) Run(ctx context.Context) (Sweep, error) {
	w.gate.open()
	w.set(func(s *Sweep) { s.Plan, s.Best, s.Open = w.Plan, -1, -1 })
	info, err := w.Target.Info(ctx)
	if err != nil {
		return w.failed(nil, err)
	}
	if w.Plan, err = sweep.Fit(w.Plan, info); err != nil {
		return w.failed(nil, err)
	}
	w.set(func(s *Sweep) { s.Plan = w.Plan })
	points, skipped := w.Plan.Points(info.Limits, info.Current, info.Fixed)
	w.set(func(s *Sweep) { s.Points, s.Total, s.Skipped = len(points), len(points), skipped })
	if len(points) == 0 {
		return w.failed(nil, fmt.Errorf("the plan leaves nothing to try: %s", firstReason(skipped)))
	}
	strategy, err := search.New(w.Plan, points, info.Tells)
	if err != nil {
		return w.failed(nil, err)
	}
	rec, err := w.Record(info, w.Plan)
	if err != nil {
		return w.failed(nil, err)
	}
	w.set(func(s *Sweep) { s.ID, s.Path, w.rec = rec.ID(), rec.Path(), rec })
	if err := w.copyHistory(eventRecorder{rec, w}, points); err != nil {
		return w.failed(rec, err)
	}
	out, err := w.runner(eventRecorder{rec, w}, &costing{Strategy: strategy, w: w, rec: eventRecorder{rec, w}}, info, skipped).Run(ctx)
	w.set(func(s *Sweep) {
		s.Trials, s.Choice, s.Current = out.Trials, out.Choice, nil
		s.Open, s.Untried, s.None = out.Open, strategy.Untried(), strategy.Impossible()
		if out.Best >= 0 {
			s.Best = out.Best
		}
		s.Problem = out.Ended
	})
	return w.end(rec, out.Aborted, err)
}

// copyHistory copies what of the resumed sweep holds for this plan into the profile,
// and says there how much that is.
func (w *Sweeper) copyHistory(rec Recording, points []plan.Point) error {
	if w.Resume == nil {
		return nil
	}
	c := search.Carry(w.Resume.Found, w.Resume.Plan, w.Plan, points)
	w.old = c.History
	w.set(func(s *Sweep) { s.Resumed = len(w.old.Trials) })
	if err := rec.Event(trial.Event{At: time.Now().UTC(), What: EventResumed, Detail: c.String()}); err != nil {
		return err
	}
	for _, p := range w.old.Probes {
		if err := rec.Probe(p); err != nil {
			return err
		}
	}
	for _, t := range w.old.Trials {
		if err := rec.Trial(t); err != nil {
			return err
		}
	}
	return nil
}

func firstReason(skipped []trial.Skip) string {
	if len(skipped) == 0 {
		return "it has no points"
	}
	return skipped[0].Reason
}

func (w *Sweeper) runner(rec sweep.Recorder, strategy search.Strategy, info sweep.Info, skipped []trial.Skip) *sweep.Runner {
	p, rules := w.Plan, rank.RulesOf(w.Plan)
	explainer := search.Explainer{Rules: rules, Cores: info.Cores}
	return &sweep.Runner{
		Target: w.Target, Strategy: strategy, Recorder: rec,
		SLA: p.SLA, Options: info.Options, Bodies: info.Model.Bodies, Seed: fresh(p.Seed, w.old.Trials), First: after(w.old.Trials), Done: w.old,
		Time: p.Budget.Time, Trials: p.Budget.Trials,
		Requests: p.Trial.Requests, Duration: p.Trial.Duration, MaxRequests: p.Trial.MaxRequests,
		OwnMemory: p.OwnMemory(),
		Rules:     rules,
		Explain: func(t []trial.Trial, best int) trial.Why {
			why := explainer.Explain(t, best, skipped)
			why.Say("batches", search.BatchingLoses(w.seenProbes(), t))
			why.Say("left out", strategy.Ended())
			why.Say("predicted", search.AccuracyOf(t).String())
			return why
		},
		Gate:    func(ctx context.Context) error { return w.gate.wait(ctx, w.changed) },
		Observe: w.observe,
		Fresh:   w.Fresh,
	}
}

// costing says before the first load request what the promise costs here, as soon
// as a probe or a trial tells how fast the model is.
type costing struct {
	search.Strategy
	w    *Sweeper
	rec  sweep.Recorder
	said bool
}

func (c *costing) Next(found trial.History) (plan.Point, bool) {
	p, more := c.Strategy.Next(found)
	cost := search.CostOf(c.w.Plan, found)
	if c.said || !more || p.Role == trial.RoleProbe || !cost.Known() {
		return p, more
	}
	c.said = true
	c.w.set(func(s *Sweep) { s.Cost = cost })
	if short := cost.Short(); short != "" {
		// A profile that cannot be written ends the sweep at its next line.
		_ = c.rec.Event(trial.Event{At: time.Now().UTC(), What: "short budget", Detail: short})
	}
	return p, more
}

// eventRecorder shows the events it records.
type eventRecorder struct {
	Recording
	w *Sweeper
}

func (r eventRecorder) Event(e trial.Event) error {
	r.w.set(func(s *Sweep) { s.Events = append(s.Events[:len(s.Events):len(s.Events)], e) })
	return r.Recording.Event(e)
}

// Probe remembers what it records, for the explanation.
func (r eventRecorder) Probe(p trial.Probe) error {
	r.w.mu.Lock()
	r.w.probes = append(r.w.probes, p)
	r.w.mu.Unlock()
	return r.Recording.Probe(p)
}

// seenProbes are those recorded so far.
func (w *Sweeper) seenProbes() []trial.Probe {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.probes[:len(w.probes):len(w.probes)]
}

// after is the number that follows those of the trials.
func after(trials []trial.Trial) int {
	n := 1
	for _, t := range trials {
		n = max(n, t.N+1)
	}
	return n
}

// fresh is the seed from which the Runner counts on, one a trial, and meets none
// that a trial taken over has: a validation under the arrivals of the trial it is
// to confirm would confirm anything. Without gaps in the history it is the plan's.
func fresh(seed uint64, old []trial.Trial) uint64 {
	n := uint64(len(old))
	for _, t := range old {
		if next := t.Seed + 1; next > n {
			seed = max(seed, next-n)
		}
	}
	return seed
}

func (w *Sweeper) observe(p sweep.Progress) {
	w.set(func(s *Sweep) {
		s.Trials, s.Best, s.Elapsed, s.Current = p.Done, p.Best, p.Elapsed, p.Current
		s.Probes, s.Total = p.Probes, len(p.Done)+p.Left
		s.ETA = eta(p, len(p.Done)-len(w.old.Trials), w.Plan.Budget.Time)
	})
}

// eta is what is left by the pace of the n trials so far, never beyond the
// budget.
func eta(p sweep.Progress, n int, budget time.Duration) time.Duration {
	left := time.Duration(0)
	if n > 0 {
		left = p.Elapsed / time.Duration(n) * time.Duration(p.Left)
	} else if budget > 0 {
		left = budget
	}
	if budget > 0 {
		left = min(left, max(0, budget-p.Elapsed))
	}
	return left
}

func (w *Sweeper) set(f func(*Sweep)) {
	w.mu.Lock()
	f(&w.st)
	w.mu.Unlock()
	w.changed()
}

func (w *Sweeper) changed() {
	if w.Watch != nil {
		w.Watch(w.State())
	}
}

// failed ends a sweep that never came to run.
func (w *Sweeper) failed(rec Recording, err error) (Sweep, error) { return w.end(rec, false, err) }

// end decides the final state and closes the profile.
func (w *Sweeper) end(rec Recording, aborted bool, err error) (Sweep, error) {
	st := w.State()
	final := Done
	switch {
	case errors.Is(err, context.Canceled) || aborted:
		final = Aborted
	case err != nil:
		final = Failed
		st.Problem = err.Error()
	}
	if rec != nil {
		err = errors.Join(err, rec.End(final, exitOf(st, final)))
	}
	w.set(func(s *Sweep) { s.State, s.Problem = final, st.Problem })
	return w.State(), err
}

// exitOf is the exit code that tells the same as the sweep: 0 a setting meets
// the promise, 2 none does, 3 undecided, 1 it broke.
func exitOf(s Sweep, final SweepState) int {
	switch {
	case final == Failed:
		return 1
	case s.Choice != nil:
		return 0
	}
	return Exit(s)
}

// Exit is the exit code of an ended sweep that did not fail.
func Exit(s Sweep) int {
	switch {
	case s.Choice != nil:
		return 0
	case s.None != "":
		return 2
	case len(s.Trials) == 0:
		return 3
	}
	for _, r := range rank.Rows(s.Trials) {
		if r.Verdict().Result != trial.Fail {
			return 3 // undecided, or a pass that no validation confirmed
		}
	}
	if s.State == Aborted || s.Problem != "" || s.Untried > 0 {
		return 3
	}
	return 2
}

// gate holds a sweep between two points.
type gate struct {
	mu      sync.Mutex
	closed  bool          // pause was asked for
	held    bool          // the sweep waits
	ended   bool          // abort was asked for
	changed chan struct{} // closed and replaced at each change
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.changed == nil {
		g.changed = make(chan struct{})
	}
}

func (g *gate) set(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	if g.changed != nil {
		close(g.changed)
	}
	g.changed = make(chan struct{})
}

func (g *gate) pause(p bool) { g.set(func() { g.closed = p }) }
func (g *gate) abort()       { g.set(func() { g.ended = true }) }

func (g *gate) state() SweepState {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.ended:
		return Aborting
	case g.closed && g.held:
		return Paused
	case g.closed:
		return Pausing
	}
	return Running
}

// wait blocks while the gate is closed. told is called when it starts and ends
// to wait.
func (g *gate) wait(ctx context.Context, told func()) error {
	for {
		g.mu.Lock()
		ended, closed, changed := g.ended, g.closed, g.changed
		was := g.held
		g.held = closed && !ended
		g.mu.Unlock()
		if was != (closed && !ended) {
			told()
		}
		switch {
		case ended:
			return sweep.ErrAborted
		case !closed:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
