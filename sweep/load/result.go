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

// late is how far behind its planned time a request counts as late.
const late = time.Millisecond

// box takes the samples in. Many put; one goroutine gathers. What is put goes
// to a small slice first, so that no one waits while the large one grows.
type box struct {
	mu    sync.Mutex // guards fresh
	fresh []Sample

	spare []Sample // of the gatherer, as is all
	all   []Sample
}

// reserve makes room for n samples, up to a bound; more will grow it.
func (b *box) reserve(n int) {
	const least, most, block = 1 << 12, 1 << 18, 1 << 12
	b.all = make([]Sample, 0, min(max(n, least), most))
	b.fresh, b.spare = make([]Sample, 0, block), make([]Sample, 0, block)
}

func (b *box) add(s Sample) {
	b.mu.Lock()
	b.fresh = append(b.fresh, s)
	b.mu.Unlock()
}

// gather returns all samples so far, in the order they were put.
func (b *box) gather() []Sample {
	b.mu.Lock()
	b.fresh, b.spare = b.spare[:0], b.fresh
	b.mu.Unlock()
	b.all = append(b.all, b.spare...)
	return slices.Clip(b.all)
}

// result sums the run up, after its last goroutine has ended.
func (r *run) result(plan []time.Duration, cpu time.Duration) Result {
	res := Result{
		Start: r.start, Samples: r.box.all, Planned: r.planned(plan), Sent: int(r.sent.Load()), Abandoned: int(r.abandoned.Load()),
		Lag: latency.New(), CPU: cpu, Err: r.firstErr,
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
		if s.Lag > late {
			res.Late++
		}
	}
	res.Seconds = last.Seconds()
	// What the Go runtime uses, which may be less than the container gives: a
	// generator may be held to one core of several.
	cores := min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	res.Warning = limited(res.Lag.Quantile(.99), lat.Quantile(.5), cpu, last-first, cores)
	switch {
	case res.Warning != "":
	case r.exhausted != nil:
		res.Warning = GeneratorLimited + ": " + r.exhausted.Error()
	case r.crowded.Load():
		res.Warning = fmt.Sprintf("%s: all %d connections were in use", GeneratorLimited, mostClients)
	}
	res.Limited = res.Warning != ""
	return res
}

// planned is how many requests of the plan were due before the run was stopped.
func (r *run) planned(plan []time.Duration) int {
	if !r.stopping() {
		return len(plan)
	}
	due := sort.Search(len(plan), func(i int) bool { return plan[i] > r.stopAt })
	return min(max(due, int(r.sent.Load())), len(plan)) // one may slip out as the run is stopped
}

// GeneratorLimited begins the Warning of every run whose generator was the limit.
// It is how profiles know such a warning again.
const GeneratorLimited = "generator limited"

// limited says when the generator was the limit: 1 in 100 sends was later than
// 1 ms and than a tenth of the median latency, or the process used more than
// 9/10 of all cores it may. Very short runs say nothing about cores.
func limited(lag99, latency50, cpu, wall time.Duration, cores int) string {
	if lag99 > max(late, latency50/10) {
		return fmt.Sprintf("%s: 1 in 100 requests was sent %v late or more", GeneratorLimited, lag99.Round(10*time.Microsecond))
	}
	if busy := cpu.Seconds() / wall.Seconds(); wall > 100*time.Millisecond && busy > .9*float64(cores) {
		return fmt.Sprintf("%s: it used %.1f of %d cores", GeneratorLimited, busy, cores)
	}
	return ""
}
