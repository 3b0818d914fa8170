package session

import (
	"slices"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// History is how many seconds of live traffic a session keeps.
const History = 600

// windows are the spans a live percentile may be taken over, in seconds; the
// shortest that holds enough answers is used.
var windows = [...]int{1, 2, 5, 10, 30}

// enough is the fewest answers a P99 can be taken from.
const enough = 100

const longest = 30

// bucket is one second of traffic.
type bucket struct {
	request, model []float64 // ms: answers and timeouts, in order of completion
	failed         []bool    // of every request, likewise
	ok, errors     int
	items          float64 // sum of formed batch sizes over answers
	sized          int     // answers that told their batch size
}

func (b *bucket) reset() {
	*b = bucket{request: b.request[:0], model: b.model[:0], failed: b.failed[:0]}
}

// ring turns samples into seconds and windows. It is pure: the caller says when
// a second ends. buckets holds the last 30 whole seconds and the one under way.
type ring struct {
	buckets [longest + 1]bucket
	at      int // the bucket under way
	filled  int // whole buckets, at most longest
	settled int // whole buckets since the last change, -1 in the second it happened
	seconds []Second
	totals  trial.Counts
	sla     trial.SLA // what live traffic is held against
	load    load.Spec // that makes it
	figures Live      // of the whole buckets, as the last second or change left them
}

// add counts one finished request into the second under way.
func (r *ring) add(s load.Sample) {
	b := &r.buckets[r.at]
	r.totals.Sent++
	b.failed = append(b.failed, s.Outcome != load.OK)
	switch s.Outcome {
	case load.OK:
		b.ok++
		r.totals.OK++
	case load.Refused:
		b.errors++
		r.totals.Refused++
		return
	case load.Failed:
		b.errors++
		r.totals.Failed++
		return
	case load.Timeout:
		b.errors++
		r.totals.Timeout++
	}
	b.request = append(b.request, ms(s.Latency))
	switch {
	case s.Outcome == load.Timeout: // of either, at least its limit
		b.model = append(b.model, ms(s.Latency))
	case s.Model > 0:
		b.model = append(b.model, ms(s.Model))
	}
	if s.Batch > 0 {
		b.items += float64(s.Batch)
		b.sized++
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// second ends the second under way at the time at.
func (r *ring) second(at time.Time, use trial.ResourceUse) {
	r.at = (r.at + 1) % len(r.buckets)
	r.buckets[r.at].reset()
	r.filled = min(r.filled+1, longest)
	r.settled = min(r.settled+1, longest)
	n, held := r.window(longest)
	last := r.back(1)
	sec := Second{At: at, OK: last.ok, Errors: last.errors, CPU: use.CPUPercent, GPU: use.GPU.PercentMean}
	if held {
		sec.Window = time.Duration(n) * time.Second
		sec.P50, sec.P99, sec.ModelP99 = r.percentiles(n)
	}
	if len(r.seconds) == History {
		r.seconds = append(r.seconds[:0], r.seconds[1:]...)
	}
	r.seconds = append(r.seconds, sec)
	r.look()
}

// changed starts a new regime: verdicts do not reach behind it. The second under
// way holds traffic of both, so it counts for neither.
func (r *ring) changed() {
	r.settled = -1
	r.look()
}

// back returns the whole bucket n seconds ago, 1 being the latest.
func (r *ring) back(n int) *bucket {
	return &r.buckets[(r.at-n+len(r.buckets))%len(r.buckets)]
}

// window returns the shortest span in whole seconds that holds enough answers,
// or the longest one and false.
func (r *ring) window(limit int) (seconds int, held bool) {
	for _, w := range windows {
		seconds = min(w, r.filled, limit)
		if r.answers(seconds) >= enough {
			return seconds, true
		}
	}
	return seconds, false
}

func (r *ring) answers(seconds int) (n int) {
	for i := 1; i <= seconds; i++ {
		n += len(r.back(i).request)
	}
	return n
}

// requests gathers the request latencies of the last seconds in time order.
func (r *ring) requests(seconds int) []float64 {
	var out []float64
	for i := seconds; i >= 1; i-- {
		out = append(out, r.back(i).request...)
	}
	return out
}

func (r *ring) models(seconds int) []float64 {
	var out []float64
	for i := seconds; i >= 1; i-- {
		out = append(out, r.back(i).model...)
	}
	return out
}

func (r *ring) percentiles(seconds int) (p50, p99, model trial.Num) {
	q := stat.Quantiles(r.requests(seconds), .5, .99)
	m := stat.Quantile(r.models(seconds), .99)
	return trial.NumOf(q[0].Value), trial.NumOf(q[1].Value), trial.NumOf(m.Value)
}

// live is the state of the traffic now. It is asked for several times a second
// and leaves the work to look.
func (r *ring) live(use trial.ResourceUse) Live {
	out := r.figures
	out.Totals, out.Use = r.totals, use
	return out
}

// look takes the figures anew, which only whole seconds and changes move.
func (r *ring) look() {
	n, held := r.window(longest)
	out := Live{
		Seconds: slices.Clone(r.seconds), Window: time.Duration(n) * time.Second,
		Answers: r.answers(n), Settling: r.settled < max(n, 1), Verdict: r.verdict(),
	}
	if held {
		last := r.seconds[len(r.seconds)-1] // of the same window
		out.P50, out.P99, out.ModelP99 = last.P50, last.P99, last.ModelP99
	}
	if n > 0 {
		ok, items, sized := 0, 0.0, 0
		for i := 1; i <= n; i++ {
			b := r.back(i)
			ok, items, sized = ok+b.ok, items+b.items, sized+b.sized
		}
		out.RPS = trial.NumOf(float64(ok) / float64(n))
		out.Batch = trial.NumOf(items / float64(sized))
	}
	r.figures = out
}

// verdict looks at everything since the last change, at most 30 s, because a
// longer look knows more. It is a trial's verdict, by the same rule. What is known
// of when a request was sent is the second in which it ended.
func (r *ring) verdict() trial.Verdict {
	n := max(0, min(r.settled, r.filled))
	in := sweep.Requests{Load: r.load}
	for i := n; i >= 1; i-- {
		b, at := r.back(i), time.Duration(n-i)*time.Second
		values := b.request
		if r.sla.Latency == trial.ModelLatency {
			values = b.model
		}
		in.Values, in.Times = append(in.Values, values...), spread(in.Times, at, len(values))
		in.Failed, in.Sent = append(in.Failed, b.failed...), spread(in.Sent, at, len(b.failed))
		if r.load.Mode != load.Closed {
			for _, v := range b.request {
				in.Waits = append(in.Waits, v/1000)
			}
		}
	}
	return sweep.Decide(r.sla, in, r.sla.Horizon, "")
}

// spread adds n times, evenly over the second that begins at from.
func spread(times []time.Duration, from time.Duration, n int) []time.Duration {
	for i := range n {
		times = append(times, from+time.Second*time.Duration(i)/time.Duration(n))
	}
	return times
}
