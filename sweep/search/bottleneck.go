package search

import (
	"fmt"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// bottleneck is what limits a trial, in words with numbers and with advice.
type bottleneck struct {
	limit string
	text  string
}

// bottleneck finds what limits a trial: the load generator or other programs if they disturbed it,
// the arrivals if workers are idle, otherwise the step of a request that takes longest. The advice leaves out what
// all, the trials of the sweep, have tried.
func (x Explainer) bottleneck(t trial.Trial, all []trial.Trial) bottleneck {
	switch {
	case t.GeneratorLimited:
		return bottleneck{limitGenerator, LimitedAdvice(t)}
	case t.Disturbed():
		return bottleneck{limitOtherPrograms, "other programs took much of the machine: measure again when it is idle"}
	}
	b := t.Breakdown
	exec, ok := b.Execution.Get()
	if !ok {
		return bottleneck{}
	}
	queue, formation := b.Queue.Or(0), b.Formation.Or(0)
	filling := fmt.Sprintf(", filling the batch %.1f", formation)
	if !b.Formation.OK() { // then the queue time includes it
		filling = ", with filling the batch"
	}
	switch idle := 1 - busyShare(t); {
	case !b.Formation.OK() && queue > exec && idle > .4 && t.Settings.BatchSize > 1:
		return bottleneck{limitDelay, fmt.Sprintf("the delay, as requests wait %.1f ms until their batch is sent and workers idle %.0f%% of the time; %s", queue, 100*idle, delayAdvice(t))}
	case formation > exec && formation > queue:
		return bottleneck{limitDelay, fmt.Sprintf("the delay, as batches wait %.1f ms to fill and run %.1f ms; %s", formation, exec, delayAdvice(t))}
	case x.Rules.Question.SeeksRate(): // the load is the highest possible
	case t.Load.Mode == load.Open && t.Throughput.Value.Or(0) >= .98*t.Load.Rate && queue <= exec:
		return bottleneck{limitArrival, fmt.Sprintf("the load, as all of its %g requests/s are served; --question capacity finds how many more it can serve", t.Load.Rate)}
	case idle > .4:
		return bottleneck{limitArrival, fmt.Sprintf("the load, as workers idle %.0f%% of the time; %s would use them", 100*idle, moreLoad(t.Load))}
	case queue > 2*exec:
		return bottleneck{limitQueue, fmt.Sprintf("the queue, as requests wait %.1f ms%s for %.1f ms of execution; %s", queue, waitsFor(b), exec, queueAdvice(t))}
	}
	if cpu, ok := t.Use.CPUPercent.Get(); ok && t.Settings.Device == "cpu" && x.Cores > 0 {
		if all := cpu + t.Use.GeneratorCPUPercent.Or(0); all >= cpuFull*float64(100*x.Cores) {
			return bottleneck{limitCPU, fmt.Sprintf("the processor, as %.0f%% of its %d cores is in use, %.0f%% by the load generator; execution takes %.1f ms, the queue %.1f",
				all/float64(x.Cores), x.Cores, t.Use.GeneratorCPUPercent.Or(0)/float64(x.Cores), exec, queue)}
		}
	}
	return bottleneck{limitExecution, fmt.Sprintf("execution takes %.1f ms, the queue %.1f%s; %s", exec, queue, filling, executionAdvice(t, all))}
}

// moreLoad is what uses idle workers. Only a closed load has clients.
func moreLoad(l load.Spec) string {
	if l.Mode == load.Closed {
		return "more clients"
	}
	return "a higher rate"
}

// waitsFor says that the queue time includes the time in which the batch fills, if it is so.
func waitsFor(b trial.Breakdown) string {
	if b.Formation.OK() {
		return ""
	}
	return ", also until their batch is full,"
}

// delayAdvice is the advice if waiting for a full batch takes longest.
func delayAdvice(t trial.Trial) string {
	text := "shorten the delay (--batch-delay)"
	if l := t.Load; l.Mode == load.Closed && l.Concurrency < t.Settings.BatchSize {
		text += fmt.Sprintf(": %d at a time never fill a batch of %d", l.Concurrency, t.Settings.BatchSize)
	}
	return text
}

// queueAdvice is the advice if waiting in the queue takes longest.
func queueAdvice(t trial.Trial) string {
	if t.Load.Mode == load.Closed {
		return "more workers or fewer clients shorten it"
	}
	return "more workers or a lower rate shorten it"
}

// executionAdvice is the advice if execution takes longest. FP16 is no advice if a trial has tried it: it failed, or it
// was no better.
func executionAdvice(t trial.Trial, all []trial.Trial) string {
	ways := ""
	if t.Settings.BatchSize > 1 {
		ways = "smaller batches, "
	}
	tried := slices.ContainsFunc(all, func(o trial.Trial) bool {
		return o.Settings.Precision == knob.HalfPrecision && o.Settings.Device == t.Settings.Device
	})
	if t.Settings.Precision == knob.FullPrecision && !tried {
		ways += "FP16, "
	}
	return ways + "more threads or a faster device shorten it"
}

// queueWarning warns if the queue is shorter than a batch.
func queueWarning(s knob.Settings) string {
	if s.QueueSize >= s.BatchSize || !s.Has(knob.QueueSize) {
		return ""
	}
	return fmt.Sprintf("the queue of %d is shorter than a batch of %d: requests may be refused before one is full; raise --queue-size", s.QueueSize, s.BatchSize)
}

// minLoss is the smallest ratio of s(b) to b*s(1) at which batching is reported as a loss.
const minLoss = 1.1

// BatchingLoss says that the time of a batch grows faster than its size, from the largest measured
// batch size and a batch of 1. It uses probes, or without probes the execution times of trials with
// full batches. It returns "" if batching is no loss.
func BatchingLoss(probes []trial.Probe, trials []trial.Trial) string {
	times := map[knob.Settings]map[int]float64{} // ms by batch size, for settings that differ only in the batch size
	add := func(s knob.Settings, size int, ms float64) {
		s.BatchSize, s.BatchDelay, s.QueueSize = 0, 0, 0
		if times[s] == nil {
			times[s] = map[int]float64{}
		}
		if old, ok := times[s][size]; !ok || ms < old {
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
	if size == 0 || ratio <= minLoss*float64(size) {
		return ""
	}
	return fmt.Sprintf("batching makes this model slower: a batch of %d takes %.0f times as long as a batch of 1", size, ratio)
}

// secondsOf converts seconds to a duration.
func secondsOf(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Bottleneck returns what limits a trial, in a word and in words with numbers and advice; both are
// "" if its breakdown was not measured. all are the trials of its sweep: the advice leaves out what they have tried.
func (x Explainer) Bottleneck(t trial.Trial, all []trial.Trial) (limit, text string) {
	b := x.bottleneck(t, all)
	return b.limit, b.text
}
