package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// Sweeper runs one plan on a target and records it, with and without a screen. Set the fields and
// call Run once. State, Pause and Abort may be called concurrently.
type Sweeper struct {
	Plan   plan.Plan // completed and valid
	Target sweep.Target
	Record func(info sweep.Info, p plan.Plan) (Recording, error)
	Resume *EarlierSweep // the sweep that is resumed; nil for none
	Shard  plan.Shard    // which part of the plan's grid is measured; the zero value is all of it
	// OnlyRequested measures the points of Request and no points of the strategy.
	OnlyRequested bool
	HoldChoice    bool                // keep the choice under load for the Hold of the plan
	OnSamples     func([]load.Sample) // called with new samples; may be nil
	OnChange      func(Sweep)         // called after every change of state, by the goroutine of Run; may be nil

	gate    gate
	mu      sync.Mutex // guards sweep, probes and rec
	sweep   Sweep
	probes  []trial.Probe // all recorded ones, including those of the resumed sweep
	rec     Recording     // nil before the profile is created
	carried trial.History // the valid part of the resumed sweep

	requested []plan.Point  // by Request, not measured yet
	points    []plan.Point  // of the plan, or of the shard
	control   *plan.Control // of the shard; nil if all of the grid is measured
	metrics   trial.MetricSet
	searched  bool // the strategy has no more points
}

// EventResumed is the name of the event that says how much of an earlier sweep is used.
const EventResumed = "resumed"

// EarlierSweep is an earlier sweep from its profile. Its part that is valid under the new plan is
// copied into the new profile; see [search.Carry].
type EarlierSweep struct {
	Plan    plan.Plan // of the earlier sweep
	History trial.History
}

// State returns the state of the sweep. The caller must not change its slices.
func (w *Sweeper) State() Sweep {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.sweep
	if !st.State.Ended() {
		st.State = w.gate.state()
	}
	return st
}

// Pause pauses the sweep after the present trial, or lets it continue.
func (w *Sweeper) Pause(pause bool) { w.gate.pause(pause) }

// Abort ends the sweep after the present trial, with the results so far.
func (w *Sweeper) Abort() { w.gate.abort() }

// Run measures the plan's points and records them. The returned state is Done, Aborted or Failed.
// If the context is cancelled, it is Aborted and the error is the cause. Run always closes the
// profile.
func (w *Sweeper) Run(ctx context.Context) (Sweep, error) {
	w.gate.open()
	w.set(func(s *Sweep) { s.Plan, s.Best, s.Unconfirmed = w.Plan, -1, -1 })
	info, err := w.Target.Info(ctx)
	if err != nil {
		return w.failBeforeRun(nil, err)
	}
	if w.Plan, err = sweep.PlanFor(w.Plan, info); err != nil {
		return w.failBeforeRun(nil, err)
	}
	w.set(func(s *Sweep) { s.Plan = w.Plan })
	points, skipped := w.Plan.Points(info.Limits, info.Current, info.Fixed)
	if points, err = w.divide(points); err != nil {
		return w.failBeforeRun(nil, err)
	}
	points, skipped, err = w.omitWrongFP16(ctx, points, skipped)
	if err != nil {
		return w.failBeforeRun(nil, err)
	}
	w.set(func(s *Sweep) {
		s.Points, s.Total, s.Skipped = len(points), len(points), skipped
		w.points, w.metrics = points, info.Metrics
	})
	if len(points) == 0 {
		return w.failBeforeRun(nil, fmt.Errorf("the plan leaves nothing to try: %s", firstReason(skipped)))
	}
	strategy, err := search.New(w.Plan, points, info.Metrics)
	if err != nil {
		return w.failBeforeRun(nil, err)
	}
	rec, err := w.Record(info, w.Plan)
	if err != nil {
		return w.failBeforeRun(nil, err)
	}
	w.set(func(s *Sweep) { s.ID, s.Path, w.rec = rec.ID(), rec.Path(), rec })
	if text := FP16Text(w.State()); text != "" {
		if err := rec.Event(trial.Event{At: time.Now().UTC(), What: EventFP16, Detail: text}); err != nil {
			return w.failBeforeRun(rec, err)
		}
	}
	if err := w.copyHistory(eventRecorder{rec, w}, points); err != nil {
		return w.failBeforeRun(rec, err)
	}
	next := &requestedFirst{&costReporter{Strategy: strategy, w: w, rec: eventRecorder{rec, w}}, w}
	out, err := w.runner(eventRecorder{rec, w}, next, info, skipped).Run(ctx)
	w.set(func(s *Sweep) {
		s.Trials, s.Choice, s.Current = out.Trials, out.Choice, nil
		s.Unconfirmed, s.Untried, s.Impossible = out.Unconfirmed, strategy.Untried(), strategy.Impossible()
		if out.Best >= 0 {
			s.Best = out.Best
		}
		s.Problem = out.Ended
	})
	if err == nil && w.holds(out) {
		err = w.hold(ctx, rec, out)
	}
	return w.end(rec, out.Aborted, err)
}

// copyHistory copies the valid part of the resumed sweep into the profile, with an event that says
// how much it is.
func (w *Sweeper) copyHistory(rec Recording, points []plan.Point) error {
	if w.Resume == nil {
		return nil
	}
	if w.control != nil { // the control may be a point of another shard
		points = append(slices.Clone(points), plan.Point{Settings: w.control.Settings, Load: w.control.Load})
	}
	c := search.Carry(w.Resume.History, w.Resume.Plan, w.Plan, points)
	w.carried = c.History
	w.set(func(s *Sweep) { s.Resumed = len(w.carried.Trials) })
	if err := rec.Event(trial.Event{At: time.Now().UTC(), What: EventResumed, Detail: c.String()}); err != nil {
		return err
	}
	for _, p := range w.carried.Probes {
		if err := rec.Probe(p); err != nil {
			return err
		}
	}
	for _, t := range w.carried.Trials {
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
	explainer := search.Explainer{Rules: rules, Cores: info.Cores, Price: p.Cost}
	return &sweep.Runner{
		Target: w.Target, Strategy: strategy, Recorder: rec,
		SLA: p.SLA, Options: info.Options, Bodies: info.Model.Bodies, Seed: unusedSeed(p.Seed, w.carried.Trials), FirstNumber: nextNumber(w.carried.Trials), Resumed: w.carried, Control: w.control,
		Time: p.Budget.Time, Trials: p.Budget.Trials,
		Requests: p.Trial.Requests, Duration: p.Trial.Duration, MaxRequests: p.Trial.MaxRequests,
		Warmup: p.Trial.Warmup, FreshServer: p.NeedsFreshServer(), VirtualTime: p.Target == plan.Virtual,
		Rules: rules,
		Explain: func(t []trial.Trial, best int) trial.Explanation {
			why := explainer.Explain(t, best, skipped)
			why.Add("batches", search.BatchingLoss(w.recordedProbes(), t))
			why.Add("left out", strategy.Ended())
			why.Add("options", search.OptionEffects(t, best))
			why.Add("fp16", strings.TrimPrefix(FP16Text(w.State()), "fp16 "))
			why.Add("predicted", search.AccuracyOf(t).String())
			return why
		},
		BeforePoint: func(ctx context.Context) error { return w.gate.wait(ctx, w.changed) },
		OnProgress:  w.observe,
		OnSamples:   w.OnSamples,
	}
}

// costReporter is a strategy that reports the cost of the promise before the first load test, as
// soon as a probe or a trial shows the speed of the model.
type costReporter struct {
	search.Strategy
	w        *Sweeper
	rec      sweep.Recorder
	reported bool
}

func (c *costReporter) Next(found trial.History) (plan.Point, bool) {
	p, more := c.Strategy.Next(found)
	cost := search.CostOf(c.w.Plan, found)
	if c.reported || !more || p.Role == trial.RoleProbe || !cost.HasRate() {
		return p, more
	}
	c.reported = true
	c.w.set(func(s *Sweep) { s.Cost = cost })
	if short := cost.TooShort(); short != "" {
		// The error is not lost: if the profile cannot be written, the next record ends the sweep.
		_ = c.rec.Event(trial.Event{At: time.Now().UTC(), What: "short budget", Detail: short})
	}
	return p, more
}

// eventRecorder is a Recording that also adds the events to the state of the sweep.
type eventRecorder struct {
	Recording
	w *Sweeper
}

func (r eventRecorder) Event(e trial.Event) error {
	r.w.set(func(s *Sweep) { s.Events = append(s.Events[:len(s.Events):len(s.Events)], e) })
	return r.Recording.Event(e)
}

// Probe also keeps the probe for the explanation.
func (r eventRecorder) Probe(p trial.Probe) error {
	r.w.mu.Lock()
	r.w.probes = append(r.w.probes, p)
	r.w.mu.Unlock()
	return r.Recording.Probe(p)
}

// recordedProbes returns the probes that were recorded so far.
func (w *Sweeper) recordedProbes() []trial.Probe {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.probes[:len(w.probes):len(w.probes)]
}

// nextNumber returns the number of the next trial.
func nextNumber(trials []trial.Trial) int {
	n := 1
	for _, t := range trials {
		n = max(n, t.N+1)
	}
	return n
}

// unusedSeed returns the Runner's seed, to which the Runner adds the number of a trial, so that no
// new trial has the seed of an old one: a validation with the same arrivals as the trial would
// always confirm it. If the old trials are complete, it is the plan's seed.
func unusedSeed(seed uint64, old []trial.Trial) uint64 {
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
		s.ETA = timeLeft(p, len(p.Done)-len(w.carried.Trials), w.Plan.Budget.Time)
	})
}

// timeLeft estimates the remaining time from the mean time of n trials. It is at most the rest of
// the budget.
func timeLeft(p sweep.Progress, n int, budget time.Duration) time.Duration {
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
	f(&w.sweep)
	w.mu.Unlock()
	w.changed()
}

func (w *Sweeper) changed() {
	if w.OnChange != nil {
		w.OnChange(w.State())
	}
}

// failBeforeRun ends a sweep that could not start.
func (w *Sweeper) failBeforeRun(rec Recording, err error) (Sweep, error) {
	return w.end(rec, false, err)
}

// end sets the final state and closes the profile.
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
		err = errors.Join(err, rec.End(final, exitCodeOf(st, final)))
	}
	w.set(func(s *Sweep) { s.State, s.Problem = final, st.Problem })
	return w.State(), err
}

// exitCodeOf returns the exit code of a sweep: 0 if a setting meets the promise under all loads of the plan, and has kept it
// if it was held, 2 if none does, 3 if that is undecided, 1 if the sweep failed.
func exitCodeOf(s Sweep, final SweepState) int {
	switch {
	case final == Failed:
		return 1
	}
	return ExitCode(s)
}

// ExitCode returns the exit code of a sweep that has ended and did not fail.
func ExitCode(s Sweep) int {
	switch {
	case s.Choice != nil && s.Hold != nil && s.Hold.Result != nil && holdExit(*s.Hold.Result) != 0:
		return holdExit(*s.Hold.Result)
	case s.Choice != nil:
		return choiceExit(s)
	case s.Impossible != "":
		return 2
	case len(s.Trials) == 0:
		return 3
	}
	for _, r := range rank.Rows(s.Trials) {
		if r.Verdict().Result != trial.Fail {
			return 3 // undecided, or a pass without validation
		}
	}
	if s.State == Aborted || s.Problem != "" || s.Untried > 0 {
		return 3
	}
	return 2
}

// choiceExit returns the exit code of a sweep with a choice, which was validated under one load of the plan: 0 if it was
// under the others too, and else 3.
func choiceExit(s Sweep) int {
	if UnderAllLoads(s) == trial.Pass {
		return 0
	}
	return 3
}

// UnderAllLoads reports whether the choice of a sweep keeps the promise under all loads of the plan.
func UnderAllLoads(s Sweep) trial.Answer {
	i := slices.IndexFunc(s.Trials, func(t trial.Trial) bool { return s.Choice != nil && t.N == s.Choice.N })
	if i < 0 {
		return trial.Pass // there are no other loads to look at
	}
	k := rank.New(rank.RulesOf(s.Plan), s.Trials)
	return k.UnderAllLoads(k.Row(i))
}

// gate pauses or aborts a sweep between two points.
type gate struct {
	mu             sync.Mutex
	pauseRequested bool          // Pause was called
	waiting        bool          // the sweep waits
	abortRequested bool          // Abort was called
	changed        chan struct{} // closed and replaced at each change
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

func (g *gate) pause(p bool) { g.set(func() { g.pauseRequested = p }) }
func (g *gate) abort()       { g.set(func() { g.abortRequested = true }) }

func (g *gate) state() SweepState {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.abortRequested:
		return Aborting
	case g.pauseRequested && g.waiting:
		return Paused
	case g.pauseRequested:
		return Pausing
	}
	return Running
}

// wait blocks while the sweep is paused. It calls notify when it starts to wait and when it stops.
func (g *gate) wait(ctx context.Context, notify func()) error {
	for {
		g.mu.Lock()
		aborting, pausing, changed := g.abortRequested, g.pauseRequested, g.changed
		wasWaiting := g.waiting
		g.waiting = pausing && !aborting
		g.mu.Unlock()
		if wasWaiting != (pausing && !aborting) {
			notify()
		}
		switch {
		case aborting:
			return sweep.ErrAborted
		case !pausing:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
