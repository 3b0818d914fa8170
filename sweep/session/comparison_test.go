//go:build !race

package session

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/stat/stattest"
	"sweetspot/sweep/trial"
)

// answer is a request in virtual time.
type answer struct {
	at     time.Duration // its end
	sample load.Sample
}

// closedLoad sends the requests of 10 clients to a server with these latencies in ms, and returns the
// answers until the end of the given second.
func closedLoad(latencies []float64, seconds int) (out []answer) {
	const clients = 10
	var free [clients]time.Duration
	for _, v := range latencies {
		next := 0
		for c := range free {
			if free[c] < free[next] {
				next = c
			}
		}
		took := time.Duration(v * float64(time.Millisecond))
		free[next] += took
		if free[next] >= time.Duration(seconds)*time.Second {
			break
		}
		out = append(out, answer{free[next], load.Sample{Latency: took}})
	}
	return out
}

// sideOf returns answers as a side of a comparison.
func sideOf(answers []answer, seconds int) stat.Side {
	s := stat.Side{Seconds: make([]int, seconds)}
	for _, a := range answers {
		s.Values = append(s.Values, ms(a.sample.Latency))
		s.Seconds[int(a.at.Seconds())]++
	}
	return s
}

// compareServer compares the traffic of a server before and after a change that multiplies its
// latencies by a factor. The server is of the i-th family.
func compareServer(t *testing.T, i int, factor float64) Effect {
	t.Helper()
	const median = 20 // ms: about 500 requests/s
	families := stattest.Families()
	latencies := families[i%len(families)].Gen(rand.New(rand.NewPCG(uint64(i), 41)), 80_000)
	for j := range latencies {
		latencies[j] *= median
	}
	before := closedLoad(latencies, maxCompared)
	latencies = latencies[len(before)+1000:] // the change takes some time
	for j := range latencies {
		latencies[j] *= factor
	}
	c := comparison{
		n: 1, change: "A1", closed: true, before: sideOf(before, maxCompared), begin: time.Unix(0, 0),
		sla: trial.SLA{Percentile: 99, Limit: time.Second},
	}
	after := closedLoad(latencies, maxCompared)
	for second := 1; second <= maxCompared; second++ {
		for ; len(after) > 0 && after[0].at < time.Duration(second)*time.Second; after = after[1:] {
			c.add(c.begin.Add(after[0].at), []load.Sample{after[0].sample})
		}
		if e, done := c.look(c.begin.Add(time.Duration(second) * time.Second)); done {
			return e
		}
	}
	t.Fatal("the comparison does not end")
	return Effect{}
}

// The same settings applied again change nothing: the comparison may say so falsely in 5 of 100 cases
// at most. A change of the latencies by 30% is found in 80 of 100. The servers are those of the
// verdicts: queues, heavy tails, stalls, pauses, shifts of the level, autocorrelated latencies.
func TestComparison(t *testing.T) {
	const runs = 100
	says := func(e Effect) bool {
		return e.What.Called() || strings.Contains(e.Text, "better") || strings.Contains(e.Text, "worse")
	}
	for _, c := range []struct {
		factor      float64
		least, most int
	}{{1, 0, 5}, {.7, 80, runs}, {1 / .7, 80, runs}} {
		called, wrong := 0, 0
		for i := range runs {
			e := compareServer(t, i, c.factor)
			if says(e) {
				called++
			}
			if d := e.What.Percentile.Direction; d == stat.Higher && c.factor < 1 || d == stat.Lower && c.factor > 1 {
				wrong++
			}
		}
		t.Logf("latencies x %.2f: a change is reported in %d of %d, in the wrong direction in %d", c.factor, called, runs, wrong)
		if called < c.least || called > c.most || wrong > 0 {
			t.Errorf("latencies x %.2f: a change is reported in %d of %d, in the wrong direction in %d; want %d-%d and 0",
				c.factor, called, runs, wrong, c.least, c.most)
		}
	}
}

// The words of an effect.
func TestEffectText(t *testing.T) {
	side := func(n int, latency float64) stat.Side {
		s := stat.Side{}
		for range 10 {
			s.Seconds = append(s.Seconds, n)
			for i := range n {
				s.Values = append(s.Values, latency*(1+float64(i%50)/100))
			}
		}
		return s
	}
	base := comparison{n: 2, change: "A2 batch size 1 to 8", closed: true, sla: trial.SLA{Percentile: 99}, requests: [2]int{4000, 4000}}
	for _, c := range []struct {
		name          string
		before, after stat.Side
		change        func(*comparison)
		want          string
	}{
		{"no difference", side(400, 20), side(400, 20), nil, "P99 ~ (30-30 -> 30-30 ms), rate ~"},
		{"better", side(400, 20), side(800, 10), nil, "P99 better (30-30 -> 15-15 ms), rate +100%"},
		{"worse", side(400, 20), side(360, 22), nil, "P99 worse (30-30 -> 33-33 ms), rate -10%"},
		{"few answers", side(20, 20), side(20, 20), nil, "P99 ~ (24 -> 24 ms; 200 and 200 answers, it takes 2000), rate ~"},
		{"too few answers", side(2, 20), side(2, 20), nil, "P99 ~ (too few answers), rate ~"},
		{"no answers", side(400, 20), side(0, 20), nil, "P99 ~ (too few answers), rate -100%"},
		{"open load", side(400, 20), side(400, 10), func(c *comparison) { c.closed = false }, "P99 better (30-30 -> 15-15 ms), mean -50%, rate ~"},
		{
			"more errors", side(400, 20), side(400, 10), func(c *comparison) { c.errors = [2]int{0, 340} },
			"P99 lower, but more requests failed (30-30 -> 15-15 ms), rate ~; 340 of 4000 requests failed, before 0 of 4000",
		},
		{"busy host", side(400, 20), side(800, 10), func(c *comparison) { c.hostBusy = true }, "P99 better (30-30 -> 15-15 ms), rate +100%; host busy"},
		{"model latency", side(400, 20), side(800, 10), func(c *comparison) { c.sla.Latency = trial.ModelLatency }, "P99 of the model better (30-30 -> 15-15 ms), rate +100%"},
	} {
		k := base
		k.before = c.before
		if c.change != nil {
			c.change(&k)
		}
		if got := k.figures(stat.CompareChange(c.before, c.after, .99, true), len(c.after.Values)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}
