package session

import (
	"context"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// EventFP16 is the name of the event that says how far FP16 agrees with FP32.
const EventFP16 = "fp16"

// FP16Checker is a Target that can compare the FP16 outputs of its model with its FP32 outputs.
type FP16Checker interface {
	CheckFP16(ctx context.Context) (trial.FP16Agreement, error)
}

// agreementOf returns how far FP16 agrees with FP32 after an apply of FP16, which has compared them;
// nil if that is not known.
func agreementOf(ctx context.Context, t Target, in knob.Settings, err error) *trial.FP16Agreement {
	checker, ok := t.(FP16Checker)
	if !ok || err != nil || in.Precision != knob.HalfPrecision {
		return nil
	}
	found, err := checker.CheckFP16(ctx)
	if err != nil || found.Samples == 0 {
		return nil
	}
	return &found
}

// setFP16 shows a new agreement, with a message if FP16 disagrees; nil changes nothing. The lock is
// held.
func (s *Session) setFP16(found *trial.FP16Agreement) {
	if found == nil {
		return
	}
	s.state.FP16 = found
	if !found.All() {
		s.addMessage(Warning, "%v: its answers are not those of fp32", found)
	}
}

// omitWrongFP16 compares the precisions before the sweep, if points in FP16 are to be measured. If
// they disagree, it moves these points to the skipped ones with the reason, unless the plan accepts
// FP16. If they cannot be compared, the points stay.
func (w *Sweeper) omitWrongFP16(ctx context.Context, points []plan.Point, skipped []trial.Skip) ([]plan.Point, []trial.Skip, error) {
	checker, ok := w.Target.(FP16Checker)
	if !ok || !slices.ContainsFunc(points, inFP16) {
		return points, skipped, nil
	}
	found, err := checker.CheckFP16(ctx)
	switch {
	case ctx.Err() != nil:
		return points, skipped, context.Cause(ctx)
	case err != nil || found.Samples == 0:
		return points, skipped, nil // a trial in FP16 will say why
	}
	w.set(func(s *Sweep) { s.FP16 = &found })
	if found.All() || w.Plan.AcceptFP16 {
		return points, skipped, nil
	}
	var kept []plan.Point
	for _, p := range points {
		if inFP16(p) {
			skipped = append(skipped, trial.Skip{Settings: p.Settings, Reason: found.String() + "; --accept-fp16 accepts that"})
			continue
		}
		kept = append(kept, p)
	}
	return kept, skipped, nil
}

func inFP16(p plan.Point) bool { return p.Settings.Precision == knob.HalfPrecision }

// FP16Text returns how far FP16 agrees with FP32 in a sweep and what follows, or "" if that is not
// known.
func FP16Text(s Sweep) string {
	switch {
	case s.FP16 == nil:
		return ""
	case s.FP16.All():
		return s.FP16.String()
	case s.Plan.AcceptFP16:
		return s.FP16.String() + "; accepted (--accept-fp16)"
	}
	return s.FP16.String() + "; no setting was tried in fp16 (--accept-fp16 tries them)"
}
