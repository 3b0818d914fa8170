package load

import (
	"fmt"
	"runtime"
	"slices"
	"sort"
	"sync"
	"time"

	"sweetspot/engine/latency"
)

// heldShare is the largest share of requests that the largest rate may hold back without changing what
// a run says: a hundredth has no effect on the percentiles of a load that is otherwise as asked for.
const heldShare = .01

// Capped reports whether the largest rate has held back so many of the sent requests that the load was lower than asked
// for.
func Capped(held, sent int) bool { return float64(held) > heldShare*float64(sent) }

// lateAfter is the lag above which a request counts as late.
const lateAfter = time.Millisecond

// sampleBuffer collects samples. Many goroutines add; one goroutine collects. Added samples go
// to a small slice, so that add does not wait while the large slice grows.
type sampleBuffer struct {
	mu    sync.Mutex // guards added
	added []Sample

	spare []Sample // spare and all belong to the collecting goroutine
	all   []Sample
}

// reserve allocates memory for n samples, up to a bound.
func (b *sampleBuffer) reserve(n int) {
	const lower, upper, block = 1 << 12, 1 << 18, 1 << 12
	b.all = make([]Sample, 0, min(max(n, lower), upper))
	b.added, b.spare = make([]Sample, 0, block), make([]Sample, 0, block)
}

func (b *sampleBuffer) add(s Sample) {
	b.mu.Lock()
	b.added = append(b.added, s)
	b.mu.Unlock()
}

// collect returns all samples so far, in the order in which they were added.
func (b *sampleBuffer) collect() []Sample {
	b.mu.Lock()
	b.added, b.spare = b.spare[:0], b.added
	b.mu.Unlock()
	b.all = append(b.all, b.spare...)
	return slices.Clip(b.all)
}

// result summarizes the run after its last goroutine has ended.
func (r *run) result(plan []time.Duration, cpu time.Duration) Result {
	res := Result{
		Start: r.start, Samples: r.samples.all, Planned: r.planned(plan), Sent: int(r.sent.Load()), Abandoned: int(r.abandoned.Load()), Held: int(r.held.Load()),
		Lag: latency.New(), CPU: cpu, Err: r.firstErr, Kept: r.keeper.all(),
	}
	if len(res.Samples) == 0 {
		return res
	}
	lat := latency.New()
	first, last := res.Samples[0].Planned, time.Duration(0)
	for _, s := range res.Samples {
		first, last = min(first, s.Planned), max(last, s.Planned+s.Latency)
		lat.Record(s.Latency)
		if plan == nil {
			continue
		}
		res.Lag.Record(s.Lag)
		if s.Lag > lateAfter {
			res.Late++
		}
	}
	res.Seconds = last.Seconds()
	// The cores that the Go runtime uses, which may be fewer than the container has.
	cores := min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	res.Warning = limitWarning(res.Lag.Quantile(.99), lat.Quantile(.5), cpu, last-first, cores)
	res.Capped = Capped(res.Held, res.Sent)
	switch {
	case res.Capped:
		res.Warning = fmt.Sprintf("%s: --max-rate %g held back %.0f%% of the requests, so that the load was lower than asked for",
			GeneratorLimited, r.c.MaxRate, 100*float64(res.Held)/float64(res.Sent))
	case res.Warning != "":
	case r.exhausted != nil:
		res.Warning = GeneratorLimited + ": " + r.exhausted.Error()
	case r.atConnLimit.Load():
		res.Warning = fmt.Sprintf("%s: all %d connections were in use", GeneratorLimited, maxClients)
	}
	res.Limited = res.Warning != ""
	return res
}

// planned returns the number of requests that were due before the run was stopped.
func (r *run) planned(plan []time.Duration) int {
	if !r.stopping() {
		return len(plan)
	}
	due := sort.Search(len(plan), func(i int) bool { return plan[i] > r.stopAt })
	return min(max(due, int(r.sent.Load())), len(plan)) // one more may be sent while the run is stopped
}

// GeneratorLimited begins the Warning of every run in which the generator was the limit.
// Profiles recognize the warning by it.
const GeneratorLimited = "generator limited"

// limitWarning returns a warning if the generator was the limit: the P99 of the lag is above
// 1 ms and above a tenth of the median latency, or the process used more than 9/10 of its
// cores. Very short runs are too short to check the cores.
func limitWarning(lag99, latency50, cpu, wall time.Duration, cores int) string {
	if lag99 > max(lateAfter, latency50/10) {
		return fmt.Sprintf("%s: 1 in 100 requests was sent %v late or more", GeneratorLimited, lag99.Round(10*time.Microsecond))
	}
	if busy := cpu.Seconds() / wall.Seconds(); wall > 100*time.Millisecond && busy > .9*float64(cores) {
		return fmt.Sprintf("%s: it used %.1f of %d cores", GeneratorLimited, busy, cores)
	}
	return ""
}
