package oip

// Triton's statistics are sums since the model was loaded, so that the differences of two readings are those of a
// time. Each request adds the whole time of its batch to the inference statistics, which makes their quotients means over
// requests. The batch statistics have the number of batches by size. There are no percentiles.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sweetspot/sweep/load"
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

// statistics reads the sums over all versions of the model.
func (t *triton) statistics(ctx context.Context) (reading, error) {
	var answer struct {
		ModelStats []modelStatistics `json:"model_stats"`
	}
	begin := time.Now()
	if err := t.api.read(ctx, http.MethodGet, modelPath(t.name, "")+"/stats", nil, &answer); err != nil {
		return reading{}, err
	}
	r := reading{at: begin.Add(time.Since(begin) / 2), sizes: map[int]float64{}}
	found := false
	for _, m := range answer.ModelStats {
		if m.Name != t.name {
			continue
		}
		found = true
		s := m.InferenceStats
		r.requests += float64(s.Success.Count + s.Fail.Count)
		r.answers += float64(s.Success.Count)
		r.total += float64(s.Success.NS)
		r.queue += float64(s.Queue.NS)
		r.compute += float64(s.ComputeInput.NS + s.ComputeInfer.NS + s.ComputeOutput.NS)
		r.rows += float64(m.InferenceCount)
		r.batches += float64(m.ExecutionCount)
		for _, b := range m.BatchStats {
			r.sizes[int(min(b.BatchSize, 1<<20))] += float64(b.ComputeInfer.Count)
		}
	}
	if !found {
		return r, fmt.Errorf("the statistics have no model %q", t.name)
	}
	return r, nil
}

// Times of reading the statistics while a load runs. The intervals grow with the run, because the end of its
// warm-up, a part of it, is known only at its end.
const (
	readShare  = 8 // of the time since the start
	minEvery   = 50 * time.Millisecond
	maxEvery   = 500 * time.Millisecond
	readLimit  = 5 * time.Second
	minAnswers = 20 // in the window
)

// watcher reads the statistics while a load runs.
type watcher struct {
	t        *triton
	stop     chan struct{}
	done     sync.WaitGroup
	readings []reading
	err      error // of the last one
}

// watch begins to read; the first reading is complete when it returns. It is nil without statistics.
func (t *triton) watch(ctx context.Context) *watcher {
	if t == nil || !t.metrics {
		return nil
	}
	w := &watcher{t: t, stop: make(chan struct{})}
	w.read(ctx)
	w.done.Go(func() {
		for begin := time.Now(); ; {
			select {
			case <-w.stop:
				return
			case <-time.After(min(max(time.Since(begin)/readShare, minEvery), maxEvery)):
				w.read(ctx)
			}
		}
	})
	return w
}

func (w *watcher) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	var r reading
	if r, w.err = w.t.statistics(ctx); w.err == nil {
		w.readings = append(w.readings, r)
	}
}

// end reads for the last time.
func (w *watcher) end(ctx context.Context) {
	if w == nil {
		return
	}
	close(w.stop)
	w.done.Wait()
	w.read(ctx)
}

// figures sets the parts of a request's time and the batches of a result, or returns why they are missing.
func (w *watcher) figures(run load.Result, out *trial.Result) error {
	n := len(w.readings)
	switch {
	case w.err != nil:
		return w.err
	case n < 2:
		return errors.New("the run was too short to read them twice")
	}
	last := w.readings[n-1]
	if arrived := last.requests - w.readings[0].requests; arrived > 1.01*float64(run.Sent)+1 {
		return fmt.Errorf("%.0f requests have ended, but %d were sent: others load this model too", arrived, run.Sent)
	}
	warm := run.Start.Add(time.Duration(out.WarmupSeconds * float64(time.Second)))
	for _, first := range w.readings[:n-1] {
		if !first.at.Before(warm) {
			return last.since(first, out)
		}
	}
	return errors.New("the run was too short to read them twice after its warm-up")
}

// since sets what the sums over the time from first say. The queue time has the time in which the batch fills, which
// Triton does not separate; decoding and encoding are outside of its sums.
func (r reading) since(first reading, out *trial.Result) error {
	answers, batches := r.answers-first.answers, r.batches-first.batches
	queue, compute := r.queue-first.queue, r.compute-first.compute
	switch {
	case answers < 0 || batches < 0 || queue < 0 || compute < 0:
		return errors.New("the sums have decreased: the model was loaded again")
	case answers < minAnswers:
		return fmt.Errorf("fewer than %d answers between two readings", minAnswers)
	}
	ms := func(ns float64) float64 { return ns / 1e6 / answers }
	out.Breakdown = trial.Breakdown{Queue: trial.NumOf(ms(queue)), Execution: trial.NumOf(ms(compute))}
	sizes := map[int]int{}
	for size, n := range r.sizes {
		if d := n - first.sizes[size]; d > 0 {
			sizes[size] = int(d)
		}
	}
	if batches > 0 {
		out.Batches = trial.Batches{Mean: trial.NumOf((r.rows - first.rows) / batches), Sizes: sizes}
	}
	return nil
}
