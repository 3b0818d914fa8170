package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep/load"
)

// The metrics of a block of a comparedServer.
const (
	metricRate  = iota // answers per second
	metricP99          // of the requests, ms
	metricModel        // P99 of the model latency, ms
	metricCPU          // of the server's processes, ms a request
	metricBusy         // workers that execute the model, on average; 0 if the answers do not say it
	metrics
)

// comparedServer is a server in a comparison: where its requests go, and its processes.
type comparedServer struct {
	name  string
	pid   int // the process whose descendants are the server
	load  load.Config
	log   *metricsLog // has the model latencies; nil: the answers have them, or nobody
	procs tree        // since the last change

	lenient bool // failed requests are counted, and have the latency of the timeout; else they are an error
	failed  int
}

// settle reads the processes, after a change that may have started others.
func (s *comparedServer) settle() { s.procs = readTree(s.pid) }

// maxBlockTime limits the length of a block, as a multiple of what was asked for.
const maxBlockTime = 8

// block measures the server under its load for about d, or for longer if it has no answer in that time.
func (s *comparedServer) block(ctx context.Context, d time.Duration) ([]float64, error) {
	var res load.Result
	var cpu float64
	for length := d; ; length *= 2 {
		if s.log != nil {
			s.log.skip()
		}
		c, before := s.load, s.procs.cpu()
		c.Limit = length
		var err error
		if res, err = load.Run(ctx, c); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		cpu = s.procs.cpu() - before
		if len(res.Samples) > 0 || length >= maxBlockTime*d {
			break
		}
	}
	t := load.Count(res.Samples)
	failed := len(res.Samples) - t.OK
	if t.OK == 0 || failed > 0 && !s.lenient {
		return nil, fmt.Errorf("%s: %d of %d requests failed: status %v %s", s.name, failed, len(res.Samples), t.Status, res.Err)
	}
	s.failed += failed
	latencies, model, err := s.latencies(res.Samples)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	out := make([]float64, metrics)
	out[metricRate] = float64(t.OK) / res.Seconds
	out[metricP99], out[metricModel] = p99MS(latencies), p99MS(model)
	out[metricCPU] = cpu / float64(time.Millisecond) / float64(t.OK)
	out[metricBusy] = executed(res.Samples).Seconds() / res.Seconds
	return out, nil
}

// executed is the execution time of all batches: each request has its share of the batch it was in.
func executed(all []load.Sample) time.Duration {
	var sum time.Duration
	for _, s := range all {
		if s.Batch > 0 {
			sum += s.Model / time.Duration(s.Batch)
		}
	}
	return sum
}

// failedLatency is the latency of failed requests: as if they had timed out.
const failedLatency = 30 * time.Second

// latencies returns those of the requests, and those of the model.
func (s *comparedServer) latencies(all []load.Sample) (requests, model []time.Duration, err error) {
	for _, v := range all {
		if v.Outcome != load.OK {
			v.Latency = failedLatency
		}
		requests = append(requests, v.Latency)
		if v.Model > 0 {
			model = append(model, v.Model)
		}
	}
	if s.log != nil {
		model, err = s.log.read()
	}
	return requests, model, err
}

// p99Answers is how many latencies a P99 needs.
const p99Answers = 100

// p99MS is the P99 in ms; NaN if there are too few values.
func p99MS(v []time.Duration) float64 {
	if len(v) < p99Answers {
		return math.NaN()
	}
	v = slices.Clone(v)
	slices.Sort(v)
	at := v[int(math.Ceil(.99*float64(len(v))))-1]
	return float64(at) / float64(time.Millisecond)
}

// namedMetric is a metric with the name of its figures and the unit of its values, as it follows a number.
type namedMetric struct {
	metric     int
	name, unit string
}

// serverFigures are the figures of two servers, one for each metric. Their names have the prefix and the suffix.
func serverFigures(r *judge.Rounds, all []namedMetric, ours, theirs int, seed uint64, prefix, suffix, detail string) []judge.Figure {
	var out []judge.Figure
	for _, m := range all {
		ratio := r.Ratio(m.metric, ours, theirs, seed)
		out = append(out, ratio.Figure(prefix+m.name+suffix,
			fmt.Sprintf("%s%s of %s%s%s", judge.Number(ratio.A), m.unit, judge.Number(ratio.B), m.unit, detail)))
	}
	return out
}
