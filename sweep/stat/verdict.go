package stat

import (
	"fmt"
	"slices"
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
	Q     float64 // 0 < Q < 1
	Limit float64 // in the unit of the samples
	Max   int     // most samples the run may have; 0 is unknown
	Alpha float64 // chance of error at each look; 0 is .05
}

// Decision is an answer with its grounds.
type Decision struct {
	Answer Answer
	N      int    // samples it rests on
	Over   int    // those of them over the limit
	Why    string // "certain after 2210 requests"
}

// The looks of Decide, in samples for a P99: see there.
const (
	firstLook = 100   // only a hopeless run can be seen so early
	growth    = 1.12  // each look has that many times the samples of the last
	certain   = 3     // verdicts from certain/(1-q) samples
	fullAlpha = 20    // full Alpha from fullAlpha/(1-q) samples
	hopeless  = .0001 // chance of seeing this if the promise were just kept
	clear     = 10    // clear verdicts from clear/(1-q) samples
	clearAt   = .5    // share of the limit that no sample of a clear run exceeds
)

// Decide says whether the samples, in time order, keep the promise. It may be
// asked after every block of a run that ends with the first certain answer.
//
// The promise holds if at most 1-Q of all requests are over the limit. Of n
// samples v are over it, but with queueing they come in crowds, so they count
// as n/f independent ones with v/f over it; f is the inflation of the package
// comment, taken at the limit too. The answer is pass when a run that just
// keeps the promise would show that few, or fewer, with a chance of at most
// Alpha, and fail when that many, or more: the binomial tail, as an incomplete
// beta function since the counts are no longer whole.
//
// Looking again and again adds up errors. Four things keep the sum small. Only
// looks at n = 100 x 1.12^k count, whatever the caller's rhythm. Nothing is
// certain under 300 samples (for a P99). Alpha grows with n and is whole from
// 2000, because f is known worst in the beginning. And f is the largest of four
// estimates. In simulated queues up to a utilization of .8, with the limit 10%
// away from the truth, 0.5% (workers that batch) to 3% (one server, no batches;
// 6% at .8) of the verdicts are wrong. At a limit that is the truth itself both
// answers are wrong and right, and long runs give either.
//
// A hopeless run ends early: when so many samples are over the limit that even
// the rest of the run (Max) without one could not make it pass, or when a run
// that keeps the promise would show as many once in 10000 times; that may be
// after 100 samples.
//
// A clear run ends early too: 1000 samples (for a P99) of which not one took
// more than half the limit. That is a judgement, not a probability: crowding
// caused by a busy machine can leave such a run with few independent samples for
// ever, although nothing near the limit was seen. What it cannot see is what no
// run of that length can, a stall that comes once in more than 1000 requests.
func Decide(samples []float64, p Promise) Decision {
	if d, ok := p.spent(samples); ok {
		return d
	}
	n := Look(len(samples))
	if n == 0 {
		return Decision{N: len(samples), Why: fmt.Sprintf("only %d requests", len(samples))}
	}
	part := samples[:n]
	d := Decision{N: n, Over: p.over(part)}
	f := p.crowding(part)
	eff, over := float64(n)/f, float64(d.Over)/f
	few := betaCDF(p.Q, eff-over, over+1)
	many := 1.0
	if d.Over > 0 {
		many = betaCDF(1-p.Q, over, eff-over+1)
	}
	alpha := p.alpha(n)
	share := 100 * float64(d.Over) / float64(n)
	switch {
	case many <= alpha:
		d.Answer, d.Why = Fail, fmt.Sprintf("certain after %d requests", n)
	case few <= alpha:
		d.Answer, d.Why = Pass, fmt.Sprintf("certain after %d requests", n)
	case float64(n)*(1-p.Q) >= clear-1e-9 && slices.Max(part) <= clearAt*p.Limit:
		d.Answer, d.Why = Pass, fmt.Sprintf("clear after %d requests: none took more than half the limit", n)
	case many <= hopeless:
		d.Answer, d.Why = Fail, fmt.Sprintf("hopeless after %d requests: %.3g%% over the limit", n, share)
	default:
		d.Why = fmt.Sprintf("not certain after %d requests: %.3g%% over the limit, %.3g%% allowed",
			n, share, 100*(1-p.Q))
	}
	return d
}

// spent tells whether too many samples are over the limit already for any end
// of the run to pass.
func (p Promise) spent(samples []float64) (Decision, bool) {
	allowed := p.Max - rank(p.Q, p.Max)
	over := p.over(samples)
	if p.Max == 0 || over <= allowed {
		return Decision{}, false
	}
	return Decision{Fail, len(samples), over, fmt.Sprintf(
		"hopeless after %d requests: %d over the limit, a run of %d may have %d",
		len(samples), over, p.Max, allowed)}, true
}

// over counts the samples over the limit.
func (p Promise) over(samples []float64) int {
	n := 0
	for _, s := range samples {
		if s > p.Limit {
			n++
		}
	}
	return n
}

// crowding is how many of the samples are worth one independent sample.
func (p Promise) crowding(samples []float64) float64 {
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	return max(crowding(samples, sorted, p.Q, verdictPoints()), inflation(samples, p.Limit))
}

// alpha is the chance of error that a look at n samples may spend.
func (p Promise) alpha(n int) float64 {
	a := p.Alpha
	if a == 0 {
		a = .05
	}
	expected := float64(n) * (1 - p.Q) // samples over the limit, if just kept
	if expected < certain-1e-9 {
		return 0
	}
	return a * min(1, expected/fullAlpha)
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
