package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/sweep/stat"
)

// every returns n samples of 1, each k-th being 10.
func every(n, k int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
		if k > 0 && i%k == k-1 {
			v[i] = 10
		}
	}
	return v
}

func TestDecide(t *testing.T) {
	p := stat.Promise{Q: .99, Limit: 5}
	long := p
	long.Least = time.Hour
	cluster := slices.Concat(every(200, 0), every(40, 1), every(2760, 0))
	start := slices.Concat(every(400, 20), every(4600, 0)) // a level that was slow at first
	far := p
	far.Limit = 50
	wave := make([]float64, 1900) // one slow wave, all of it below half of far, whose tail is worth few requests
	for i := range wave {
		wave[i] = 4 + 3*math.Sin(float64(i)/300)
	}
	tests := []struct {
		name    string
		samples []float64
		p       stat.Promise
		want    stat.Answer
		leaning stat.Answer
		why     string
	}{
		{"nothing", nil, p, stat.Undecided, stat.Undecided, "only 0 requests"},
		{"few good", every(99, 0), p, stat.Undecided, stat.Undecided, "only 99 requests"},
		{"good", every(300, 0), p, stat.Undecided, stat.Undecided, "not certain after 277 requests: 0% over the limit in 0 clusters, 1% allowed"},
		{"good for longer", every(4000, 0), p, stat.Undecided, stat.Pass, "3758 of the 6000 requests that a pass takes"},
		{"good for long", every(7000, 0), p, stat.Pass, stat.Pass, "certain after"},
		{"not for an hour", every(7000, 0), long, stat.Undecided, stat.Pass, "7s of the 1h0m0s that a pass takes"},
		{"all slow", every(100, 1), p, stat.Fail, stat.Fail, "hopeless after 100 requests: 100% over the limit"},
		{"half slow", every(120, 2), p, stat.Fail, stat.Fail, "hopeless after 112 requests: 50% over the limit"},
		{"just kept", every(4000, 100), p, stat.Undecided, stat.Undecided, "not certain"},
		{"twice over", every(4000, 50), p, stat.Fail, stat.Fail, "certain after"},
		{"one cluster", cluster, p, stat.Undecided, stat.Undecided, "not certain"},
		{"slow at first", start, p, stat.Undecided, stat.Pass, "4714 of the 6000 requests"},
		{"slow at first, for longer", start[:1500], p, stat.Undecided, stat.Undecided, "not certain"},
		{"nothing near the limit", wave, far, stat.Undecided, stat.Pass, "1700 of the 6000 requests that a pass takes"},
		{"at the limit", every(7000, 0), stat.Promise{Q: .99, Limit: 1}, stat.Pass, stat.Pass, "certain after"},
	}
	for _, c := range tests {
		got := stat.Decide(c.samples, perMS(len(c.samples)), c.p)
		if got.Answer != c.want || got.Leaning != c.leaning || !strings.HasPrefix(got.Why, c.why) {
			t.Errorf("%s: Decide = %v, leaning to %v, %q, want %v, %v, %q", c.name, got.Answer, got.Leaning, got.Why, c.want, c.leaning, c.why)
		}
	}
}

// perMS returns n times, one per millisecond.
func perMS(n int) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration(i) * time.Millisecond
	}
	return out
}

// The answer does not change between two looks.
func TestDecideLooks(t *testing.T) {
	v := batching(.6)(rand.New(rand.NewPCG(5, 5)), 3000)
	p := stat.Promise{Q: .99, Limit: trueQuantile(batching(.6), .99, 200_000)}
	changes, last := 0, stat.Decision{}
	for n := 100; n <= len(v); n += 7 {
		if d := stat.Decide(v[:n], nil, p); d != last {
			changes, last = changes+1, d
		}
	}
	if changes > 32 { // 100 x 1.12^30 = 2996
		t.Errorf("3000 samples gave %d different answers, want one per look", changes)
	}
}

// run calls Decide until it is certain, as a trial does.
func run(v []float64, p stat.Promise) stat.Decision {
	var d stat.Decision
	for n := 40; n < len(v); n += n / 5 {
		if d = stat.Decide(v[:n], nil, p); d.Answer != stat.Undecided {
			return d
		}
	}
	return stat.Decide(v, nil, p)
}

func TestDecideErrors(t *testing.T) {
	const runs, most = 30, 5000
	tests := []struct {
		name      string
		queue     func(rho float64) queue
		undecided int // percent, at most
	}{{"one server", single, 80}, {"batching", batching, 25}} // about 45 and 0 for a rule that knows the distribution of each queue
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			var wrong, undecided, spent, all int
			for _, rho := range []float64{.4, .6, .8} {
				q := c.queue(rho)
				x := trueQuantile(q, .99, 400_000)
				for _, s := range []struct {
					limit float64
					right stat.Answer
				}{{.9, stat.Fail}, {1.1, stat.Pass}} {
					for i := range uint64(runs) {
						v := warm(q, rand.New(rand.NewPCG(i, 11)), most)
						d := run(v, stat.Promise{Q: .99, Limit: s.limit * x})
						all, spent = all+1, spent+d.N
						switch d.Answer {
						case s.right:
						case stat.Undecided:
							undecided++
						default:
							wrong++
						}
					}
				}
			}
			t.Logf("%d runs: %d wrong, %d undecided, %d requests on average", all, wrong, undecided, spent/all)
			if wrong*100 > 5*all || undecided*100 > c.undecided*all {
				t.Errorf("%d of %d wrong, %d undecided, want at most 5%% and %d%%", wrong, all, undecided, c.undecided)
			}
		})
	}
}

func TestAnswerString(t *testing.T) {
	for a, want := range map[stat.Answer]string{stat.Undecided: "undecided", stat.Pass: "pass", stat.Fail: "fail"} {
		if got := a.String(); got != want {
			t.Errorf("Answer %d = %q, want %q", a, got, want)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	v := batching(.8)(rand.New(rand.NewPCG(1, 1)), 20000)
	b.ReportAllocs()
	for b.Loop() {
		stat.Decide(v, perMS(len(v)), stat.Promise{Q: .99, Limit: 9})
	}
}

// TestClear checks that a run without samples near the limit passes despite clusters, and that
// a share of samples near it prevents that.
func TestClear(t *testing.T) {
	samples := make([]float64, 8000)
	for i := range samples {
		samples[i] = 1
		if i < 700 {
			samples[i] = 5 + float64(i)/1000 // another program ran in the beginning
		}
	}
	p := stat.Promise{Q: .99, Limit: 100}
	if d := stat.Decide(samples[:5900], nil, p); d.Answer != stat.Undecided {
		t.Errorf("5900 samples: %+v", d)
	}
	if d := stat.Decide(samples, nil, p); d.Answer != stat.Pass {
		t.Errorf("8000 samples: %+v", d)
	}
	for i := range 70 {
		samples[100+i] = 51
	}
	if d := stat.Decide(samples, nil, p); d.Answer != stat.Undecided {
		t.Errorf("with a cluster at half the limit: %+v", d)
	}
}

// TestStalls checks that rare stalls cause no verdict before enough of them have occurred:
// neither a run without a stall nor one with a single stall is decided.
func TestStalls(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 60
	}
	const most, every = 5000, 1250
	x := trueQuantile(stalling(every), .99, 1_000_000)
	for _, s := range []struct {
		limit float64
		wrong stat.Answer
	}{{.9, stat.Pass}, {1.1, stat.Fail}} {
		wrong := 0
		for i := range uint64(runs) {
			v := stalling(every)(rand.New(rand.NewPCG(i, 13)), most)
			if run(v, stat.Promise{Q: .99, Limit: s.limit * x}).Answer == s.wrong {
				wrong++
			}
		}
		if wrong*100 > 5*runs {
			t.Errorf("limit at %g of the true P99: %d of %d answers are %v, want at most 5%%", s.limit, wrong, runs, s.wrong)
		}
	}
}

// stalling answers in about a millisecond, but stalls once in a number of requests on average,
// which delays forty.
func stalling(every int) queue {
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, n)
		left := 0
		for i := range out {
			out[i] = .5 + rng.Float64()
			if left == 0 && rng.IntN(every) == 0 {
				left = 40
			}
			if left > 0 {
				out[i] += float64(left)
				left--
			}
		}
		return out
	}
}

func TestDecideShareOfErrors(t *testing.T) {
	failing := func(n, k int) []bool {
		out := make([]bool, n)
		for i := range out {
			out[i] = k > 0 && i%k == k-1
		}
		return out
	}
	tests := []struct {
		name    string
		failed  []bool
		allowed float64
		want    stat.Answer
	}{
		{"nothing was sent", nil, 0, stat.Undecided},
		{"none allowed, none seen", failing(10, 0), 0, stat.Pass},
		{"none allowed, one seen", failing(10_000, 10_000), 0, stat.Fail},
		{"1% allowed, few requests", failing(90, 10), .01, stat.Undecided},
		{"1% allowed, half of it", failing(4000, 200), .01, stat.Pass},
		{"1% allowed, half of it, seen early", failing(300, 200), .01, stat.Undecided},
		{"1% allowed, just that", failing(5000, 100), .01, stat.Undecided},
		{"1% allowed, twice that", failing(4000, 50), .01, stat.Fail},
		{"1% allowed, one cluster", slices.Concat(failing(1000, 0), failing(40, 1), failing(1000, 0)), .01, stat.Undecided},
		{"all allowed", failing(10, 1), 1, stat.Pass},
	}
	for _, c := range tests {
		if d := stat.DecideErrors(c.failed, nil, c.allowed); d.Answer != c.want {
			t.Errorf("%s: %v %q, want %v", c.name, d.Answer, d.Why, c.want)
		}
	}
}

// TestDecideErrorRates tests error rates at which a point estimate decided wrongly.
func TestDecideErrorRates(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 40
	}
	const most = 5000
	for _, c := range []struct {
		rate  float64
		wrong stat.Answer
	}{{.005, stat.Fail}, {.007, stat.Fail}, {.013, stat.Pass}} {
		wrong := 0
		for i := range uint64(runs) {
			rng := rand.New(rand.NewPCG(i, 17))
			failed := make([]bool, most)
			for k := range failed {
				failed[k] = rng.Float64() < c.rate
			}
			for n := 50; n <= most; n += 50 {
				if d := stat.DecideErrors(failed[:n], nil, .01); d.Answer != stat.Undecided {
					if d.Answer == c.wrong {
						wrong++
					}
					break
				}
			}
		}
		if wrong*100 > 5*runs {
			t.Errorf("1%% allowed, true rate %g: %d of %d answers are %v, want at most 5%%", c.rate, wrong, runs, c.wrong)
		}
	}
}

func TestKeepsUp(t *testing.T) {
	// waits of n arrivals at 1000/s; the backlog grows by a number per second, around a
	// mean.
	waits := func(n int, growth, around float64, seed uint64) []float64 {
		rng := rand.New(rand.NewPCG(seed, 1))
		out := make([]float64, n)
		for i := range out {
			out[i] = (around*(.5+rng.Float64()) + growth*float64(i)) / 1000
		}
		return out
	}
	burst := waits(4000, 0, 5, 3)
	for i := 1000; i < 2000; i++ {
		burst[i] += float64(min(i-1000, 2000-i)) / 1000
	}
	rise := waits(8000, 0, 5, 5)
	for i := 4000; i < len(rise); i++ {
		rise[i] += .06 * float64(i-4000) / 1000
	}
	tests := []struct {
		name       string
		waits      []float64
		dispersion float64
		want, lean stat.Answer
	}{
		{"too few", waits(99, 0, 5, 1), 1, stat.Undecided, stat.Undecided},
		{"steady", waits(3000, 0, 5, 1), 1, stat.Pass, stat.Pass},
		{"steady with many in flight", waits(3000, 0, 100, 2), 1, stat.Pass, stat.Pass},
		{"2% too many", waits(3000, .02, 5, 1), 1, stat.Undecided, stat.Undecided},
		{"5% too many", waits(10_000, .05, 5, 1), 1, stat.Fail, stat.Fail},
		{"20% too many", waits(600, .2, 5, 1), 1, stat.Fail, stat.Fail},
		{"a burst that is worked off", burst, 300, stat.Pass, stat.Pass},
		{"the same from Poisson arrivals", burst, 1, stat.Undecided, stat.Undecided},
		{"a burst at the end", burst[:1500], 300, stat.Undecided, stat.Undecided},
		{"a rise at the end, and a dispersion so large that it allows for anything", rise, 1200, stat.Undecided, stat.Undecided},
		{"bursts, hardly any backlog", waits(3000, 0, 5, 4), 1200, stat.Pass, stat.Pass},
	}
	for _, c := range tests {
		k := stat.KeepsUp(stat.Arrivals{Waits: c.waits, Rate: 1000, Dispersion: c.dispersion})
		if k.Answer != c.want || k.Leaning != c.lean {
			t.Errorf("%s: %v, leaning to %v, growth %.0f, want %v, %v", c.name, k.Answer, k.Leaning, k.Growth, c.want, c.lean)
		}
	}
}
