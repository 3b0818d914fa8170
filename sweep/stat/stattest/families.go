// Package stattest generates the latencies of simulated servers, for tests and benchmarks of
// statistics: queues, pauses, stalls, shifts of the level, heavy tails.
package stattest

import (
	"math"
	"math/rand/v2"
)

// Family is a kind of server.
type Family struct {
	Name    string
	Gen     func(rng *rand.Rand, n int) []float64 // n latencies in ms, in the order of the requests, which arrive at Rate
	HeldOut bool                                  // not used when the rule of verdicts was designed
}

// Rate is the rate of requests to a family, per second.
const Rate = 100

// Families returns the families of the goals for verdicts. Lognormal latencies have
// a median of 1 ms.
func Families() []Family {
	narrow := func(rng *rand.Rand) float64 { return math.Exp(.3 * rng.NormFloat64()) }
	zero := func(*rand.Rand) float64 { return 0 }
	exponential := func(rng *rand.Rand) float64 { return rng.ExpFloat64() }
	tenTimes := func(rng *rand.Rand) float64 { // one request in 20 takes ten times as long
		if rng.IntN(20) == 0 {
			return 10 / 1.45
		}
		return 1 / 1.45
	}
	return []Family{
		{Name: "independent", Gen: autocorrelated(0, .5)},
		{Name: "ar90", Gen: autocorrelated(.9, .5)},
		{Name: "ar99", Gen: autocorrelated(.99, .5)},
		{Name: "mm1-60", Gen: queue(.6, exponential)},
		{Name: "mm1-80", Gen: queue(.8, exponential)},
		{Name: "mg1-60", Gen: queue(.6, tenTimes)},
		{Name: "pareto-batches", Gen: paretoBatches(8, 2.5)},
		{Name: "level-shifts", Gen: levelShifts(narrow, 1.4, 400, 1600)},
		{Name: "rare-stalls", Gen: withStalls(narrow, stall{every: 1250, delays: 40, maxDelay: 15})},
		{Name: "pauses", Gen: withStalls(narrow, stall{every: 1500, delays: 30, maxDelay: 15, periodic: true})},

		{Name: "frequent-stalls", HeldOut: true, Gen: withStalls(narrow, stall{every: 500, delays: 20, maxDelay: 8})},
		{Name: "long-levels", HeldOut: true, Gen: levelShifts(narrow, 1.2, 800, 800)},
		{Name: "mm1-60-stalls", HeldOut: true, Gen: sum(queue(.6, exponential), withStalls(zero, stall{every: 1250, delays: 30, maxDelay: 12}))},
		{Name: "pauses-in-a-tail", HeldOut: true, Gen: sum(autocorrelated(0, .5), withStalls(zero, stall{every: 1500, delays: 30, maxDelay: 5, periodic: true}))},
		{Name: "wave", HeldOut: true, Gen: sineLevel(.4, .2, 3000)},
		{Name: "heavy-tail", HeldOut: true, Gen: autocorrelated(0, 1.2)},
		{Name: "md1-90", HeldOut: true, Gen: queue(.9, func(*rand.Rand) float64 { return 1 })},
	}
}

// autocorrelated generates lognormal latencies. Their logarithms are an
// autoregressive process in which successive values have correlation phi.
func autocorrelated(phi, sigma float64) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		x, innovation := rng.NormFloat64(), math.Sqrt(1-phi*phi)
		out := make([]float64, n)
		for i := range out {
			out[i] = math.Exp(sigma * x)
			x = phi*x + innovation*rng.NormFloat64()
		}
		return out
	}
}

// queue generates the latencies of a queue with one server, utilization rho and
// Poisson arrivals, by Lindley's recursion. The mean of service must be 1 ms.
func queue(rho float64, service func(*rand.Rand) float64) func(*rand.Rand, int) []float64 {
	const warmup = 2000 // requests, so that it begins in the steady state
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, n)
		wait := 0.
		for i := -warmup; i < n; i++ {
			s := service(rng)
			if i >= 0 {
				out[i] = wait + s
			}
			wait = max(0, wait+s-rng.ExpFloat64()/rho)
		}
		return out
	}
}

// paretoBatches generates batches of requests that have the latency of their batch.
func paretoBatches(size int, alpha float64) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, 0, n+size)
		for first := rng.IntN(size); len(out) < n; first = 0 {
			latency := math.Pow(1-rng.Float64(), -1/alpha)
			for range size - first {
				out = append(out, latency)
			}
		}
		return out[:n]
	}
}

// levelShifts generates latencies of a server that is slower by a factor for length
// requests, then not slower for a mean of between requests.
func levelShifts(body func(*rand.Rand) float64, slower float64, length, between int) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, n)
		slow := rng.IntN(length+between) < length
		nextLength := func() int {
			if slow {
				return length
			}
			return int(rng.ExpFloat64()*float64(between)) + 1
		}
		left := nextLength()
		if slow {
			left = rng.IntN(length) + 1
		}
		for i := range out {
			out[i] = body(rng)
			if slow {
				out[i] *= slower
			}
			if left--; left <= 0 {
				slow = !slow
				left = nextLength()
			}
		}
		return out
	}
}

// stall delays requests that arrive during it until its end.
type stall struct {
	every    int     // requests between two stalls; the mean unless periodic
	delays   int     // how many requests it delays
	maxDelay float64 // of the first of them, in ms
	periodic bool
}

// withStalls generates the latencies of body with stalls added.
func withStalls(body func(*rand.Rand) float64, s stall) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, n)
		gap := func() int { return int(rng.ExpFloat64() * float64(s.every)) }
		next, left := gap(), 0
		if s.periodic {
			next = rng.IntN(s.every)
		}
		if rng.Float64() < float64(s.delays)/float64(s.every) {
			left = rng.IntN(s.delays)
		}
		for i := range out {
			if i >= next {
				left = s.delays
				if next += s.every; !s.periodic {
					next = i + 1 + gap()
				}
			}
			out[i] = body(rng) + s.maxDelay*float64(left)/float64(s.delays)
			left = max(left-1, 0)
		}
		return out
	}
}

// sineLevel generates lognormal latencies whose level varies by a share, as a sine.
func sineLevel(sigma, share float64, period int) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, n)
		phase := rng.Float64()
		for i := range out {
			level := 1 + share*math.Sin(2*math.Pi*(phase+float64(i)/float64(period)))
			out[i] = level * math.Exp(sigma*rng.NormFloat64())
		}
		return out
	}
}

// sum generates the sum of the latencies of a and b.
func sum(a, b func(*rand.Rand, int) []float64) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		out, more := a(rng, n), b(rng, n)
		for i := range out {
			out[i] += more[i]
		}
		return out
	}
}
