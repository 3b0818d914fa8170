package session

import (
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// HistorySeconds is the number of seconds of live traffic that a session keeps.
const HistorySeconds = 600

// windowLengths are the windows of live percentiles, in seconds. The shortest with enough answers
// is used.
var windowLengths = [...]int{1, 2, 5, 10, 30}

// minAnswers is the smallest number of answers for a P99.
const minAnswers = 100

// The window of the verdict is at least minWindow seconds. It is longer, up to maxWindow, while it
// has fewer than windowAnswers: slow models need more time for a verdict.
const (
	minWindow     = 30
	maxWindow     = 300
	windowAnswers = 15_000
)

// bucket is one second of traffic.
type bucket struct {
	requestMS, modelMS []float64 // ms of answers and timeouts, in order of completion
	failed             []bool    // of every request, in order of completion
	ok, errors         int
	held               int          // requests that the largest rate held back
	counts             trial.Counts // by outcome
	items              float64      // sum of the batch sizes of answers
	answersWithBatch   int          // number of answers with a batch size
	hostBusy           bool         // others used the machine
	slowest            slowest
}

func (b *bucket) reset() {
	*b = bucket{requestMS: b.requestMS[:0], modelMS: b.modelMS[:0], failed: b.failed[:0]}
}

// ring counts the samples of each second and computes figures of windows. It has no clock: the
// caller says when a second ends.
type ring struct {
	past        []bucket // whole seconds, oldest first, at most maxWindow
	present     bucket
	spare       bucket // the slices of an old second, for the next one
	answersPast int    // number of answers and timeouts in past
	sinceChange int    // whole seconds since the last change of settings or load, -1 in the second of the change
	seconds     []Second
	totals      trial.Counts
	sla         trial.SLA // of the verdict on live traffic
	load        load.Spec // of the live traffic
	current     Live      // of the whole seconds, computed at the last end of a second or change
}

// add counts one finished request in the present second.
func (r *ring) add(s load.Sample) {
	b := &r.present
	r.totals.Sent++
	b.counts.Sent++
	b.failed = append(b.failed, s.Outcome != load.OK)
	if s.Held {
		b.held++
	}
	switch s.Outcome {
	case load.OK:
		b.ok++
		r.totals.OK++
		b.counts.OK++
	case load.Refused:
		b.errors++
		r.totals.Refused++
		b.counts.Refused++
		return
	case load.Failed:
		b.errors++
		r.totals.Failed++
		b.counts.Failed++
		return
	case load.Timeout:
		b.errors++
		r.totals.Timeout++
		b.counts.Timeout++
	}
	b.requestMS = append(b.requestMS, ms(s.Latency))
	switch {
	case s.Outcome == load.Timeout: // the latency is at least the timeout
		b.modelMS = append(b.modelMS, ms(s.Latency))
	case s.Model > 0:
		b.modelMS = append(b.modelMS, ms(s.Model))
	}
	if s.Batch > 0 {
		b.items += float64(s.Batch)
		b.answersWithBatch++
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// endSecond ends the present second at the time at.
func (r *ring) endSecond(at time.Time, use trial.ResourceUse, host sweep.Host) {
	r.present.hostBusy = host.Busy()
	r.past = append(r.past, r.present)
	r.answersPast += len(r.present.requestMS)
	r.present, r.spare = r.spare, bucket{}
	r.present.reset()
	for len(r.past) > minWindow && (len(r.past) > maxWindow || r.answersPast-len(r.past[0].requestMS) >= windowAnswers) {
		r.answersPast -= len(r.past[0].requestMS)
		r.spare = r.past[0]
		r.past = slices.Delete(r.past, 0, 1)
	}
	r.sinceChange = min(r.sinceChange+1, maxWindow)
	n, enough := r.shortestWindow(r.sinceChange)
	sec := Second{At: at, CPU: use.CPUPercent, GPU: use.GPU.PercentMean}
	last := r.secondsAgo(1)
	sec.OK, sec.Errors = last.ok, last.errors
	sec.Latencies = distribution(last.values(r.sla.Latency), r.sla.Limit)
	sec.Slowest = last.slowest.requests()
	if enough && len(last.requestMS) > 0 { // a second without answers has no latency
		sec.Window = time.Duration(n) * time.Second
		sec.P50, sec.P99, sec.ModelP99 = r.percentiles(n)
	}
	if len(r.seconds) == HistorySeconds {
		r.seconds = append(r.seconds[:0], r.seconds[1:]...)
	}
	r.seconds = append(r.seconds, sec)
	r.update()
}

// changed notes a change of settings or load: verdicts do not use earlier seconds. The present
// second has traffic of both, so that it is not used either.
func (r *ring) changed() {
	r.sinceChange = -1
	r.update()
}

// secondsAgo returns the bucket of the whole second n seconds ago; 1 is the last one.
func (r *ring) secondsAgo(n int) *bucket {
	return &r.past[len(r.past)-n]
}

// shortestWindow returns the shortest window in whole seconds with enough answers, or the longest
// one and false.
func (r *ring) shortestWindow(limit int) (seconds int, enough bool) {
	for _, w := range windowLengths {
		seconds = max(min(w, len(r.past), limit), 0)
		if r.answers(seconds) >= minAnswers {
			return seconds, true
		}
	}
	return seconds, false
}

// answers counts the answers and timeouts of the last seconds.
func (r *ring) answers(seconds int) (n int) {
	for i := 1; i <= seconds; i++ {
		n += len(r.secondsAgo(i).requestMS)
	}
	return n
}

// requests returns the request latencies of the last seconds, in order of completion.
func (r *ring) requests(seconds int) []float64 {
	var out []float64
	for i := seconds; i >= 1; i-- {
		out = append(out, r.secondsAgo(i).requestMS...)
	}
	return out
}

// models returns the model latencies of the last seconds, in order of completion.
func (r *ring) models(seconds int) []float64 {
	var out []float64
	for i := seconds; i >= 1; i-- {
		out = append(out, r.secondsAgo(i).modelMS...)
	}
	return out
}

func (r *ring) percentiles(seconds int) (p50, p99, model trial.Num) {
	q := stat.Quantiles(r.requests(seconds), .5, .99)
	m := stat.Quantile(r.models(seconds), .99)
	return trial.NumOf(q[0].Value), trial.NumOf(q[1].Value), trial.NumOf(m.Value)
}

// snapshot returns the figures of the live traffic. It is called several times a second and only
// copies what update has computed.
func (r *ring) snapshot(use trial.ResourceUse, host sweep.Host) Live {
	out := r.current
	out.Totals, out.Use, out.Host = r.totals, use, host
	return out
}

// update computes the figures, which change only with whole seconds and changes. All are of the same
// window, that of the verdict.
func (r *ring) update() {
	n := max(0, min(r.sinceChange, len(r.past)))
	out := Live{Seconds: slices.Clone(r.seconds), Window: time.Duration(n) * time.Second, Transient: r.sinceChange < 1}
	ok, items, answersWithBatch, busy, held := 0, 0.0, 0, 0, 0
	for i := 1; i <= n; i++ {
		b := r.secondsAgo(i)
		out.Answers += len(b.requestMS)
		out.Sent += len(b.failed)
		out.Errors += b.errors
		held += b.held
		ok, items, answersWithBatch = ok+b.ok, items+b.items, answersWithBatch+b.answersWithBatch
		if b.hostBusy {
			busy++
		}
	}
	if n > 0 {
		out.RPS = trial.NumOf(float64(ok) / float64(n))
		out.Batch = trial.NumOf(items / float64(answersWithBatch))
		out.HostBusy = 3*busy > n
	}
	if out.Answers >= minAnswers {
		out.P50, out.P99, out.ModelP99 = r.percentiles(n)
	}
	in := r.requestsOf(n)
	out.Verdict = sweep.Decide(r.sla, in, r.sla.Horizon, "")
	for _, v := range in.Values {
		if v > ms(r.sla.Limit) {
			out.Over++
		}
	}
	capped := load.Capped(held, out.Sent)
	if capped {
		why := fmt.Sprintf("--max-rate held back %.0f%% of the requests, so that the load is lower than asked for", 100*float64(held)/float64(out.Sent))
		sweep.JudgeCapped(&out.Verdict, float64(out.Errors) > r.sla.MaxErrorRate*float64(out.Sent), why)
	}
	if rate, _ := out.RPS.Get(); out.Verdict.Result == trial.Undecided && rate > 0 && !capped {
		p := stat.Promise{Q: r.sla.Percentile / 100, Limit: ms(r.sla.Limit), Least: r.sla.Horizon}
		if more := stat.Remaining(in.Values, in.Times, p); more > 0 {
			out.More = time.Duration(math.Ceil(float64(more)/rate)) * time.Second
		}
	}
	r.current = out
}

// result returns the window as the result of a measurement.
func (r *ring) result() trial.Result {
	n := max(0, min(r.sinceChange, len(r.past)))
	out := trial.Result{Seconds: float64(n), Verdict: r.current.Verdict, Warnings: []trial.Warning{}}
	ok := make([]int, 0, n)
	for i := n; i >= 1; i-- {
		c := r.secondsAgo(i).counts
		out.Counts.Sent += c.Sent
		out.Counts.OK += c.OK
		out.Counts.Refused += c.Refused
		out.Counts.Failed += c.Failed
		out.Counts.Timeout += c.Timeout
		ok = append(ok, c.OK)
	}
	q := stat.Quantiles(r.requests(n), .5, .9, .95, .99, .999)
	out.Latency = trial.Latencies{P50: estimateOf(q[0]), P90: estimateOf(q[1]), P95: estimateOf(q[2]), P99: estimateOf(q[3]), P999: estimateOf(q[4])}
	m := stat.Quantiles(r.models(n), .5, .99)
	out.Model = trial.ModelLatencies{P50: trial.NumOf(m[0].Value), P99: trial.NumOf(m[1].Value)}
	out.Throughput = estimateOf(stat.Rate(ok, time.Second))
	out.Batches.Mean = r.current.Batch
	return out
}

func estimateOf(iv stat.Interval) trial.Estimate {
	return trial.Estimate{Value: trial.NumOf(iv.Value), Low: trial.NumOf(iv.Low), High: trial.NumOf(iv.High)}
}

// requestsOf returns the requests of the last seconds for a verdict. The rule is that of trials. The
// send time of a request is known only as the second in which it ended.
func (r *ring) requestsOf(n int) sweep.Requests {
	in := sweep.Requests{Load: r.load}
	for i := n; i >= 1; i-- {
		b, at := r.secondsAgo(i), time.Duration(n-i)*time.Second
		values := b.values(r.sla.Latency)
		in.Values, in.Times = append(in.Values, values...), appendTimes(in.Times, at, len(values))
		in.Failed, in.Sent = append(in.Failed, b.failed...), appendTimes(in.Sent, at, len(b.failed))
		if r.load.Mode != load.Closed {
			for _, v := range b.requestMS {
				in.Waits = append(in.Waits, v/1000)
			}
		}
	}
	return in
}

// values returns the latencies that an SLA of the kind limits.
func (b *bucket) values(kind trial.LatencyKind) []float64 {
	if kind == trial.ModelLatency {
		return b.modelMS
	}
	return b.requestMS
}

// side returns the whole seconds since the last change, at most a number of them, for a comparison,
// and their numbers of requests and errors. The first second after a change does not count: it has
// requests from before the change.
func (r *ring) side(most int, kind trial.LatencyKind) (out stat.Side, requests, errors int) {
	n := max(0, min(r.sinceChange-1, len(r.past), most))
	for i := n; i >= 1; i-- {
		b := r.secondsAgo(i)
		out.Values = append(out.Values, b.values(kind)...)
		out.Seconds = append(out.Seconds, len(b.values(kind)))
		requests, errors = requests+len(b.failed), errors+b.errors
	}
	return out, requests, errors
}

// appendTimes appends n times, evenly spaced in the second that begins at from.
func appendTimes(times []time.Duration, from time.Duration, n int) []time.Duration {
	for i := range n {
		times = append(times, from+time.Second*time.Duration(i)/time.Duration(n))
	}
	return times
}
