package stat_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sweetspot/sweep/stat"
	"sweetspot/sweep/stat/stattest"
)

func TestTailOf(t *testing.T) {
	values := []float64{1, 1, 1, 1, 9, 9, 1, 1, 1, 1, 1, 9, 6, 1, 1, 1}
	got := stat.TailOf(values, nil, 8, .01)
	want := stat.Tail{N: 16, Over: 3, Near: 4, Clusters: 2, Squares: 5, Largest: 2}
	if got != want {
		t.Errorf("TailOf = %+v, want %+v", got, want)
	}
	if got := stat.TailOf(nil, nil, 8, .01); got != (stat.Tail{}) {
		t.Errorf("without values: %+v", got)
	}
}

// A load with a few slow requests in every round has them all the time: it is no long stall.
func TestTailOfRounds(t *testing.T) {
	var values []float64
	for range 500 {
		values = append(values, 1, 1, 1, 9)
	}
	got := stat.TailOf(values, nil, 8, .01)
	if !stat.AddTails([]stat.Tail{got}).FailsCertainly(.01, .0003) {
		t.Errorf("a quarter of the requests over the limit all the time: %+v", got)
	}
	clear(values[:1500])
	if got := stat.TailOf(values, nil, 8, .01); stat.AddTails([]stat.Tail{got}).FailsCertainly(.01, .0003) {
		t.Errorf("only at the end: %+v", got)
	}
}

// The bounds of added tails have the usual values of independent requests.
func TestAddTails(t *testing.T) {
	clear := stat.AddTails([]stat.Tail{{N: 3000}, {}, {N: 3000}})
	if up := clear.Upper(); up < .00045 || up > .00055 { // the rule of three
		t.Errorf("0 of 6000: at most %g", up)
	}
	if p := clear.AtLeast(.01); p != 1 {
		t.Errorf("0 of 6000: probability of as many or more %g, want 1", p)
	}
	if !clear.Enough(.01) || stat.AddTails([]stat.Tail{{N: 5999}}).Enough(.01) || !stat.AddTails([]stat.Tail{{N: 2000, Near: 100}}).Enough(.01) {
		t.Error("a pass takes 6000 values, or 2000 if some are near the limit")
	}
	single := func(n, over int) stat.Tail {
		return stat.Tail{N: n, Over: over, Clusters: over, Squares: float64(over), Largest: 1}
	}
	equal := stat.AddTails([]stat.Tail{single(5000, 40), single(5000, 40)})
	unequal := stat.AddTails([]stat.Tail{single(5000, 0), single(5000, 80)})
	if equal.Inflation > 1.1 || unequal.Inflation < 10 {
		t.Errorf("inflation %g of equal and %g of unequal parts", equal.Inflation, unequal.Inflation)
	}
	if equal.AtMost(.01) > .05 || unequal.AtMost(.01) < .2 {
		t.Errorf("0.8%% over: probabilities %g and %g", equal.AtMost(.01), unequal.AtMost(.01))
	}
	if up := stat.AddTails(nil).Upper(); up < .99 {
		t.Errorf("without values: at most %g, want 1", up)
	}
}

// For simulated servers with stalls, pauses and queues, a minute of an hour is rarely found to be certainly over a limit that
// is a tenth above the P99, because the error probability of the hour is divided among its minutes. And the hour is rarely found to
// keep a limit that is a tenth below it.
func TestTailsAreRarelyWrong(t *testing.T) {
	runs, parts, perPart := 1, 20, 1500
	if !testing.Short() {
		runs, parts = 20, 60
	}
	failed, passed, total := 0, 0, 0
	for i, f := range stattest.Families() {
		truth := stat.Quantile(f.Gen(rand.New(rand.NewPCG(99, uint64(i))), 200_000), .99).Value
		wrongFail, wrongPass := 0, 0
		for run := range runs {
			values := f.Gen(rand.New(rand.NewPCG(uint64(run), uint64(i))), parts*perPart)
			high, low := tailsOf(values, perPart, 1.1*truth), tailsOf(values, perPart, truth/1.1)
			if slices.ContainsFunc(high, func(part stat.Tail) bool {
				return stat.AddTails([]stat.Tail{part}).FailsCertainly(.01, .02/float64(parts))
			}) {
				wrongFail++
			}
			if all := stat.AddTails(low); all.Enough(.01) && all.AtMost(.01) <= .05 {
				wrongPass++
			}
		}
		t.Logf("%s: %d failures and %d passes wrong of %d", f.Name, wrongFail, wrongPass, runs)
		total, failed, passed = total+runs, failed+wrongFail, passed+wrongPass
	}
	if most := .05*float64(total) + 2; float64(failed) > most || float64(passed) > most {
		t.Errorf("%d failures and %d passes of %d are wrong, want at most %.0f of each", failed, passed, total, most)
	}
}

// tailsOf returns the tails of parts of a run.
func tailsOf(values []float64, length int, limit float64) []stat.Tail {
	times := make([]time.Duration, length)
	for i := range times {
		times[i] = time.Duration(i) * time.Second / stattest.Rate
	}
	var out []stat.Tail
	for part := range slices.Chunk(values, length) {
		out = append(out, stat.TailOf(part, times[:len(part)], limit, .01))
	}
	return out
}
