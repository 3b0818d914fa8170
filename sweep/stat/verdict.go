package stat

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Answer is what a promise's samples say. Undecided is the zero value: saying
// nothing is safe. Its values are those of trial.Answer.
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

// Promise is what samples are held against: their quantile Q is to stay at or
// below Limit.
type Promise struct {
	Q     float64       // 0 < Q < 1
	Limit float64       // ms, as the samples
	Least time.Duration // no pass of a run that lasted less; needs times

	shares bool // values are 0 and 1: none can come near the limit
}

// Decision is an answer with its grounds.
type Decision struct {
	Answer   Answer
	Leaning  Answer // what it looks like so far: good enough to rank by, not to rely on
	N        int    // samples it rests on
	Over     int    // those of them over the limit
	Clusters int    // in which these lie
	Why      string // "certain after 2210 requests"
}

// The bounds of Decide, as numbers of samples that a promise that is just kept
// has over its limit: n (1-q), so that 20 are 2000 samples for a P99.
const (
	firstLook = 100  // samples; earlier nothing is asked
	growth    = 1.12 // each look has that many times the samples of the last

	leanFrom  = 3   // what it looks like
	leanWhole = 20  // with all of leanAlpha
	failFrom  = 3   // a failure
	passFrom  = 20  // a pass
	unseen    = 60  // a pass, where hardly anything came near the limit
	passWhole = 140 // with all of passAlpha
)

// The chances of error that a look may have, of a promise that is just kept or
// just broken, and what else an answer wants.
const (
	leanAlpha    = .05
	failAlpha    = .13
	passAlpha    = .095 // before passWhole it grows with the square
	fewest       = 4    // separate clusters over the limit that a failure wants
	near         = .5   // share of the limit from which on a sample came near it
	nearTimes    = 3    // times the allowed share that has to have come near
	overwhelming = 25   // times the allowed share over the limit: a failure at once
)

// Decide says whether the samples, in time order, keep the promise. times are
// when they were planned, nil where that is not known. It may be asked after
// every block of a run that ends with the first certain answer.
//
// The promise holds if at most 1-Q of all requests are over the limit. Of n
// samples v are over it, but they come in clusters, so they count as n/f
// independent ones with v/f over it; f is the crowding of the package comment, at
// the limit. The tails of the binomial distribution, as incomplete beta functions
// since the counts are no longer whole, are the chances that a promise that is
// just kept shows so few, or so many.
//
// What a tail cannot tell is what has not happened yet. Servers stall, pause,
// drift and shift their level, and until one of these has been seen, or has not
// been for long enough, all samples look alike. So beside a small tail
//
//   - a failure takes at least 4 separate clusters over the limit, 300 samples
//     (for a P99), and both halves of the run over it;
//   - a pass takes 2000 samples, and 6000 where fewer than 3% came above half of
//     the limit: such a run has seen nothing of what could break its promise (and
//     passes without regard to crowds if none at all did); the time that Least
//     asks for; and neither half over it. What it cannot exclude is what comes
//     less often than three times a run.
//
// One failure needs no assumption but that the server does not change: by the
// maximal ergodic inequality (Hopf 1954) the chance that the share over the limit
// ever reaches 25 times the allowed one, at any look, is at most 1 in 25.
//
// Looking again and again adds up errors: only looks at n = 100 x 1.12^k count,
// whatever the caller's rhythm, and the chance that a look may wrongly pass grows
// with n. In simulated servers of 20 families with the limit 10% away from
// the truth at most 5% of the verdicts are wrong on either side (cmd/bench
// interval). At a limit that is the truth itself both answers are wrong and
// right, and long runs give either.
//
// Leaning is the tail alone, from 300 samples (for a P99) on.
func Decide(samples []float64, times []time.Duration, p Promise) Decision {
	n := Look(len(samples))
	if n == 0 {
		return Decision{N: len(samples), Why: fmt.Sprintf("only %d requests", len(samples))}
	}
	return p.look(run{samples, times}.first(n))
}

// look decides on a whole run.
func (p Promise) look(r run) Decision {
	e := p.evidence(r)
	d := Decision{N: e.n, Over: e.over, Clusters: e.count, Leaning: e.leaning()}
	switch {
	case e.share() >= overwhelming*e.allowed():
		d.Answer, d.Why = Fail, fmt.Sprintf("hopeless after %d requests: %.3g%% over the limit", e.n, 100*e.share())
	case e.fails():
		d.Answer, d.Why = Fail, fmt.Sprintf("certain after %d requests: %.3g%% over the limit", e.n, 100*e.share())
	case e.passes():
		d.Answer, d.Why = Pass, fmt.Sprintf("certain after %d requests", e.n)
	default:
		d.Why = e.missing()
	}
	if d.Answer != Undecided {
		d.Leaning = d.Answer
	}
	return d
}

// evidence is what a run says of a promise.
type evidence struct {
	Promise
	clusters
	n      int
	near   float64       // share of samples above near of the limit
	lasted time.Duration // 0 is not known
	halves [2]float64    // shares over the limit
	few    float64       // chance of so few over the limit, or fewer, if just kept
	many   float64       // chance of so many, or more
}

func (p Promise) evidence(r run) evidence {
	sorted := r.sorted()
	n := len(sorted)
	f, c := r.crowding(sorted, p.Q, p.Limit)
	e := evidence{Promise: p, clusters: c, n: n, lasted: r.lasted(), halves: r.halves(p.Limit), many: 1}
	above, _ := slices.BinarySearch(sorted, math.Nextafter(near*p.Limit, math.Inf(1)))
	e.near = float64(n-above) / float64(n)
	all, over := float64(n)/f, float64(c.over)/f
	e.few = betaCDF(p.Q, all-over, over+1)
	if c.over > 0 {
		e.many = betaCDF(1-p.Q, over, all-over+1)
	}
	return e
}

func (e evidence) allowed() float64  { return 1 - e.Q }
func (e evidence) share() float64    { return float64(e.over) / float64(e.n) }
func (e evidence) expected() float64 { return float64(e.n)*e.allowed() + 1e-9 }

func (e evidence) leaning() Answer {
	x := e.expected()
	alpha := leanAlpha * min(1, x/leanWhole)
	switch {
	case x < leanFrom:
		return Undecided
	case e.many <= alpha:
		return Fail
	case e.few <= alpha:
		return Pass
	}
	return Undecided
}

func (e evidence) fails() bool {
	return e.expected() >= failFrom && e.count >= fewest && e.many <= failAlpha &&
		min(e.halves[0], e.halves[1]) > e.allowed()
}

func (e evidence) passes() bool {
	x := e.expected() / passWhole
	alpha := passAlpha * min(1, x*x)
	return e.expected() >= e.wanted() && (e.few <= alpha || e.clear()) && e.lasted >= e.Least &&
		max(e.halves[0], e.halves[1]) <= e.allowed()
}

// clear tells whether nothing at all came near the limit: how crowded the samples
// are far below it, because of a busy machine perhaps, is then no matter.
func (e evidence) clear() bool { return e.near == 0 && !e.shares }

// wanted is how many samples a pass takes, as those that a promise that is just
// kept has over its limit.
func (e evidence) wanted() float64 {
	if e.near < nearTimes*e.allowed() && !e.shares {
		return unseen
	}
	return passFrom
}

// missing says what an undecided run lacks.
func (e evidence) missing() string {
	text := fmt.Sprintf("not certain after %d requests: %.3g%% over the limit in %s, %.3g%% allowed",
		e.n, 100*e.share(), clusterText(e.count), 100*e.allowed())
	need := e.wanted() / e.allowed()
	switch {
	case e.leaning() == Pass && e.expected() < e.wanted():
		return fmt.Sprintf("%d of the %.0f requests that a pass takes", e.n, need)
	case e.leaning() == Pass && e.lasted < e.Least:
		return fmt.Sprintf("%v of the %v that a pass takes", e.lasted.Round(time.Second), e.Least)
	case e.leaning() == Fail && e.count < fewest:
		return text + fmt.Sprintf("; a failure takes %d separate ones", fewest)
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

// Look is the last look of Decide at n or fewer samples, 0 before the first:
// while it stays the same, Decide need not be asked again.
func Look(n int) int {
	last := 0
	for look := float64(firstLook); int(look) <= n; look *= growth {
		last = int(look)
	}
	return last
}
