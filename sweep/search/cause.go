package search

import (
	"fmt"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// cause is what keeps a trial from more, with the numbers that say so and what to
// do about it.
type cause struct {
	limit string
	text  string
}

// cause finds it: the load generator or other programs if they disturbed, the
// arrivals if the workers idle for want of requests, else the step of a request
// that takes longest.
func (x Explainer) cause(t trial.Trial) cause {
	switch {
	case t.GeneratorLimited:
		return cause{limitGenerator, "the load generator was the limit, not the server: its figures say little; send less, or from another machine"}
	case t.Disturbed():
		return cause{limitBusy, "other programs took much of the machine: measure again when it is quiet"}
	}
	b := t.Breakdown
	exec, ok := b.Execution.Get()
	if !ok {
		return cause{}
	}
	queue, formation := b.Queue.Or(0), b.Formation.Or(0)
	switch idle := 1 - busy(t); {
	case formation > exec && formation > queue:
		return cause{limitDelay, fmt.Sprintf("the delay, as batches wait %.1f ms to fill and run %.1f ms; %s", formation, exec, shorterDelay(t))}
	case x.Rules.Question == plan.Capacity: // the load is as high as it can be
	case t.Load.Mode == load.Open && t.Throughput.Value.Or(0) >= .98*t.Load.Rate && queue <= exec:
		return cause{limitArrival, fmt.Sprintf("the load, as all of its %g requests/s are served; --question capacity finds how many more it bears", t.Load.Rate)}
	case idle > .4:
		return cause{limitArrival, fmt.Sprintf("the load, as workers idle %.0f%% of the time; more clients would use them", 100*idle)}
	case queue > 2*exec:
		return cause{limitQueue, fmt.Sprintf("the queue, as requests wait %.1f ms for %.1f ms of execution; %s", queue, exec, lessQueue(t))}
	}
	if cpu, ok := t.Use.CPUPercent.Get(); ok && t.Settings.Device == "cpu" && x.Cores > 0 {
		if all := cpu + t.Use.GeneratorCPUPercent.Or(0); all >= cpuFull*float64(100*x.Cores) {
			return cause{limitCPU, fmt.Sprintf("the processor, as %.0f%% of its %d cores is in use, %.0f%% by the load generator; execution takes %.1f ms, the queue %.1f",
				all/float64(x.Cores), x.Cores, t.Use.GeneratorCPUPercent.Or(0)/float64(x.Cores), exec, queue)}
		}
	}
	return cause{limitExecution, fmt.Sprintf("execution takes %.1f ms, the queue %.1f, filling the batch %.1f; %s", exec, queue, formation, lessExecution(t))}
}

// shorterDelay is what to do where filling the batch takes longest.
func shorterDelay(t trial.Trial) string {
	text := "shorten the delay (--batch-delay)"
	if l := t.Load; l.Mode == load.Closed && l.Concurrency < t.Settings.BatchSize {
		text += fmt.Sprintf(": %d at a time never fill a batch of %d", l.Concurrency, t.Settings.BatchSize)
	}
	return text
}

// lessQueue is what to do where waiting in the queue takes longest.
func lessQueue(t trial.Trial) string {
	if t.Load.Mode == load.Closed {
		return "more workers or fewer clients shorten it"
	}
	return "more workers or a lower rate shorten it"
}

// lessExecution is what to do where execution takes longest.
func lessExecution(t trial.Trial) string {
	ways := ""
	if t.Settings.BatchSize > 1 {
		ways = "smaller batches, "
	}
	if t.Settings.Precision != knob.HalfPrecision {
		ways += "FP16, "
	}
	return ways + "more threads or a faster device shorten it"
}

// shortQueue warns of a queue that is shorter than a batch.
func shortQueue(s knob.Settings) string {
	if s.QueueSize >= s.BatchSize {
		return ""
	}
	return fmt.Sprintf("the queue of %d is shorter than a batch of %d: requests may be refused before one is full; raise --queue-size", s.QueueSize, s.BatchSize)
}

// loses is by how much more than its size the time of a batch has to grow for
// batching to lose.
const loses = 1.1

// BatchingLoses says that the time of a batch grows faster than its size, by the
// largest size that was timed against one: probes where there are any, else the
// execution in trials with full batches. It is "" where batching pays.
func BatchingLoses(probes []trial.Probe, trials []trial.Trial) string {
	times := map[knob.Settings]map[int]float64{} // ms by batch size, of settings that differ in it alone
	add := func(s knob.Settings, size int, ms float64) {
		s.BatchSize, s.BatchDelay, s.QueueSize = 0, 0, 0
		if times[s] == nil {
			times[s] = map[int]float64{}
		}
		if known, ok := times[s][size]; !ok || ms < known {
			times[s][size] = ms
		}
	}
	for _, p := range probes {
		if ms, ok := p.ServiceTime.Median.Get(); ok && p.Error == "" {
			add(p.Settings, p.BatchSize, ms)
		}
	}
	if len(times) == 0 {
		for _, t := range trials {
			ms, ok := t.Breakdown.Execution.Get()
			if size := t.Settings.BatchSize; ok && !t.Disturbed() && t.Batches.Mean.Or(0) >= .95*float64(size) {
				add(t.Settings, size, ms)
			}
		}
	}
	size, ratio := 0, 0.0
	for _, by := range times {
		one := by[1]
		for n, ms := range by {
			if one > 0 && n > 1 && (n > size || n == size && ms/one < ratio) {
				size, ratio = n, ms/one
			}
		}
	}
	if size == 0 || ratio <= loses*float64(size) {
		return ""
	}
	return fmt.Sprintf("batching loses on this model: a batch of %d takes %.0f times one", size, ratio)
}

// seconds is a time of so many.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
