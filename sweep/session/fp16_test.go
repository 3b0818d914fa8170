package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// comparer is a target that compares the precisions.
type comparer struct {
	sweep.Target
	found trial.FP16Agreement
	err   error
}

func (c comparer) CheckFP16(context.Context) (trial.FP16Agreement, error) { return c.found, c.err }

func TestOmitWrongFP16(t *testing.T) {
	full := plan.Point{Settings: knob.Default(knob.Eager)}
	half := full
	half.Settings.Precision = knob.HalfPrecision
	both := []plan.Point{full, half}
	agrees := trial.FP16Agreement{Samples: 16, Agree: 16, Largest: trial.NumOf(.00014)}
	wrong := trial.FP16Agreement{Samples: 16, Agree: 3, Clipped: 64}
	for _, c := range []struct {
		name   string
		target sweep.Target
		points []plan.Point
		accept bool
		kept   int
		text   string
	}{
		{"agrees", comparer{found: agrees}, both, false, 2, "fp16 agrees on 16 of 16 samples; largest difference 0.014%; 0 clipped values"},
		{"disagrees", comparer{found: wrong}, both, false, 1, "fp16 agrees on 3 of 16 samples; largest difference infinite; 64 clipped values; no setting was tried in fp16 (--accept-fp16 tries them)"},
		{"accepted", comparer{found: wrong}, both, true, 2, "fp16 agrees on 3 of 16 samples; largest difference infinite; 64 clipped values; accepted (--accept-fp16)"},
		{"no point in fp16", comparer{found: wrong}, both[:1], false, 1, ""},
		{"nothing to compare", comparer{}, both, false, 2, ""},
		{"an error", comparer{err: errors.New("no fp16")}, both, false, 2, ""},
		{"a target that does not compare", nil, both, false, 2, ""},
	} {
		w := &Sweeper{Target: c.target, Plan: plan.Plan{AcceptFP16: c.accept}}
		w.set(func(s *Sweep) { s.Plan = w.Plan })
		kept, skipped, err := w.omitWrongFP16(t.Context(), c.points, nil)
		if err != nil || len(kept) != c.kept || len(kept)+len(skipped) != len(c.points) {
			t.Errorf("%s: %v, %d kept, %d skipped", c.name, err, len(kept), len(skipped))
		}
		if slices.ContainsFunc(skipped, func(s trial.Skip) bool { return !strings.HasPrefix(s.Reason, "fp16 agrees on 3 of 16") }) {
			t.Errorf("%s: %v", c.name, fmt.Sprint(skipped))
		}
		if got := FP16Text(w.State()); got != c.text {
			t.Errorf("%s: %q, want %q", c.name, got, c.text)
		}
	}
}

// TestWrongFP16IsSaid: FP16 that disagrees is a warning; the last agreement stays on the screen.
func TestWrongFP16IsSaid(t *testing.T) {
	s := New(Config{})
	agrees, wrong := trial.FP16Agreement{Samples: 16, Agree: 16}, trial.FP16Agreement{Samples: 16, Agree: 3}
	for _, c := range []struct {
		found    *trial.FP16Agreement
		warnings int // in all
	}{{nil, 0}, {&agrees, 0}, {&wrong, 1}, {nil, 1}} {
		before := s.state.FP16
		s.setFP16(c.found)
		if want := cmp.Or(c.found, before); s.state.FP16 != want || len(s.state.Messages) != c.warnings {
			t.Errorf("%v: %v, %d messages", c.found, s.state.FP16, len(s.state.Messages))
		}
	}
	half := knob.Default(knob.Eager)
	half.Precision = knob.HalfPrecision
	type target = struct{ Target }
	for name, c := range map[string]struct {
		in   knob.Settings
		err  error
		want bool
	}{
		"fp16":        {half, nil, true},
		"fp32":        {knob.Default(knob.Eager), nil, false},
		"not applied": {half, errors.New("no"), false},
	} {
		got := agreementOf(t.Context(), comparerTarget{found: wrong}, c.in, c.err)
		if (got != nil) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := agreementOf(t.Context(), target{}, half, nil); got != nil {
		t.Errorf("a target that does not compare: %v", got)
	}
}

// comparerTarget is a target of a session that compares the precisions.
type comparerTarget struct {
	Target
	found trial.FP16Agreement
}

func (c comparerTarget) CheckFP16(context.Context) (trial.FP16Agreement, error) { return c.found, nil }
