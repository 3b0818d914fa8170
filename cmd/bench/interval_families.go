package main

import (
	"math"
	"math/rand/v2"
)

// family is a kind of server as its latencies are, in ms, in the order in which
// requests at familyRate come. What makes them differ is what real servers do:
// queues, pauses, stalls, levels that shift, heavy tails.
type family struct {
	name string
	gen  func(rng *rand.Rand, n int) []float64
	ours bool // beside those that the rule was made with
}

// familyRate is of their requests, per second.
const familyRate = 100

// families are those that the verdicts' goals are for. Lognormal latencies have a
// median of 1 ms.
func families() []family {
	narrow := func(rng *rand.Rand) float64 { return math.Exp(.3 * rng.NormFloat64()) }
	none := func(*rand.Rand) float64 { return 0 }
	exponential := func(rng *rand.Rand) float64 { return rng.ExpFloat64() }
	tenTimes := func(rng *rand.Rand) float64 { // one service in 20 takes ten times as long
		if rng.IntN(20) == 0 {
			return 10 / 1.45
		}
		return 1 / 1.45
	}
	return []family{
		{name: "independent", gen: autocorrelated(0, .5)},
		{name: "ar90", gen: autocorrelated(.9, .5)},
		{name: "ar99", gen: autocorrelated(.99, .5)},
		{name: "mm1-60", gen: queueing(.6, exponential)},
		{name: "mm1-80", gen: queueing(.8, exponential)},
		{name: "mg1-60", gen: queueing(.6, tenTimes)},
		{name: "pareto-batches", gen: paretoBatches(8, 2.5)},
		{name: "level-shifts", gen: shifting(narrow, 1.4, 400, 1600)},
		{name: "rare-stalls", gen: stalling(narrow, stall{every: 1250, delays: 40, most: 15})},
		{name: "pauses", gen: stalling(narrow, stall{every: 1500, delays: 30, most: 15, periodic: true})},

		{name: "frequent-stalls", ours: true, gen: stalling(narrow, stall{every: 500, delays: 20, most: 8})},
		{name: "long-levels", ours: true, gen: shifting(narrow, 1.2, 800, 800)},
		{name: "mm1-60-stalls", ours: true, gen: sum(queueing(.6, exponential), stalling(none, stall{every: 1250, delays: 30, most: 12}))},
		{name: "pauses-in-a-tail", ours: true, gen: sum(autocorrelated(0, .5), stalling(none, stall{every: 1500, delays: 30, most: 5, periodic: true}))},
		{name: "wave", ours: true, gen: waving(.4, .2, 3000)},
		{name: "heavy-tail", ours: true, gen: autocorrelated(0, 1.2)},
		{name: "md1-90", ours: true, gen: queueing(.9, func(*rand.Rand) float64 { return 1 })},
	}
}

// autocorrelated are lognormal latencies whose logarithms are an autoregressive
// process with the given correlation of neighbours.
func autocorrelated(phi, sigma float64) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		x, fresh := rng.NormFloat64(), math.Sqrt(1-phi*phi)
		out := make([]float64, n)
		for i := range out {
			out[i] = math.Exp(sigma * x)
			x = phi*x + fresh*rng.NormFloat64()
		}
		return out
	}
}

// queueing is one server that is busy for rho of the time with Poisson arrivals:
// Lindley's recursion. Services have a mean of 1 ms.
func queueing(rho float64, service func(*rand.Rand) float64) func(*rand.Rand, int) []float64 {
	const before = 2000 // requests, so that it begins with a queue as it is found
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, n)
		wait := 0.
		for i := -before; i < n; i++ {
			s := service(rng)
			if i >= 0 {
				out[i] = wait + s
			}
			wait = max(0, wait+s-rng.ExpFloat64()/rho)
		}
		return out
	}
}

// paretoBatches are batches of so many requests that all take what their batch
// takes.
func paretoBatches(size int, alpha float64) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, 0, n+size)
		for first := rng.IntN(size); len(out) < n; first = 0 {
			took := math.Pow(1-rng.Float64(), -1/alpha)
			for range size - first {
				out = append(out, took)
			}
		}
		return out[:n]
	}
}

// shifting are latencies of a server that is slower by a factor for so many
// requests, and not for so many on average.
func shifting(body func(*rand.Rand) float64, slower float64, length, between int) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, n)
		slow := rng.IntN(length+between) < length
		stay := func() int {
			if slow {
				return length
			}
			return int(rng.ExpFloat64()*float64(between)) + 1
		}
		left := stay()
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
				left = stay()
			}
		}
		return out
	}
}

// stall delays requests that come while it lasts by what is left of it.
type stall struct {
	every    int     // requests from one to the next, on average unless periodic
	delays   int     // requests
	most     float64 // ms that the first of them waits
	periodic bool
}

// stalling adds stalls to latencies.
func stalling(body func(*rand.Rand) float64, s stall) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		out := make([]float64, n)
		pause := func() int { return int(rng.ExpFloat64() * float64(s.every)) }
		next, left := pause(), 0
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
					next = i + 1 + pause()
				}
			}
			out[i] = body(rng) + s.most*float64(left)/float64(s.delays)
			left = max(left-1, 0)
		}
		return out
	}
}

// waving are lognormal latencies whose level goes up and down by a share.
func waving(sigma, share float64, period int) func(*rand.Rand, int) []float64 {
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

// sum adds what two causes delay.
func sum(a, b func(*rand.Rand, int) []float64) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		out, more := a(rng, n), b(rng, n)
		for i := range out {
			out[i] += more[i]
		}
		return out
	}
}
