package profiles_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// TestMeasured: a figure is worse only if that is certain, the difference is larger than
// that of the A/A comparison, and it may be above the tolerance.
func TestMeasured(t *testing.T) {
	in := func(low, value, high float64) stat.Interval { return stat.Interval{Value: value, Low: low, High: high} }
	same := in(.99, 1, 1.01)
	sent := sweep.Side{Sent: 1000, RPS: 100, PercentileMS: 20}
	failing := sweep.Side{Sent: 1000, Failed: 30, RPS: 100, PercentileMS: 20}
	const yes, no, cannotTell = profiles.NoRegression, profiles.Regression, profiles.CannotTell
	for _, tc := range []struct {
		name            string
		percentile, rps stat.Interval
		aa              stat.Interval // of the percentile
		b               sweep.Side
		limited         int // blocks
		outcome         profiles.Outcome
		why             string
	}{
		{"equal", same, same, same, sent, 0, yes, "nothing is worse"},
		{"better", in(.7, .75, .8), in(1.2, 1.3, 1.4), same, sent, 0, yes, "nothing is worse"},
		{"slower answers", in(1.06, 1.08, 1.1), same, same, sent, 0, no, "P99 of request latency is 8.0% higher (6.0% to 10.0%)"},
		{"less throughput", same, in(.85, .9, .93), same, sent, 0, no, "throughput is 10.0% lower (7.0% to 15.0%)"},
		{"both", in(1.06, 1.08, 1.1), in(.85, .9, .93), same, sent, 0, no, "higher (6.0% to 10.0%); throughput is"},
		{"certain but tolerated", in(1.01, 1.02, 1.03), same, in(1, 1, 1), sent, 0, yes, "nothing is worse"},
		{"within A/A", in(1.06, 1.08, 1.1), same, in(.9, 1, 1.2), sent, 0, cannotTell, "may be up to 10.0% higher; 5.0% is tolerated: more --pairs"},
		{"as far below in A/A", in(1.06, 1.08, 1.1), same, in(.9, .95, 1), sent, 0, cannotTell, "more --pairs"},
		{"wide", in(.9, 1.02, 1.2), same, same, sent, 0, cannotTell, "more --pairs"},
		{"one wide, one worse", in(.9, 1.02, 1.2), in(.85, .9, .93), same, sent, 0, no, "throughput is"},
		{"open", in(math.NaN(), 1, math.NaN()), same, same, sent, 0, cannotTell, "too few pairs have a value"},
		{"A/A open", in(1.06, 1.08, 1.1), same, in(math.NaN(), 1, math.NaN()), sent, 0, cannotTell, "more --pairs"},
		{"failures", same, same, same, failing, 0, no, "30 of 1000 requests fail with B, 0 of 1000 with A"},
		{"a few limited blocks", same, same, same, sent, 4, yes, "nothing is worse"},
		{"many limited blocks", same, same, same, sent, 5, cannotTell, "in 5 of 40 blocks: generator limited"},
	} {
		m := profiles.BestPair{}.Judge(sweep.Difference{
			Percentile: tc.percentile, PercentileAA: tc.aa, Throughput: tc.rps, ThroughputAA: same,
			A: sent, B: tc.b, Pairs: 20, Limited: tc.limited, LimitedReason: "generator limited: late",
		}, plan.Default().SLA, profiles.CompareOptions{Tolerance: .05})
		if m.Outcome != tc.outcome || !strings.Contains(m.Why, tc.why) {
			t.Errorf("%s: %v, %q; want %v with %q", tc.name, m.Outcome, m.Why, tc.outcome, tc.why)
		}
	}
}

// TestMeasuredForced: with force, blocks that the generator limited are judged too.
func TestMeasuredForced(t *testing.T) {
	same := stat.Interval{Value: 1, Low: .99, High: 1.01}
	d := sweep.Difference{Percentile: same, PercentileAA: same, Throughput: same, ThroughputAA: same, Pairs: 2, Limited: 4, Disturbed: 1}
	m := profiles.BestPair{}.Judge(d, plan.Default().SLA, profiles.CompareOptions{Tolerance: .05, Force: true})
	if m.Outcome != profiles.NoRegression || len(m.Notes) != 2 || !strings.Contains(m.Notes[0], "used the CPU in 1 of 4 blocks") {
		t.Errorf("%v, notes %q; want it judged, with two notes", m.Outcome, m.Notes)
	}
}

// TestMeasuredChange: a change is larger than the differences of the A/A comparison.
func TestMeasuredChange(t *testing.T) {
	in := func(low, high float64) trial.Estimate {
		return trial.Estimate{Low: trial.NumOf(low), High: trial.NumOf(high)}
	}
	for _, c := range []struct {
		name                   string
		ratio, aa              trial.Estimate
		percentile, throughput profiles.Change
	}{
		{"higher", in(1.1, 1.2), in(.95, 1.05), profiles.Worse, profiles.Better},
		{"lower", in(.8, .9), in(.95, 1.05), profiles.Better, profiles.Worse},
		{"the same", in(.99, 1.1), in(.95, 1.05), profiles.NoChange, profiles.NoChange},
		{"higher within A/A", in(1.1, 1.2), in(.8, 1.05), profiles.NoChange, profiles.NoChange},
		{"open", in(math.NaN(), math.NaN()), in(.95, 1.05), profiles.NoChange, profiles.NoChange},
		{"A/A open", in(1.1, 1.2), in(.95, math.NaN()), profiles.NoChange, profiles.NoChange},
	} {
		m := profiles.Measured{Percentile: c.ratio, PercentileAA: c.aa, Throughput: c.ratio, ThroughputAA: c.aa}
		if p, r := m.PercentileChange(), m.ThroughputChange(); p != c.percentile || r != c.throughput {
			t.Errorf("%s: percentile %s, throughput %s; want %s, %s", c.name, p, r, c.percentile, c.throughput)
		}
	}
}

// TestBestPair: both are measured with the load and the options of the second one. A note
// says if those of the first were different.
func TestBestPair(t *testing.T) {
	a, b := profileOf("a", precise(1, 1, 1), precise(2, 2, 1)), profileOf("b", precise(1, 1, 1))
	b.Trials[0].Load = load.Spec{Matched: true}
	p, err := profiles.NewBestPair(a, b, profiles.CompareOptions{})
	if err != nil || p.A.N != 2 || p.B.N != 1 || p.Load != b.Trials[0].Load {
		t.Fatalf("trials %d and %d under %v, %v; want 2 and 1 under that of b", p.A.N, p.B.N, p.Load, err)
	}
	at, bt := p.Points()
	if at.Settings != p.A.Settings || at.Load.Concurrency != 2*8 || bt.Load.Concurrency != 8 {
		t.Errorf("points %+v and %+v, want the load to follow the settings", at, bt)
	}
	judged := p.Judge(sweep.Difference{}, plan.Default().SLA, profiles.CompareOptions{})
	if judged.A.Profile != "a" || judged.A.Trial != 2 || judged.B.Profile != "b" {
		t.Errorf("sides %+v and %+v", judged.A, judged.B)
	}
	if diff := cmp.Diff([]string{"A was chosen under concurrency 10; both are measured under B's load"}, judged.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	a.Trials[1].Options.Rule = knob.Eager
	if _, err := profiles.NewBestPair(a, b, profiles.CompareOptions{}); !errors.Is(err, profiles.ErrNotComparable) || !strings.Contains(err.Error(), "a was measured with rule eager") {
		t.Errorf("another rule: %v", err)
	}
	if p, err = profiles.NewBestPair(a, b, profiles.CompareOptions{Force: true}); err != nil || len(p.Judge(sweep.Difference{}, plan.Default().SLA, profiles.CompareOptions{}).Notes) != 2 {
		t.Errorf("forced: %v", err)
	}
	b.Trials[0].Verdict.Result = trial.Fail
	if _, err := profiles.NewBestPair(a, b, profiles.CompareOptions{}); err == nil || err.Error() != "b has no setting that kept the promise" {
		t.Errorf("without a best: %v", err)
	}
}

// TestCheckComparable: a measurement is comparable with a profile of the same model on the
// same kind of machine.
func TestCheckComparable(t *testing.T) {
	h := header("a")
	h.Machine = h.Machine.Complete()
	other, elsewhere := h.Model, header("b").Machine
	other.SHA256, elsewhere.Cores = "ff", 64
	short, long, given, others := h, h, h, h
	short.Model.Lengths, long.Model.Lengths = "ids 8..16", "ids 8..128"
	given.Model.BodiesSHA256, others.Model.BodiesSHA256 = "aabbccddee", "9988776655"
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"the same", h.CheckComparable(h.Model, header("b").Machine), ""},
		{"another model", h.CheckComparable(other, h.Machine), "a measured another model of that name (sha256 12ab34cd56ef, this is ff)"},
		{"another machine", h.CheckComparable(h.Model, elsewhere), "a was measured on another kind of machine"},
		{"other lengths", short.CheckComparable(long.Model, h.Machine), "a was measured with other requests: lengths of requests: ids 8..16 and ids 8..128"},
		{"other bodies", given.CheckComparable(others.Model, h.Machine), "a was measured with other requests: bodies: not the same: sha256 aabbccdd and 99887766"},
		{"the same bodies", given.CheckComparable(given.Model, h.Machine), ""},
		{"all of the model", profiles.CheckModel(h.Model, h, header("b")), ""},
		{"one of another model", profiles.CheckModel(other, h), "a measured another model (mlp-wide, sha256 12ab34cd56ef; this is mlp-wide, ff)"},
	} {
		if c.want == "" && c.err != nil || c.want != "" && (!errors.Is(c.err, profiles.ErrNotComparable) || c.err.Error() != c.want) {
			t.Errorf("%s: %v, want %q", c.name, c.err, c.want)
		}
	}
}
