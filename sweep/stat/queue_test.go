package stat_test

import (
	"math/rand/v2"
	"slices"
)

// queue simulates the correlated latencies of a server.
type queue func(rng *rand.Rand, n int) []float64

// single is an M/D/1 queue of service time 1 at utilization rho, started
// empty.
func single(rho float64) queue {
	return func(rng *rand.Rand, n int) []float64 {
		out, wait := make([]float64, n), 0.0
		for i := range out {
			out[i] = wait + 1
			wait = max(0, wait+1-rng.ExpFloat64()/rho)
		}
		return out
	}
}

// batching is two workers that collect up to 8 requests, for at most 2, and
// serve b of them in 1 + b/2, at utilization rho of their highest throughput.
func batching(rho float64) queue {
	const most = 8
	rate := rho * 2 * most / (1 + most/2.)
	return func(rng *rand.Rand, n int) []float64 {
		arrivals := make([]float64, n)
		t := 0.0
		for i := range arrivals {
			t += rng.ExpFloat64() / rate
			arrivals[i] = t
		}
		out := make([]float64, 0, n)
		var free [2]float64
		for next := 0; next < n; {
			w := 0
			if free[1] < free[0] {
				w = 1
			}
			// A short batch waits until its oldest request is 2 old.
			start := arrivals[next] + 2
			if full := next + most - 1; full < n {
				start = min(start, arrivals[full])
			}
			start = max(start, free[w])
			b := 0
			for next+b < n && b < most && arrivals[next+b] <= start {
				b++
			}
			free[w] = start + 1 + float64(b)/2
			for ; b > 0; b-- {
				out = append(out, free[w]-arrivals[next])
				next++
			}
		}
		return out
	}
}

// trueQuantile returns the quantile of a long run.
func trueQuantile(q queue, share float64, n int) float64 {
	v := q(rand.New(rand.NewPCG(1, 99)), n)
	slices.Sort(v)
	return v[int(share*float64(n))]
}

// warm returns a run without its start, which is biased because the queue is empty.
func warm(q queue, rng *rand.Rand, n int) []float64 { return q(rng, n+n/10)[n/10:] }
