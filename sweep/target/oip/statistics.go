package oip

// Triton's statistics are sums since the model was loaded, so that the differences of two readings are those of a
// time. Each request adds the whole time of its batch to the inference statistics, which makes their quotients means over
// requests. The batch statistics have the number of batches by size. There are no percentiles.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/target/drive"
	"sweetspot/sweep/trial"
)

// duration is a number of requests and the sum of their times.
type duration struct {
	Count uint64 `json:"count"`
	NS    uint64 `json:"ns"`
}

// modelStatistics is the part of an answer that is read.
type modelStatistics struct {
	Name           string `json:"name"`
	Version        string `json:"version"`
	InferenceCount uint64 `json:"inference_count"` // rows
	ExecutionCount uint64 `json:"execution_count"` // batches
	InferenceStats struct {
		Success, Fail, Queue duration
		ComputeInput         duration `json:"compute_input"`
		ComputeInfer         duration `json:"compute_infer"`
		ComputeOutput        duration `json:"compute_output"`
	} `json:"inference_stats"`
	BatchStats []struct {
		BatchSize    uint64   `json:"batch_size"`
		ComputeInfer duration `json:"compute_infer"`
	} `json:"batch_stats"`
}

// reading are sums since the model was loaded.
type reading struct {
	at                             time.Time
	requests                       float64 // that have ended
	answers, total, queue, compute float64 // successful requests; their times in ns
	rows, batches                  float64
	sizes                          map[int]float64
}

// Time is when the sums were read.
func (r reading) Time() time.Time { return r.at }

// Requests is the number of requests that have ended.
func (r reading) Requests() float64 { return r.requests }

// statistics reads the sums over all versions of the model.
func (t *triton) statistics(ctx context.Context) (reading, error) {
	var answer statisticsAnswer
	begin := time.Now()
	if err := t.api.read(ctx, http.MethodGet, modelPath(t.name, "")+"/stats", nil, &answer); err != nil {
		return reading{}, err
	}
	r, err := answer.sums(t.name)
	r.at = begin.Add(time.Since(begin) / 2)
	return r, err
}

// statisticsAnswer is the answer of a Triton.
type statisticsAnswer struct {
	ModelStats []modelStatistics `json:"model_stats"`
}

// maxBatch is the largest size of a batch that counts; larger ones count as this one.
const maxBatch = 1 << 20

// sums returns the sums over all versions of a model.
func (a statisticsAnswer) sums(name string) (reading, error) {
	r, found := reading{sizes: map[int]float64{}}, false
	for _, m := range a.ModelStats {
		if m.Name != name {
			continue
		}
		found = true
		s := m.InferenceStats
		r.requests += float64(s.Success.Count) + float64(s.Fail.Count)
		r.answers += float64(s.Success.Count)
		r.total += float64(s.Success.NS)
		r.queue += float64(s.Queue.NS)
		r.compute += float64(s.ComputeInput.NS) + float64(s.ComputeInfer.NS) + float64(s.ComputeOutput.NS)
		r.rows += float64(m.InferenceCount)
		r.batches += float64(m.ExecutionCount)
		for _, b := range m.BatchStats {
			r.sizes[int(min(b.BatchSize, maxBatch))] += float64(b.ComputeInfer.Count)
		}
	}
	if !found {
		return r, fmt.Errorf("the statistics have no model %q", name)
	}
	return r, nil
}

// minAnswers is the smallest number of answers in the window.
const minAnswers = 20

// watch begins to read. It is nil without statistics.
func (t *triton) watch(ctx context.Context) *drive.Watcher[reading] {
	if t == nil || !t.metrics {
		return nil
	}
	return drive.Watch(ctx, t.statistics)
}

// figures sets the parts of a request's time and the batches of a result, or returns why they are missing.
func figures(w *drive.Watcher[reading], run load.Result, out *trial.Result) error {
	first, last, err := w.Window(run, out.WarmupSeconds)
	if err != nil {
		return err
	}
	return last.since(first, out)
}

// since sets what the sums over the time from first say. The queue time has the time in which the batch fills, which
// Triton does not separate; decoding and encoding are outside of its sums.
func (r reading) since(first reading, out *trial.Result) error {
	answers, batches := r.answers-first.answers, r.batches-first.batches
	queue, compute := r.queue-first.queue, r.compute-first.compute
	switch {
	case answers < 0 || batches < 0 || queue < 0 || compute < 0 || r.rows < first.rows:
		return errors.New("the sums have decreased: the model was loaded again")
	case answers < minAnswers:
		return fmt.Errorf("fewer than %d answers between two readings", minAnswers)
	}
	ms := func(ns float64) float64 { return ns / 1e6 / answers }
	out.Breakdown = trial.Breakdown{Queue: trial.NumOf(ms(queue)), Execution: trial.NumOf(ms(compute))}
	sizes := map[int]int{}
	for size, n := range r.sizes {
		if d := n - first.sizes[size]; d > 0 {
			sizes[size] = int(min(d, math.MaxInt32))
		}
	}
	if batches > 0 {
		out.Batches = trial.Batches{Mean: trial.NumOf((r.rows - first.rows) / batches), Sizes: sizes}
	}
	return nil
}
