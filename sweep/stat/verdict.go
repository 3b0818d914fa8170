package stat

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Answer is the verdict of samples about a promise. Undecided is the zero value, because it is
// the safe one. The values are those of trial.Answer.
type Answer uint8

// The answers.
const (
	Undecided Answer = iota
	Pass
	Fail
)

func (a Answer) String() string {
	return [...]string{Undecided: "undecided", Pass: "pass", Fail: "fail"}[a]
}

// Promise is the promise that samples are checked against: their quantile Q is at or below
// Limit.
type Promise struct {
	Q     float64       // 0 < Q < 1
	Limit float64       // ms, as the samples
	Least time.Duration // shortest run that may pass; needs times

	errors bool // values are 0 and 1, so that none can be near the limit
}

// Decision is an answer with its reasons.
type Decision struct {
	Answer   Answer
	Leaning  Answer // the likely answer so far: good enough for ranking only
	N        int    // samples used
	Over     int    // samples over the limit
	Clusters int    // clusters of the samples over the limit
	Why      string // "certain after 2210 requests"
}

// The bounds of Decide, as the expected number of samples over the limit if the promise is
// exactly kept: n (1-q), so that 20 means 2000 samples for a P99.
const (
	firstLook = 100  // samples before the first look
	growth    = 1.12 // factor of samples between two looks

	leanFrom      = 3   // for Leaning
	leanFull      = 20  // for Leaning with the full leanAlpha
	failFrom      = 3   // for a failure
	passFrom      = 20  // for a pass
	passFromClear = 60  // for a pass of a run with hardly any samples near the limit
	passFull      = 140 // for a pass with the full passAlpha
)

// The error probabilities of a look, for a promise that is exactly kept or just broken, and
// other requirements of an answer.
const (
	leanAlpha     = .05
	failAlpha     = .13
	passAlpha     = .095 // before passFull it grows with the square of the samples
	minClusters   = 4    // clusters over the limit that a failure needs
	near          = .5   // samples above this share of the limit are near it
	nearFactor    = 3    // a failure needs a share of near samples that is this factor above the allowed share
	immediateFail = 25   // a share over the limit that is this factor above the allowed one fails at once
)

// Decide decides whether the samples, in time order, keep the promise. times are their planned
// times, nil if unknown. It may be called after every block of a run that ends at the first
// certain answer.
//
// The promise is kept if at most 1-Q of all requests are over the limit. Of n samples
// v are over it. Because they occur in clusters, they count as n/f independent samples
// with v/f over the limit, where f is the variance inflation at the limit (see the
// package comment). The tails of the binomial distribution are the probabilities of at
// most, and of at least, this number of samples over the limit if the promise is exactly
// kept; they are incomplete beta functions, since the counts are not integers.
//
// A tail says nothing about events that have not happened yet. Servers stall, pause,
// drift and change their level. Until such an event has occurred, or has not occurred
// for long enough, the samples do not show it. So beside a small tail
//
//   - a failure needs at least 4 clusters over the limit, 300 samples (for a P99), and
//     both halves of the run over it;
//   - a pass needs 2000 samples, or 6000 if fewer than 3% are above half of the limit,
//     because such a run has not met any event that could break the promise (if none
//     at all is, the tail does not matter); a duration of Least; and neither half over the
//     limit. It cannot exclude events that occur less often than three times a run.
//
// One rule for a failure assumes only a stationary server: by the maximal ergodic
// inequality (Hopf 1954) the probability that the share over the limit ever reaches 25
// times the allowed one, at any look, is at most 1 in 25.
//
// Repeated looks increase the chance of a wrong answer: only looks at n = 100 x 1.12^k
// count, however often the caller asks, and the error probability of a pass grows with
// n. For simulated servers of 20 families, with the limit 10% away from the true
// quantile, at most 5% of the verdicts are wrong on either side (cmd/bench interval).
// If the limit equals the true quantile, both answers are possible.
//
// Leaning uses the tail alone, from 300 samples (for a P99) on, or that no sample is above half
// of the limit.
func Decide(samples []float64, times []time.Duration, p Promise) Decision {
	n := Look(len(samples))
	if n == 0 {
		return Decision{N: len(samples), Why: fmt.Sprintf("only %d requests", len(samples))}
	}
	return p.look(run{samples, times}.first(n))
}

// look decides with all samples of a run.
func (p Promise) look(r run) Decision {
	e := p.evidence(r)
	d := Decision{N: e.n, Over: e.over, Clusters: e.count, Leaning: e.leaning()}
	switch {
	case e.share() >= immediateFail*e.allowed():
		d.Answer, d.Why = Fail, fmt.Sprintf("hopeless after %d requests: %.3g%% over the limit", e.n, 100*e.share())
	case e.fails():
		d.Answer, d.Why = Fail, fmt.Sprintf("certain after %d requests: %.3g%% over the limit", e.n, 100*e.share())
	case e.passes():
		d.Answer, d.Why = Pass, fmt.Sprintf("certain after %d requests", e.n)
	default:
		d.Why = e.reason()
	}
	if d.Answer != Undecided {
		d.Leaning = d.Answer
	}
	return d
}

// evidence has the statistics of a run for a promise.
type evidence struct {
	Promise
	clusters
	n         int
	near      float64       // share of samples near the limit
	duration  time.Duration // 0 is unknown
	halves    [2]float64    // share over the limit in each half
	inflation float64       // samples that are worth one independent sample
	pFewer    float64       // probability of at most this share over the limit, if the promise is exactly kept
	pMore     float64       // probability of at least this share over the limit
}

func (p Promise) evidence(r run) evidence {
	sorted := r.sorted()
	n := len(sorted)
	f, c := r.varianceInflation(sorted, p.Q, p.Limit)
	e := evidence{Promise: p, clusters: c, n: n, duration: r.duration(), halves: r.halves(p.Limit), inflation: f, pMore: 1}
	above, _ := slices.BinarySearch(sorted, math.Nextafter(near*p.Limit, math.Inf(1)))
	e.near = float64(n-above) / float64(n)
	all, over := float64(n)/f, float64(c.over)/f
	e.pFewer = betaCDF(p.Q, all-over, over+1)
	if c.over > 0 {
		e.pMore = betaCDF(1-p.Q, over, all-over+1)
	}
	return e
}

func (e evidence) allowed() float64  { return 1 - e.Q }
func (e evidence) share() float64    { return float64(e.over) / float64(e.n) }
func (e evidence) expected() float64 { return float64(e.n)*e.allowed() + 1e-9 }

func (e evidence) leaning() Answer {
	x := e.expected()
	alpha := leanAlpha * min(1, x/leanFull)
	switch {
	case x < leanFrom:
		return Undecided
	case e.pMore <= alpha:
		return Fail
	case e.pFewer <= alpha, e.clear():
		return Pass
	}
	return Undecided
}

func (e evidence) fails() bool {
	return e.expected() >= failFrom && e.count >= minClusters && e.pMore <= failAlpha &&
		min(e.halves[0], e.halves[1]) > e.allowed()
}

func (e evidence) passes() bool {
	x := e.expected() / passFull
	alpha := passAlpha * min(1, x*x)
	return e.expected() >= e.passSamples() && (e.pFewer <= alpha || e.clear()) && e.duration >= e.Least &&
		max(e.halves[0], e.halves[1]) <= e.allowed()
}

// clear reports whether no sample is near the limit. Then clusters far below it, perhaps from a
// busy machine, do not matter.
func (e evidence) clear() bool { return e.near == 0 && !e.errors }

// passSamples returns the samples that a pass needs, as the expected number over the limit.
func (e evidence) passSamples() float64 {
	if e.near < nearFactor*e.allowed() && !e.errors {
		return passFromClear
	}
	return passFrom
}

// reason says what an undecided run lacks.
func (e evidence) reason() string {
	text := fmt.Sprintf("not certain after %d requests: %.3g%% over the limit in %s, %.3g%% allowed",
		e.n, 100*e.share(), clusterText(e.count), 100*e.allowed())
	need := e.passSamples() / e.allowed()
	switch {
	case e.leaning() == Pass && e.expected() < e.passSamples():
		return fmt.Sprintf("%d of the %.0f requests that a pass takes", e.n, need)
	case e.leaning() == Pass && e.duration < e.Least:
		return fmt.Sprintf("%v of the %v that a pass takes", e.duration.Round(time.Second), e.Least)
	case e.leaning() == Fail && e.count < minClusters:
		return text + fmt.Sprintf("; a failure takes %d separate ones", minClusters)
	case e.leaning() != Undecided:
		return text + "; the halves of the run differ"
	}
	return text
}

func clusterText(n int) string {
	if n == 1 {
		return "1 cluster"
	}
	return fmt.Sprintf("%d clusters", n)
}

// Look returns the number of samples of the last look of Decide at n or fewer samples, 0 before
// the first. As long as it does not change, the answer of Decide does not change.
func Look(n int) int {
	last := 0
	for look := float64(firstLook); int(look) <= n; look *= growth {
		last = int(look)
	}
	return last
}

// Remaining estimates how many more samples a certain answer takes if they go on like these: with the
// same share over the limit, in clusters of the same size. It is 0 if Decide is certain already, and
// if even 100 times the samples would not be enough. It ignores Least.
func Remaining(samples []float64, times []time.Duration, p Promise) int {
	if len(samples) < firstLook {
		return firstLook - len(samples)
	}
	p.Least = 0
	e := p.evidence(run{samples, times})
	if e.fails() || e.passes() {
		return 0
	}
	for grown := 1.; grown < 100; grown *= growth {
		g := e.grown(grown)
		if g.fails() || g.passes() {
			return g.n - e.n
		}
	}
	return 0
}

// grown returns the evidence of a run that is longer by a factor and otherwise alike.
func (e evidence) grown(factor float64) evidence {
	g := e
	g.n = int(math.Ceil(float64(e.n) * factor))
	g.over, g.count = int(math.Round(float64(e.over)*factor)), int(float64(e.count)*factor)
	all, over := float64(g.n)/e.inflation, float64(e.over)*factor/e.inflation
	g.pFewer = betaCDF(e.Q, all-over, over+1)
	if over > 0 {
		g.pMore = betaCDF(1-e.Q, over, all-over+1)
	}
	return g
}
