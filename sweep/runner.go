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

// Runner runs a sweep: for each point of the strategy it applies the settings, measures, and records
// the verdict; at the end it validates the best settings. Set the fields and call Run once.
type Runner struct {
	Target      Target
	Strategy    Strategy
	Recorder    Recorder
	SLA         trial.SLA
	Options     knob.Options // in force, from Info; recorded with each trial
	Bodies      *BodyLengths // lengths of the requests, from Info; nil is unknown
	Seed        uint64
	FirstNumber int           // number of the first trial: 1 unless a profile is resumed
	Resumed     trial.History // of the resumed profile
	Control     *plan.Control // of a shard: measured before the first point and after the last one; nil for none

	Time        time.Duration // budget of the whole sweep; 0 is no limit
	Trials      int           // largest number of trials; 0 is no limit
	Requests    int           // exact number per trial; 0 is until the verdict is certain
	Duration    time.Duration // exact length of a trial; 0 is until the verdict is certain
	MaxRequests int           // largest number per trial; 0 is no limit
	Warmup      time.Duration // least time of load before each trial that does not count
	FreshServer bool          // of every measurement, see Measurement
	VirtualTime bool          // the target needs hardly any real time, whatever the length of a measurement

	Rules   rank.Rules // which trial is best, and which settings may be chosen
	Explain func(trials []trial.Trial, best int) trial.Explanation

	// BeforePoint is called before each point. It blocks while the sweep is paused, and
	// returns an error to end the sweep; nil is allowed.
	BeforePoint func(context.Context) error
	// OnProgress is called after each step, on the goroutine of Run; nil is allowed.
	OnProgress func(Progress)
	// OnSamples is called with new samples during a measurement, on the goroutine of Run; nil
	// is allowed.
	OnSamples func([]load.Sample)
}

// Progress is the state of a running sweep.
type Progress struct {
	Done    []trial.Trial // must not be changed
	Probes  int           // number of probes
	Left    int           // estimated number of remaining points, with the current one
	Best    int           // index of the best trial in Done; -1 without trials
	Elapsed time.Duration
	Current *Current // nil between points
}

// Outcome is the result of a sweep.
type Outcome struct {
	Trials      []trial.Trial
	Best        int           // index in Trials of the validation of the chosen settings; -1 if none passed
	Choice      *trial.Choice // nil if no validation passed
	Unconfirmed int           // without a Best: index in Trials of the best setting that was neither confirmed nor failed; -1 if there is none
	Ended       string        // why the sweep ended before the last point, such as "budget of 3m0s used up"; else ""

	Aborted bool // BeforePoint returned ErrAborted
}

// ErrAborted is returned by BeforePoint to end the sweep and keep its results.
var ErrAborted = errors.New("aborted")

// Limits of a measurement without a fixed length.
const (
	minDuration      = 1500 * time.Millisecond
	usualMaxDuration = 20 * time.Second
	validationShare  = 0.15 // share of the budget for the validation of the best settings under one load
)

// Run runs the sweep until the strategy has no more points, the budget is used up, or ctx
// ends. The Outcome has the results up to then in all cases.
func (r *Runner) Run(ctx context.Context) (Outcome, error) {
	s := &run{Runner: r, begin: time.Now(), trials: slices.Clone(r.Resumed.Trials), probes: slices.Clone(r.Resumed.Probes), best: -1}
	if s.Control != nil {
		s.controlsLeft = controls
	}
	err := s.measureControl(ctx, "before the first point")
	ended := ""
	if err == nil {
		ended, err = s.search(ctx)
	}
	if err == nil {
		err = s.measureControl(ctx, "after the last point")
	}
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
		if row, ok := k.Unconfirmed(); ok {
			out.Unconfirmed = row.Representative
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
	deaths int // consecutive deaths of the engine

	watched bool          // the first fresh server was watched
	learned time.Duration // time of load that fresh servers need until they are steady

	controlsLeft int           // controls that are still to be measured
	controlTime  time.Duration // how long the last control was allowed to take

	best         int // index of the best of the first rankedTrials trials; -1 if there is none
	rankedTrials int
}

// search measures the points of the strategy. ended is why it stopped before the last one, or "".
func (s *run) search(ctx context.Context) (ended string, err error) {
	for {
		if err := s.beforePoint(ctx); err != nil {
			return "", err
		}
		if why := s.budgetUsedUp(s.reservedTime() + time.Duration(s.controlsLeft)*s.controlTime); why != "" {
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

// measurePoint measures a point of the strategy.
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
	s.begin = s.begin.Add(time.Since(begin)) // a pause does not use the budget
	return err
}

// budgetUsedUp returns which budget is used up, or "". reserved is a part of the time that must
// remain.
func (s *run) budgetUsedUp(reserved time.Duration) string {
	switch {
	case s.Trials > 0 && len(s.trials)+s.controlsLeft >= s.Trials:
		return fmt.Sprintf("budget of %d trials used up", s.Trials)
	case s.Time > 0 && time.Since(s.begin) > s.Time-max(minDuration, reserved):
		return fmt.Sprintf("budget of %v used up", s.Time)
	}
	return ""
}

// timeLimit returns how long the next measurement may take: an equal share of the remaining budget,
// so that there is time for all points.
func (s *run) timeLimit(l load.Spec) time.Duration {
	longest := s.maxDuration(l, usualMaxDuration, 1)
	if s.Duration > 0 {
		return s.Duration
	}
	if s.Time <= 0 {
		return longest
	}
	left := s.Time - time.Since(s.begin) - s.pendingAnswersTime(l)
	points := max(1, s.Strategy.Left()+1) + s.controlsLeft
	share := s.searchTime(left)/time.Duration(points) - 200*time.Millisecond
	return min(max(share, minDuration), longest, max(left, minDuration))
}

// runTrial measures one point until its verdict and records the trial. If the engine
// dies, the trial fails and the sweep continues; after three consecutive deaths it ends.
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
	if applied.Options != nil {
		t.Options = *applied.Options
	}
	if err == nil {
		t.Result, err = s.measureTrial(ctx, cur, t, limit, applied.Fresh)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.recordFailure(&t, err); err != nil {
		return err
	}
	t.Answers.Judge(&t.Verdict)
	if err := s.Recorder.Trial(t); err != nil {
		return err
	}
	s.trials = append(s.trials, asRecorded(t))
	s.reportProgress(nil)
	return nil
}

// asRecorded returns v as it is after it is written to a profile and read again. The sweep uses
// this value for its decisions, so that a resumed sweep makes the same ones.
func asRecorded[T any](v T) T {
	b, err := json.Marshal(v)
	if err != nil {
		return v // the recorder has returned the error
	}
	var out T
	if json.Unmarshal(b, &out) != nil {
		return v
	}
	return out
}

// recordFailure marks the trial as failed if its apply or its measurement returned an error. It has no verdict if the
// error is no evidence about the server.
func (s *run) recordFailure(t *trial.Trial, err error) error {
	if err == nil {
		s.deaths = 0
		return nil
	}
	t.Error = err.Error()
	t.Verdict = JudgeInterval(s.SLA, unmeasured, 0, "not measured: "+err.Error())
	if !isNoEvidence(err) {
		t.Verdict.Result = trial.Fail
	}
	if !errors.Is(err, ErrEngineDied) {
		return nil
	}
	return s.recordDeath(err)
}

// EventDied is the name of the event that the engine ended unexpectedly.
const EventDied = "engine died"

// recordDeath records a death of the engine. The third consecutive one is an error, which ends the
// sweep.
func (s *run) recordDeath(err error) error {
	s.deaths++
	if err := s.Recorder.Event(deathEvent(err)); err != nil {
		return err
	}
	if s.deaths == 3 {
		return fmt.Errorf("the sweep ends after three consecutive deaths: %w", err)
	}
	return nil
}

// deathEvent is the event of a death of the engine that was noticed now.
func deathEvent(err error) trial.Event {
	return trial.Event{At: time.Now().UTC(), What: EventDied, Detail: deathReport(err), Short: err.Error()}
}

// deathReport returns the text of an error with the last lines of the engine, if the error has them.
func deathReport(err error) string {
	const maxLines = 10
	var last interface{ LastLines() []string }
	if !errors.As(err, &last) {
		return err.Error()
	}
	lines := last.LastLines()
	return err.Error() + "; last lines: " + strings.Join(lines[max(0, len(lines)-maxLines):], " | ")
}

// ErrEngineDied is wrapped by the errors of a target whose engine ended unexpectedly and
// was started again.
var ErrEngineDied = errors.New("engine died")

// LeastSilence is the shortest time without an answer that is reported, of trials and of live traffic.
const LeastSilence = 3 * time.Second

// silentFactor is how many times the promise a silence of a trial must last too: a slow model is not silent.
const silentFactor = 2

// watch returns a function for the progress of a measurement, which notes what it has seen. rule, if not nil, has
// the latest figures.
func (s *run) watch(cur *Current, seen *observed, rule *stoppingRule) func(time.Duration, []load.Sample) {
	answered := time.Duration(0) // when the last answer came
	return func(elapsed time.Duration, samples []load.Sample) {
		added := samples[len(seen.samples):]
		if s.OnSamples != nil {
			s.OnSamples(added)
		}
		*seen = observed{elapsed, samples}
		if slices.ContainsFunc(added, func(a load.Sample) bool { return a.Outcome != load.Timeout }) {
			answered = elapsed
		}
		cur.Elapsed, cur.Answers, cur.Silent = elapsed, len(samples), 0
		if d := elapsed - answered; d >= max(LeastSilence, silentFactor*s.SLA.Limit) {
			cur.Silent = d
		}
		if rule != nil {
			cur.RPS, cur.P99MS = rule.rate, rule.percentile
		}
		s.reportProgress(cur)
	}
}

func (s *run) measure(ctx context.Context, cur *Current, t trial.Trial, limit time.Duration) (trial.Result, observed, error) {
	var seen observed
	rule := s.newStoppingRule(t)
	m := Measurement{
		Load: t.Load, Seed: t.Seed, SLA: rule.sla, Time: limit, Max: s.MaxRequests, Stop: rule.stop, FreshServer: s.FreshServer,
		Progress: s.watch(cur, &seen, rule),
	}
	switch {
	case t.Role == trial.RoleValidation && s.SLA.Horizon > 0:
		m.Max = horizonRequests
	case t.Role == trial.RoleValidation:
		m.Max *= validationRequests
	}
	if s.Requests > 0 {
		m.Max, m.Time = s.Requests, 10*time.Minute
	}
	r, err := s.Target.Measure(ctx, m)
	if err == nil {
		rule.useCertain(&r)
	}
	return r, seen, err
}

// newStoppingRule returns the rule by which a trial ends. The horizon is for validations only: other trials rank the settings.
func (s *run) newStoppingRule(t trial.Trial) *stoppingRule {
	w := &stoppingRule{sla: s.SLA, load: t.Load}
	if t.Role != trial.RoleValidation {
		w.sla.Horizon = 0
	}
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
	if s.rankedTrials != len(s.trials) || s.best < 0 { // trials are only added, so the number is enough to detect a change
		s.rankedTrials, s.best = len(s.trials), -1
		if best, ok := s.ranking().Best(); ok {
			s.best = best.Representative
		}
	}
	best := s.best
	p := Progress{Done: s.trials[:len(s.trials):len(s.trials)], Probes: len(s.probes), Left: s.Strategy.Left() + s.controlsLeft, Best: best, Elapsed: time.Since(s.begin)}
	if cur != nil {
		c := *cur
		p.Current = &c
		if cur.Point.Role != trial.RoleProbe {
			p.Left++
		}
	}
	s.OnProgress(p)
}
