package stat_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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
	capped := stat.Promise{Q: .99, Limit: 5, Max: 1000}
	crowd := slices.Concat(every(200, 0), every(40, 1), every(760, 0))
	tests := []struct {
		name    string
		samples []float64
		p       stat.Promise
		want    stat.Answer
		why     string
	}{
		{"nothing", nil, p, stat.Undecided, "only 0 requests"},
		{"few good", every(99, 0), p, stat.Undecided, "only 99 requests"},
		{"good", every(300, 0), p, stat.Undecided, "not certain after 277 requests: 0% over the limit, 1% allowed"},
		{"long good", every(2500, 0), p, stat.Pass, "certain after"},
		{"all slow", every(100, 1), p, stat.Fail, "hopeless after 100 requests: 100% over the limit"},
		{"half slow", every(120, 2), p, stat.Fail, "hopeless after 112 requests: 50% over the limit"},
		{"just kept", every(4000, 100), p, stat.Undecided, "not certain"},
		{"twice over", every(4000, 50), p, stat.Fail, "certain after"},
		{"half of it", every(4000, 200), p, stat.Pass, "certain after"},
		{"one crowd", crowd, p, stat.Undecided, "not certain"},
		{"spent", crowd, capped, stat.Fail, "hopeless after 1000 requests: 40 over the limit, a run of 1000 may have 10"},
		{"at the limit", every(2500, 0), stat.Promise{Q: .99, Limit: 1}, stat.Pass, "certain after"},
	}
	for _, c := range tests {
		got := stat.Decide(c.samples, c.p)
		if got.Answer != c.want || !strings.HasPrefix(got.Why, c.why) {
			t.Errorf("%s: Decide = %v %q, want %v %q", c.name, got.Answer, got.Why, c.want, c.why)
		}
	}
}

// Only looks count: between two of them nothing changes.
func TestDecideLooks(t *testing.T) {
	v := batching(.6)(rand.New(rand.NewPCG(5, 5)), 3000)
	p := stat.Promise{Q: .99, Limit: truth(batching(.6), .99, 200_000)}
	changes, last := 0, stat.Decision{}
	for n := 100; n <= len(v); n += 7 {
		if d := stat.Decide(v[:n], p); d != last {
			changes, last = changes+1, d
		}
	}
	if changes > 32 { // 100 x 1.12^30 = 2996
		t.Errorf("3000 samples gave %d different answers, want one per look", changes)
	}
}

// run asks until it is answered, as a trial does.
func run(v []float64, p stat.Promise) stat.Decision {
	var d stat.Decision
	for n := 40; n < len(v); n += n / 5 {
		if d = stat.Decide(v[:n], p); d.Answer != stat.Undecided {
			return d
		}
	}
	return stat.Decide(v, p)
}

func TestDecideErrors(t *testing.T) {
	const runs, most = 30, 5000
	tests := []struct {
		name      string
		queue     func(rho float64) queue
		undecided int // percent, at most
	}{{"one server", single, 60}, {"batching", batching, 20}}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			var wrong, undecided, spent, all int
			for _, rho := range []float64{.4, .6, .8} {
				q := c.queue(rho)
				x := truth(q, .99, 400_000)
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
		stat.Decide(v, stat.Promise{Q: .99, Limit: 9})
	}
}

// TestClear: when nothing comes near the limit, crowding cannot keep the answer
// open for ever; one sample near it can.
func TestClear(t *testing.T) {
	samples := make([]float64, 2000)
	for i := range samples {
		samples[i] = 1
		if i < 700 {
			samples[i] = 5 + float64(i)/1000 // another program ran in the beginning
		}
	}
	p := stat.Promise{Q: .99, Limit: 100}
	if d := stat.Decide(samples[:999], p); d.Answer != stat.Undecided {
		t.Errorf("999 samples: %+v", d)
	}
	if d := stat.Decide(samples, p); d.Answer != stat.Pass || !strings.Contains(d.Why, "half the limit") {
		t.Errorf("2000 samples: %+v", d)
	}
	samples[100] = 51
	if d := stat.Decide(samples, p); d.Answer != stat.Undecided {
		t.Errorf("with one at half the limit: %+v", d)
	}
}
