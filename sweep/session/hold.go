package session

import (
	"context"
	"errors"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// HoldState is the state of the hold after a sweep.
type HoldState struct {
	sweep.HoldProgress
	Result *trial.Hold // nil while it runs
}

// holds reports whether the choice of the sweep is to be held.
func (w *Sweeper) holds(out sweep.Outcome) bool {
	return w.HoldChoice && w.Plan.Hold > 0 && out.Choice != nil && !out.Aborted
}

// hold keeps the choice under load.
func (w *Sweeper) hold(ctx context.Context, rec Recording, out sweep.Outcome) error {
	to, ok := rec.(sweep.HoldRecorder)
	if !ok {
		return errors.New("this profile cannot record a hold")
	}
	best := out.Trials[out.Best]
	h := sweep.Hold{
		Target: w.Target, Recorder: to, SLA: w.Plan.SLA, N: best.N, Settings: out.Choice.Settings,
		Load: HoldLoad(best.Load, out.Choice.Why), Time: w.Plan.Hold, Rate: best.Throughput.Value.Or(0), Seed: w.Plan.Seed,
		BeforePeriod: func(ctx context.Context) error {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return w.gate.wait(ctx, w.changed)
		},
		OnProgress: func(p sweep.HoldProgress) { w.set(func(s *Sweep) { s.Hold = &HoldState{HoldProgress: p} }) },
	}
	result, err := h.Run(ctx)
	w.set(func(s *Sweep) {
		held := HoldState{Result: &result}
		if s.Hold != nil {
			held.HoldProgress = s.Hold.HoldProgress
		}
		s.Hold = &held
	})
	return err
}

// HoldLoad returns the load at which a choice is held: that of its trial, for question capacity the recommended rate, and
// for question replicas the highest rate of one of the recommended replicas: that after one is lost.
func HoldLoad(l load.Spec, why trial.Explanation) load.Spec {
	switch r := why.Replicas; {
	case r != nil && r.Recommended > 1:
		l.Rate = r.RPS / float64(r.Recommended-1)
	case r != nil:
		l.Rate = r.RPS
	case why.PlanRPS.OK():
		l.Rate = why.PlanRPS.Or(l.Rate)
	}
	return l
}

// holdExit is the exit code of a hold.
func holdExit(h trial.Hold) int {
	return map[trial.Answer]int{trial.Pass: 0, trial.Fail: 2, trial.Undecided: 3}[h.Result]
}
