package judge_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sweetspot/cmd/bench/judge"
)

// fakeSides are sides whose values are computed from the number of the block, of all sides together.
type fakeSides struct {
	order []int
	value func(side, n int) []float64
}

func (f *fakeSides) measures(n int) []judge.Measure {
	var out []judge.Measure
	for i := range n {
		out = append(out, func(context.Context, time.Duration) ([]float64, error) {
			f.order = append(f.order, i)
			return f.value(i, len(f.order)-1), nil
		})
	}
	return out
}

// Side 0 has 1.5 times the rate of side 1 and 3 times that of side 2, and the machine slows down meanwhile.
func TestRounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	f := &fakeSides{value: func(side, n int) []float64 {
		v := 3000 / []float64{1, 1.5, 3}[side] * math.Pow(.998, float64(n)) * (1 + .01*rng.NormFloat64())
		return []float64{v, 1 / v}
	}}
	r, err := judge.MeasureRounds(t.Context(), judge.RoundsPlan{Rounds: 20, Length: 1, Seed: 3}, f.measures(3)...)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.order) != 3+20*6 {
		t.Fatalf("%d blocks, want 3 as warm-up and 20 rounds of 6", len(f.order))
	}
	orders := map[string]bool{}
	for i := 3; i < len(f.order); i += 6 {
		counts, text := [3]int{}, ""
		for _, side := range f.order[i : i+6] {
			counts[side]++
			text += string(rune('0' + side))
		}
		if counts != [3]int{2, 2, 2} {
			t.Fatalf("round %s: want two blocks of each side", text)
		}
		orders[text] = true
	}
	if len(orders) < 10 {
		t.Errorf("%d different orders of 20 rounds, want random ones", len(orders))
	}
	for other, want := range map[int]float64{1: 1.5, 2: 3} {
		rate, cost := r.Ratio(0, 0, other, 1), r.Ratio(1, 0, other, 1)
		checkNear(t, "ratio", rate.Value, want, .02*want)
		checkNear(t, "ratio of the other metric", cost.Value, 1/want, .02/want)
		if rate.Pairs != 40 || rate.Low > want || rate.High < want || rate.AA.Low > 1 || rate.AA.High < 1 || rate.Watched {
			t.Errorf("side %d: %+v; want 40 pairs, an interval with %v, A/A with 1", other, rate, want)
		}
	}
}

// A round with a disturbed block is not used, and is replaced.
func TestRoundsDisturbed(t *testing.T) {
	f := &fakeSides{}
	disturbed := func(n int) bool { return n/4%3 == 0 } // every third round of 4 blocks
	f.value = func(side, n int) []float64 {
		v := float64(2 - side)
		if n >= 2 && disturbed(n-2) {
			v *= float64(1 + 9*side)
		}
		return []float64{v}
	}
	watch := func() judge.Disturbance {
		if n := len(f.order) - 3; n >= 0 && disturbed(n) {
			return judge.Disturbance{Foreign: .5}
		}
		return judge.Disturbance{}
	}
	r, err := judge.MeasureRounds(t.Context(), judge.RoundsPlan{Rounds: 6, MaxRounds: 20, Length: 1, Watch: watch}, f.measures(2)...)
	if err != nil {
		t.Fatal(err)
	}
	got := r.Ratio(0, 0, 1, 1)
	if got.Value != 2 || got.Low != 2 || got.High != 2 || got.Pairs != 12 || got.Blocks != 36 || got.Undisturbed != 24 || !got.Watched {
		t.Errorf("%+v; want 2 from 12 pairs, 24 of 36 blocks undisturbed", got)
	}
	if m := r.Median(0, 1, 1); m.Value != 1 || m.Low != 1 || m.High != 1 {
		t.Errorf("median of side 1 is %+v, want 1", m)
	}

	always := func() judge.Disturbance { return judge.Disturbance{Foreign: .5} }
	f.order = nil
	good := r
	r, err = judge.MeasureRounds(t.Context(), judge.RoundsPlan{Rounds: 6, MaxRounds: 8, Length: 1, Watch: always}, f.measures(2)...)
	if err != nil {
		t.Fatal(err)
	}
	if m := r.Median(0, 1, 1); !math.IsNaN(m.Low) || !math.IsNaN(m.High) {
		t.Errorf("median of disturbed blocks is %+v, want open ends", m)
	}
	if got := r.Ratio(0, 0, 1, 1); !math.IsNaN(got.Low) || !math.IsNaN(got.High) || got.Blocks != 32 || got.Pairs != 16 {
		t.Errorf("%+v; want open ends after 8 rounds", got)
	}
	if got := judge.Join(good, r).Ratio(0, 0, 1, 1); !math.IsNaN(got.Low) || !math.IsNaN(got.High) || got.Pairs != 34 {
		t.Errorf("joined with undisturbed ones: %+v; want open ends, 34 pairs", got)
	}
}

// Unknown values leave out their pair, and only for their metric.
func TestRoundsUnknown(t *testing.T) {
	f := &fakeSides{value: func(side, n int) []float64 { return []float64{float64(side + 1), math.NaN()} }}
	r, err := judge.MeasureRounds(t.Context(), judge.RoundsPlan{Rounds: 4, Length: 1}, f.measures(2)...)
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := r.Ratio(0, 1, 0, 1), r.Ratio(1, 1, 0, 1)
	if known.Value != 2 || known.Low != 2 || known.Pairs != 8 {
		t.Errorf("%+v; want 2 from 8 pairs", known)
	}
	if unknown.Pairs != 0 || !math.IsNaN(unknown.Value) || !math.IsNaN(unknown.Low) || !math.IsNaN(unknown.High) || !math.IsNaN(r.Median(1, 0, 1).Value) {
		t.Errorf("%+v; want nothing from 0 pairs", unknown)
	}
	if s := unknown.Figure("x", "").Status(judge.Goal{Compare: judge.AtLeast}); s != judge.Undecided {
		t.Errorf("a figure without values is %v, want undecided", s)
	}
	joined := judge.Join(r, r)
	if got := joined.Ratio(0, 1, 0, 1); got.Pairs != 16 || got.Value != 2 {
		t.Errorf("joined: %+v; want 16 pairs", got)
	}
}

func TestRoundsErrors(t *testing.T) {
	broken := errors.New("broken")
	ok := func(context.Context, time.Duration) ([]float64, error) { return []float64{1}, nil }
	fails := func(context.Context, time.Duration) ([]float64, error) { return nil, broken }
	calls := 0
	later := func(context.Context, time.Duration) ([]float64, error) {
		if calls++; calls > 1 {
			return nil, broken
		}
		return []float64{1}, nil
	}
	for _, tt := range []struct {
		name  string
		plan  judge.RoundsPlan
		sides []judge.Measure
		want  string
	}{
		{"no rounds", judge.RoundsPlan{Length: 1}, []judge.Measure{ok, ok}, "rounds: 0 of 2 sides, blocks of 1ns: want at least 1 round"},
		{"one side", judge.RoundsPlan{Rounds: 1, Length: time.Second}, []judge.Measure{ok}, "rounds: 1 of 1 sides"},
		{"warm-up", judge.RoundsPlan{Rounds: 1, Length: 1}, []judge.Measure{ok, fails}, "warm-up: broken"},
		{"a block", judge.RoundsPlan{Rounds: 1, Length: 1}, []judge.Measure{ok, later}, "round 1, side 2: broken"},
	} {
		_, err := judge.MeasureRounds(t.Context(), tt.plan, tt.sides...)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	stops := func(context.Context, time.Duration) ([]float64, error) { cancel(); return []float64{1}, nil }
	if _, err := judge.MeasureRounds(ctx, judge.RoundsPlan{Rounds: 1, Length: 1}, stops, ok); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}
