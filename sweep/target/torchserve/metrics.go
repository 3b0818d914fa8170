package torchserve

// TorchServe's own metrics, which give the parts of a request's time on the server. Its counters
// ts_inference_latency_microseconds and ts_queue_latency_microseconds are sums over the successful answers of a model: the first
// from the arrival of a request to its answer, the second until its batch is sent to a worker, so with the time in which the
// batch fills. Their increases over the measured window, divided by the answers in it, are the queue time, and
// the rest, in which the worker has the batch, the execution time.
//
// In log mode a line for each batch has the time of the handler and the requests of the batch. In
// Prometheus mode PredictionTime is only that of the last batch, which is no mean, and is not used.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"strings"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/target/drive"
	"sweetspot/sweep/trial"
)

// reading are sums since the beginning of the source, which the differences of two readings make sums over a time.
type reading struct {
	at       time.Time
	requests float64 // that have arrived, also refused ones
	latency  float64 // of answers, microseconds
	queue    float64 // of answers, microseconds
	handled  float64 // requests of batches whose handler time is known
	handler  float64 // of these requests, milliseconds
	sizes    map[int]int
}

// Time is when the sums were read.
func (r reading) Time() time.Time { return r.at }

// Requests is the number of requests that have arrived.
func (r reading) Requests() float64 { return r.requests }

// add adds the sums of another server.
func (r *reading) add(o reading) {
	r.requests, r.latency, r.queue = r.requests+o.requests, r.latency+o.latency, r.queue+o.queue
	r.handled, r.handler = r.handled+o.handled, r.handler+o.handler
	for size, n := range o.sizes {
		if r.sizes == nil {
			r.sizes = map[int]int{}
		}
		r.sizes[size] += n
	}
}

// since returns the sums since an earlier reading.
func (r reading) since(o reading) reading {
	d := reading{
		at: r.at, requests: r.requests - o.requests, latency: r.latency - o.latency, queue: r.queue - o.queue,
		handled: r.handled - o.handled, handler: r.handler - o.handler, sizes: maps.Clone(r.sizes),
	}
	for size, n := range o.sizes {
		if d.sizes[size] -= n; d.sizes[size] == 0 {
			delete(d.sizes, size)
		}
	}
	return d
}

// same reports whether nothing has changed.
func (r reading) same(o reading) bool {
	return r.requests == o.requests && r.latency == o.latency && r.queue == o.queue && r.handled == o.handled
}

// source reads the metrics of one server. Only one goroutine may use it.
type source interface {
	read(ctx context.Context) (reading, error)
	batches() bool // whether it has the sizes of batches
	close()
}

// sources are those of all servers.
type sources []source

// openSources opens the metrics of all servers. Metrics that were not asked for and cannot be read are no error: why says it.
func openSources(ctx context.Context, c Config, d description) (all sources, why string, err error) {
	if c.Metrics != nil && len(c.Metrics) != len(c.Management) {
		return nil, "", fmt.Errorf("metrics: %d addresses for %d servers: give one for each, in the same order", len(c.Metrics), len(c.Management))
	}
	for i, management := range c.Management {
		at, err := "", error(nil)
		if c.Metrics != nil {
			at = c.Metrics[i]
		} else if usual, ok := usualPort(management, map[string]string{"8081": "8082", "8444": "8445"}); ok {
			at = usual
		} else {
			err = fmt.Errorf("the metrics address does not follow from %s, whose port is not 8081: give it with --metrics URL", management)
		}
		var s source
		if err == nil {
			s, err = openSource(ctx, c, at, d)
		}
		if err != nil {
			all.close()
			if c.Metrics != nil {
				return nil, "", fmt.Errorf("metrics: %w", err)
			}
			return nil, err.Error(), nil
		}
		all = append(all, s)
	}
	return all, "", nil
}

// openSource opens the metrics at a URL or in a folder.
func openSource(ctx context.Context, c Config, at string, d description) (source, error) {
	if !strings.Contains(at, "://") {
		return openLogs(at, d)
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/metrics"
	}
	s := &scraper{api: newClient(c, ""), at: u.String(), name: d.Name, version: d.Version}
	if _, err := s.read(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// set returns the metrics that the servers report in addition to their answers.
func (all sources) set() trial.MetricSet {
	m := trial.MetricSet{Breakdown: len(all) > 0, Batches: len(all) > 0}
	for _, s := range all {
		m.Batches = m.Batches && s.batches()
	}
	return m
}

// read returns the sums over all servers.
func (all sources) read(ctx context.Context) (reading, error) {
	begin := time.Now()
	var sum reading
	var errs []error
	for _, s := range all {
		r, err := s.read(ctx)
		errs = append(errs, err)
		sum.add(r)
	}
	sum.at = begin.Add(time.Since(begin) / 2)
	return sum, errors.Join(errs...)
}

func (all sources) close() {
	for _, s := range all {
		s.close()
	}
}

const (
	lastWait   = time.Second // for what the server writes after an answer
	minAnswers = 20          // in the window
)

// watcher reads the metrics while a load runs; nil without metrics.
type watcher = drive.Watcher[reading]

// watch begins to read.
func (all sources) watch(ctx context.Context) *watcher {
	if len(all) == 0 {
		return nil
	}
	return drive.Watch(ctx, all.read)
}

// end reads until nothing changes any more.
func end(ctx context.Context, w *watcher) {
	if w != nil {
		w.End(ctx)
		w.Settle(ctx, lastWait, reading.same)
	}
}

// figures sets the parts of a request's time and the batches of a result, or returns why they are missing.
func figures(w *watcher, run load.Result, out *trial.Result) error {
	first, last, err := w.Window(run, out.WarmupSeconds)
	if err != nil {
		return err
	}
	answers, mean := answersBetween(run, first.at, last.at)
	if answers < minAnswers {
		return fmt.Errorf("fewer than %d answers between two readings", minAnswers)
	}
	return last.since(first).figures(answers, mean, out)
}

// answersBetween returns the number of successful answers in a time, and the mean of their latencies in milliseconds.
func answersBetween(run load.Result, from, to time.Time) (n int, mean float64) {
	a, b := from.Sub(run.Start), to.Sub(run.Start)
	var sum time.Duration
	for _, s := range run.Samples {
		if end := s.Planned + s.Latency; s.Outcome == load.OK && end > a && end <= b {
			n++
			sum += s.Latency
		}
	}
	return n, float64(sum) / float64(time.Millisecond) / float64(n)
}

// maxAbove is the factor by which the mean time on the server may be above the mean latency that the clients saw: the ends of the window
// differ by a few answers.
const maxAbove = 1.1

// figures sets what the sums over a window with this number of answers say.
func (r reading) figures(answers int, meanLatency float64, out *trial.Result) error {
	ms := func(microseconds float64) float64 { return microseconds / 1000 / float64(answers) }
	latency, queue := ms(r.latency), ms(r.queue)
	switch {
	case r.latency < 0 || r.queue < 0:
		return errors.New("the counters have decreased: the server was started again")
	case r.latency == 0:
		return errors.New("the counters have not changed")
	case latency > maxAbove*meanLatency || queue > latency:
		return fmt.Errorf("the counters do not fit the answers: %.3g ms on the server, %.3g in the queue, %.3g for the clients", latency, queue, meanLatency)
	}
	out.Breakdown = trial.Breakdown{Queue: trial.NumOf(queue), Execution: trial.NumOf(latency - queue)}
	if r.handled > 0 {
		out.Breakdown.Handler = trial.NumOf(r.handler / r.handled)
	}
	rows, batches := 0, 0
	for size, n := range r.sizes {
		rows, batches = rows+size*n, batches+n
	}
	if batches > 0 {
		out.Batches = trial.Batches{Mean: trial.NumOf(float64(rows) / float64(batches)), Sizes: r.sizes}
	}
	return nil
}

// isFolder returns an error if a path is no folder.
func isFolder(path string) error {
	switch info, err := os.Stat(path); {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder: give the folder of ts_metrics.log, or a URL", path)
	}
	return nil
}
