package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// Runner runs a sweep: apply, measure, judge, record, ask for the next point.
// Fill the fields and call Run once.
type Runner struct {
	Target   Target
	Strategy Strategy
	Recorder Recorder
	SLA      trial.SLA
	Options  knob.Options // in force, as Info tells; recorded with each trial
	Seed     uint64
	FirstNumber    int           // number of the first trial, 1 unless a profile is resumed
	Resumed     trial.History // what a resumed profile brought along

	Time        time.Duration // the whole sweep's budget, 0 for none
	Trials      int           // most trials, 0 for no limit
	Requests    int           // exactly so many per trial, 0 until certain
	Duration    time.Duration // exactly so long per trial, 0 until certain
	MaxRequests int           // never more per trial, 0 for no limit
	FreshServer   bool          // each trial's memory has to be its settings' own, see Measurement

	Rules   rank.Rules // which trial is best, and which is chosen
	Explain func(trials []trial.Trial, best int) trial.Explanation

	// Gate is asked before each point: it blocks while the sweep is paused and
	// returns an error when it is to end.
	BeforePoint func(context.Context) error
	// Observe sees each step, from Run's goroutine; nil is allowed.
	OnProgress func(Progress)
	// Fresh sees samples as they come, from Run's goroutine; nil is allowed.
	OnSamples func([]load.Sample)
}

// Progress is where a sweep stands.
type Progress struct {
	Done    []trial.Trial // do not change
	Probes  int           // service times measured
	Left    int           // points to come, the current one included
	Best    int           // index into Done, -1 without a trial
	Elapsed time.Duration
	Current *Current // nil between points
}

// Outcome is how a sweep ended.
type Outcome struct {
	Trials []trial.Trial
	Best   int           // index into Trials of the pick's validation, -1 if nothing passed one
	Choice *trial.Choice // nil if nothing passed a validation
	Unconfirmed   int           // index into Trials of the most promising setting without one, -1 if there is a Best, or none
	Ended  string        // "", or why before the last point: "budget of 3m0s used up"

	Aborted bool // by the Gate, with ErrAborted
}

// ErrAborted is a Gate's word that the sweep is to end with what it has.
var ErrAborted = errors.New("aborted")

// Bounds of one measurement without a fixed length.
const (
	minDuration = 1500 * time.Millisecond
	usualMaxDuration  = 20 * time.Second
	validationShare  = 0.15 // share of the budget kept for validating the favourite
)

// Run runs the sweep until the strategy has nothing left, the budget is used
// up, or ctx ends. What was found until then is in the Outcome in every case.
func (r *Runner) Run(ctx context.Context) (Outcome, error) {
	s := &run{Runner: r, begin: time.Now(), trials: slices.Clone(r.Resumed.Trials), probes: slices.Clone(r.Resumed.Probes), best: -1}
	ended, err := s.search(ctx)
	if err == nil {
		err = s.validate(ctx)
	}
	out := Outcome{Trials: s.trials, Best: -1, Unconfirmed: -1, Ended: ended}
	if errors.Is(err, ErrAborted) {
		out.Ended, out.Aborted, err = ErrAborted.Error(), true, nil
	}
	k := s.ranking()
	best, ok := k.Chosen()
	if !ok {
		if open, ok := k.Unconfirmed(); ok {
			out.Unconfirmed = open.Representative
		}
		return out, err
	}
	out.Best = best.Representative
	c := s.choice(best.Representative)
	out.Choice = &c
	err = errors.Join(err, r.Recorder.Choice(c))
	return out, err
}

// run is the state of one Run.
type run struct {
	*Runner
	begin  time.Time
	trials []trial.Trial
	probes []trial.Probe
	deaths int // of the engine, in a row

	best   int // the best of the first rankedOf trials, -1 without one
	rankedTrials int
}

func (s *run) search(ctx context.Context) (ended string, err error) {
	for {
		if err := s.beforePoint(ctx); err != nil {
			return "", err
		}
		if why := s.budgetUsedUp(s.reservedTime()); why != "" {
			return why, nil
		}
		p, more := s.Strategy.Next(trial.History{Trials: s.trials, Probes: s.probes})
		if !more {
			return "", nil
		}
		if err := s.measurePoint(ctx, p); err != nil {
			return "", err
		}
	}
}

// try measures what the strategy asks for.
func (s *run) measurePoint(ctx context.Context, p plan.Point) error {
	if p.Role == trial.RoleProbe {
		return s.probe(ctx, p)
	}
	return s.runTrial(ctx, p, s.timeLimit(p.Load))
}

func (s *run) beforePoint(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if s.BeforePoint == nil {
		return nil
	}
	begin := time.Now()
	err := s.BeforePoint(ctx)
	s.begin = s.begin.Add(time.Since(begin)) // a pause does not eat the budget
	return err
}

// spent says which budget is used up but for what is kept back, or "".
func (s *run) budgetUsedUp(kept time.Duration) string {
	switch {
	case s.Trials > 0 && len(s.trials) >= s.Trials:
		return fmt.Sprintf("budget of %d trials used up", s.Trials)
	case s.Time > 0 && time.Since(s.begin) > s.Time-max(minDuration, kept):
		return fmt.Sprintf("budget of %v used up", s.Time)
	}
	return ""
}

// limit is how long the next measurement may take: its fair share of what is
// left of the budget, so that the last point is measured too.
func (s *run) timeLimit(l load.Spec) time.Duration {
	longest := s.maxDuration(l, usualMaxDuration, 1)
	if s.Duration > 0 {
		return s.Duration
	}
	if s.Time <= 0 {
		return longest
	}
	left := s.Time - time.Since(s.begin) - s.pendingAnswersTime(l)
	share := time.Duration(float64(left)*(1-validationShare))/time.Duration(max(1, s.Strategy.Left()+1)) - 200*time.Millisecond
	return min(max(share, minDuration), longest, max(left, minDuration))
}

// point takes one point to its verdict and records it. An engine that dies
// costs the trial, not the sweep, unless it dies three times in a row.
func (s *run) runTrial(ctx context.Context, p plan.Point, limit time.Duration) error {
	t := trial.Trial{
		N: s.FirstNumber + len(s.trials) - len(s.Resumed.Trials), At: time.Now().UTC(), Role: p.Role, Reason: p.Reason,
		Settings: p.Settings, Options: s.Options, Load: p.Load, Seed: s.Seed + uint64(len(s.trials)), Predicted: p.Predicted,
	}
	cur := &Current{N: t.N, Point: p, Stage: StageApply}
	s.reportProgress(cur)
	applied, err := applyExactly(ctx, s.Target, p.Settings)
	if applied.Died != nil {
		if err := s.recordDeath(applied.Died); err != nil {
			return err
		}
	}
	if err == nil {
		cur.Stage, cur.Limit = StageMeasure, limit
		s.reportProgress(cur)
		t.Result, err = s.measure(ctx, cur, t, limit)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.recordFailure(&t, err); err != nil {
		return err
	}
	if err := s.Recorder.Trial(t); err != nil {
		return err
	}
	s.trials = append(s.trials, asRecorded(t))
	s.reportProgress(nil)
	return nil
}

// asRecorded is what a profile holds of v. Decisions are made on that, so that a
// sweep which is resumed from its profile decides as it would have.
func asRecorded[T any](v T) T {
	b, err := json.Marshal(v)
	if err != nil {
		return v // the recorder has said so
	}
	var out T
	if json.Unmarshal(b, &out) != nil {
		return v
	}
	return out
}

// failed turns an apply or measurement that broke into a failed trial.
func (s *run) recordFailure(t *trial.Trial, err error) error {
	if err == nil {
		s.deaths = 0
		return nil
	}
	t.Error = err.Error()
	t.Verdict = JudgeInterval(s.SLA, unmeasured, 0, "not measured: "+err.Error())
	t.Verdict.Result = trial.Fail
	if !errors.Is(err, ErrEngineDied) {
		return nil
	}
	return s.recordDeath(err)
}

// died records a death of the engine. The third in a row ends the sweep.
func (s *run) recordDeath(err error) error {
	s.deaths++
	e := trial.Event{At: time.Now().UTC(), What: "engine died", Detail: deathReport(err), Short: err.Error()}
	if err := s.Recorder.Event(e); err != nil {
		return err
	}
	if s.deaths == 3 {
		return fmt.Errorf("gave up after three deaths in a row: %w", err)
	}
	return nil
}

// deathReport is a death with the engine's last lines, if its error has them.
func deathReport(err error) string {
	const most = 10
	var last interface{ LastLines() []string }
	if !errors.As(err, &last) {
		return err.Error()
	}
	lines := last.LastLines()
	return err.Error() + "; last lines: " + strings.Join(lines[max(0, len(lines)-most):], " | ")
}

// ErrEngineDied marks the error of a target whose engine ended by itself and
// was started again.
var ErrEngineDied = errors.New("engine died")

func (s *run) measure(ctx context.Context, cur *Current, t trial.Trial, limit time.Duration) (trial.Result, error) {
	seen := 0
	watch := s.newStoppingRule(t)
	m := Measurement{
		Load: t.Load, Seed: t.Seed, SLA: s.SLA, Time: limit, Max: s.MaxRequests, Stop: watch.stop, FreshServer: s.FreshServer,
		Progress: func(elapsed time.Duration, samples []load.Sample) {
			if s.OnSamples != nil {
				s.OnSamples(samples[seen:])
			}
			seen = len(samples)
			cur.Elapsed, cur.Answers = elapsed, len(samples)
			cur.RPS, cur.P99MS = watch.rate, watch.percentile
			s.reportProgress(cur)
		},
	}
	if t.Role == trial.RoleValidation {
		m.Max *= validationRequests
	}
	if s.Requests > 0 {
		m.Max, m.Time = s.Requests, 10*time.Minute
	}
	r, err := s.Target.Measure(ctx, m)
	if err == nil {
		watch.useCertain(&r)
	}
	return r, err
}

// watcher says when a trial ends.
func (s *run) newStoppingRule(t trial.Trial) *stoppingRule {
	w := &stoppingRule{sla: s.SLA, load: t.Load}
	switch {
	case s.Requests > 0 || s.Duration > 0:
		w.purpose = fixedLength
	case t.Role == trial.RoleValidation:
		w.purpose, w.minTime = untilValidated, s.validationTime()
	}
	return w
}

func (s *run) choice(best int) trial.Choice {
	t := s.trials[best]
	return trial.Choice{
		At: time.Now().UTC(), N: t.N, By: "strategy", Settings: t.Settings, Why: s.Explain(s.trials, best),
	}
}

func (s *run) reportProgress(cur *Current) {
	if s.OnProgress == nil {
		return
	}
	if s.rankedTrials != len(s.trials) || s.best < 0 { // trials are only ever added
		s.rankedTrials, s.best = len(s.trials), -1
		if best, ok := s.ranking().Best(); ok {
			s.best = best.Representative
		}
	}
	best := s.best
	p := Progress{Done: s.trials[:len(s.trials):len(s.trials)], Probes: len(s.probes), Left: s.Strategy.Left(), Best: best, Elapsed: time.Since(s.begin)}
	if cur != nil {
		c := *cur
		p.Current = &c
		if cur.Point.Role != trial.RoleProbe {
			p.Left++
		}
	}
	s.OnProgress(p)
}
