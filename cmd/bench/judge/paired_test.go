package judge_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/cmd/bench/judge"
)

// bench has two synthetic sides. Its blocks take no time.
type bench struct {
	order []string
	value func(side string, n int) float64 // n counts the blocks after the two of the warm-up
}

func (b *bench) side(name string) judge.Block {
	return func(context.Context, time.Duration) (float64, error) {
		b.order = append(b.order, name)
		return b.value(name, len(b.order)-3), nil
	}
}

func (b *bench) paired(t *testing.T, p judge.Plan) judge.Ratio {
	t.Helper()
	p.Length = time.Second
	r, err := judge.Paired(t.Context(), p, b.side("A"), b.side("B"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func checkNear(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s = %v, want %v within %v", what, got, want, within)
	}
}

func TestPairedOrder(t *testing.T) {
	b := &bench{value: func(string, int) float64 { return 1 }}
	r := b.paired(t, judge.Plan{Blocks: 6})
	want := "AB ABBA ABBA" // the warm-up, then groups of four
	if got := strings.Join(b.order, ""); got != strings.ReplaceAll(want, " ", "") {
		t.Errorf("order %s, want %s", got, want)
	}
	if r.Blocks != 8 || r.Undisturbed != 8 || r.Pairs != 4 || r.Watched {
		t.Errorf("%d blocks, %d undisturbed, %d pairs, watched %v; want 8, 8, 4, false", r.Blocks, r.Undisturbed, r.Pairs, r.Watched)
	}
	if !math.IsNaN(r.Low) || !math.IsNaN(r.High) {
		t.Errorf("the interval of 4 pairs is %v-%v, want open ends", r.Low, r.High)
	}
}

// A is 20% better than B, and the machine slows down during the whole test.
func TestPairedDrift(t *testing.T) {
	b := &bench{value: func(side string, n int) float64 {
		v := 1000 * math.Pow(.99, float64(n))
		if side == "A" {
			v *= 1.2
		}
		return v
	}}
	r := b.paired(t, judge.Plan{Blocks: 60, Seed: 1})
	checkNear(t, "ratio", r.Value, 1.2, .013)
	if r.Low > 1.2 || r.High < 1.2 {
		t.Errorf("interval %v-%v does not contain the true ratio, 1.2", r.Low, r.High)
	}
	checkNear(t, "A/A", r.AA.Value, 1, .011)
	if r.AA.Low > 1 || r.AA.High < 1 {
		t.Errorf("A/A %v-%v does not contain 1", r.AA.Low, r.AA.High)
	}
}

// Blocks may vary in a way that does not show in the pairs of A and B. The
// interval must not be narrower than the A/A interval, which shows it.
func TestPairedIntervalCoversAA(t *testing.T) {
	b := &bench{value: func(_ string, n int) float64 {
		// Equal within each A B and B A pair, but not between two pairs.
		return 1 + .2*float64(n/2%2) + .1*float64(n/4%2)
	}}
	r := b.paired(t, judge.Plan{Blocks: 40, Seed: 1})
	checkNear(t, "ratio", r.Value, 1, 0)
	if !(r.AA.Low < .99 && r.AA.High > 1.01) {
		t.Fatalf("A/A %v-%v: the test needs a wide one", r.AA.Low, r.AA.High)
	}
	if r.Low > r.AA.Low || r.High < r.AA.High {
		t.Errorf("interval %v-%v is narrower than A/A %v-%v", r.Low, r.High, r.AA.Low, r.AA.High)
	}
}

// Every fifth block is disturbed and measures a tenth of the value.
func TestPairedRejectsDisturbedBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	b := &bench{}
	disturbed := func(n int) bool { return n%5 == 0 }
	b.value = func(side string, n int) float64 {
		v := 1000 * (1 + .01*rng.NormFloat64())
		if side == "A" {
			v *= .9
		}
		if disturbed(n) {
			v /= 10
		}
		return v
	}
	watch := func() judge.Disturbance {
		if n := len(b.order) - 3; n >= 0 && disturbed(n) {
			return judge.Disturbance{Foreign: .4}
		}
		return judge.Disturbance{Foreign: .1, Steal: .02} // the largest values that are not rejected
	}
	r := b.paired(t, judge.Plan{Blocks: 60, MaxBlocks: 120, Watch: watch})
	checkNear(t, "ratio", r.Value, .9, .01)
	checkNear(t, "low end", r.Low, .9, .03)
	checkNear(t, "high end", r.High, .9, .03)
	if r.Pairs < 30 || r.Blocks <= 60 || r.Blocks > 120 || r.Blocks-r.Undisturbed != (r.Blocks+4)/5 {
		t.Errorf("%d pairs from %d blocks, %d undisturbed; want 30 pairs, every fifth block rejected", r.Pairs, r.Blocks, r.Undisturbed)
	}
	if f := r.Figure("x", ""); !strings.HasSuffix(f.Detail, "blocks kept") {
		t.Errorf("detail %q does not contain how many blocks were kept", f.Detail)
	}
}

func TestPairedAllDisturbed(t *testing.T) {
	b := &bench{value: func(side string, _ int) float64 { return float64(len(side)) }}
	stolen := func() judge.Disturbance { return judge.Disturbance{Steal: .03} }
	r := b.paired(t, judge.Plan{Blocks: 40, MaxBlocks: 50, Watch: stolen})
	if r.Value != 1 || !math.IsNaN(r.Low) || !math.IsNaN(r.High) || r.Undisturbed != 0 || r.Blocks != 48 {
		t.Errorf("%+v; want 1 with open ends after 48 blocks, none undisturbed", r)
	}
	f := r.Figure("x", "more")
	if want := "24 pairs, only 0 of 48 blocks undisturbed, more"; f.Detail != want {
		t.Errorf("detail %q, want %q", f.Detail, want)
	}
	if got := f.Status(judge.Goal{Compare: judge.AtLeast, Number: .1}); got != judge.Undecided {
		t.Errorf("status %v, want undecided", got)
	}
}

func TestAdded(t *testing.T) {
	b := &bench{value: func(side string, n int) float64 {
		v := 10 + float64(n%2)
		if side == "A" {
			v *= 1.5
		}
		return v
	}}
	r := b.paired(t, judge.Plan{Blocks: 40, Seed: 1})
	f := r.Added("x", "us", "")
	checkNear(t, "added", f.Value, (r.Value-1)*r.B, 1e-9)
	checkNear(t, "added", f.Value, 5, 1)
	if f.Unit != "us" || f.Interval.Low > f.Value || f.Interval.High < f.Value || f.AA.Low > 0 || f.AA.High < 0 {
		t.Errorf("%v %s, interval %+v, A/A %+v", f.Value, f.Unit, f.Interval, f.AA)
	}
}

func TestPairedErrors(t *testing.T) {
	broken := errors.New("broken")
	ok := func(context.Context, time.Duration) (float64, error) { return 1, nil }
	for _, tt := range []struct {
		name   string
		plan   judge.Plan
		failAt int // call
		value  float64
		want   string
	}{
		{"no blocks", judge.Plan{Length: 1}, 0, 1, "paired blocks: 0 of 1ns: want at least 1 and a length above 0"},
		{"no length", judge.Plan{Blocks: 4}, 0, 1, "paired blocks: 4 of 0s: want at least 1 and a length above 0"},
		{"warm-up", judge.Plan{Blocks: 4, Length: 1}, 1, 1, "warm-up: broken"},
		{"a block", judge.Plan{Blocks: 4, Length: 1}, 3, 1, "block 4: broken"},
		{"nothing measured", judge.Plan{Blocks: 4, Length: 1}, 0, 0, "paired blocks: a block measured nothing: make blocks longer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			a := func(context.Context, time.Duration) (float64, error) {
				if calls++; calls == tt.failAt {
					return 0, broken
				}
				return tt.value, nil
			}
			_, err := judge.Paired(t.Context(), tt.plan, a, ok)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// A block that measured nothing makes the blocks longer, and its group does not count.
func TestPairedLongerBlocks(t *testing.T) {
	var lengths []time.Duration
	side := func(_ context.Context, d time.Duration) (float64, error) {
		lengths = append(lengths, d)
		if len(lengths) > 2 && d < 4 { // the first two are the warm-up
			return 0, nil
		}
		return 1, nil
	}
	r, err := judge.Paired(t.Context(), judge.Plan{Blocks: 8, Length: 1}, side, side)
	if err != nil || r.Blocks != 8 || r.Value != 1 {
		t.Errorf("%+v, %v; want 8 blocks", r, err)
	}
	if want := []time.Duration{1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4}; !slices.Equal(lengths, want) {
		t.Errorf("lengths %v, want %v", lengths, want)
	}
}

func TestPairedEndsWithContext(t *testing.T) {
	cause := errors.New("out of time")
	ctx, cancel := context.WithCancelCause(t.Context())
	calls := 0
	side := func(context.Context, time.Duration) (float64, error) {
		if calls++; calls == 5 {
			cancel(cause)
		}
		return 1, nil
	}
	_, err := judge.Paired(ctx, judge.Plan{Blocks: 1000, Length: 1}, side, side)
	if !errors.Is(err, cause) || calls != 5 {
		t.Errorf("%d calls, error %v; want 5 and %v", calls, err, cause)
	}
}
