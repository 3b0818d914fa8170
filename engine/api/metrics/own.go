package metrics

import (
	"slices"

	"sweetspot/engine"
)

// prefix is that of the names of our own metrics. They follow Prometheus's rules: base units,
// and _total for counters.
const prefix = "sweetspot_"

var (
	version  = []string{"model", "version"}
	byReason = []string{"model", "version", "reason"}

	requests      = family{prefix + "requests_total", "Predictions that were asked for, also those that were refused.", version}
	rejections    = family{prefix + "rejections_total", "Requests that were not queued, by reason.", byReason}
	rows          = family{prefix + "rows_total", "Rows of requests by outcome: ok, failed, cancelled before they ran, expired before they ran.", []string{"model", "version", "outcome"}}
	batches       = family{prefix + "batches_total", "Batches by the reason for which they were sent to a worker.", byReason}
	failedBatches = family{prefix + "failed_batches_total", "Batches that failed as a whole, even if their rows succeeded when they ran again alone.", version}
	lostSessions  = family{prefix + "lost_sessions_total", "Sessions that could not run any more and were replaced.", version}
	batchSize     = family{prefix + "batch_size", "Rows in the batches that ran.", version}
	batchLimit    = family{prefix + "batch_size_limit", "Most rows in a batch.", version}
	queueRows     = family{prefix + "queue_rows", "Rows that wait.", version}
	queueLimit    = family{prefix + "queue_rows_limit", "Most rows that may wait.", version}
	inFlight      = family{prefix + "in_flight_rows", "Rows that are taken into a batch and not answered.", version}
	workers       = family{prefix + "workers", "Workers by state: ready, or lost without a session.", []string{"model", "version", "state"}}
	ready         = family{prefix + "ready", "Whether the version can answer requests now.", version}
	requestTime   = family{prefix + "request_duration_seconds", "Time of rows that succeeded, from their arrival in the queue to the end of their batch.", version}
	waitTime      = family{prefix + "queue_duration_seconds", "Time of rows from their arrival in the queue until their batch was sent to a worker.", version}
	runTime       = family{prefix + "batch_duration_seconds", "Time of batches in their worker: the model latency.", version}
	stageTime     = family{prefix + "stage_seconds_total", "Sums of the times of rows, by stage.", []string{"model", "version", "stage"}}
	busyTime      = family{prefix + "busy_seconds_total", "Sum of the times in which workers ran batches.", version}

	responses          = family{prefix + "http_responses_total", "Answers of all listeners.", []string{"route", "code"}}
	requestMemory      = family{prefix + "request_memory_bytes", "Memory of the requests that are being read and decoded.", nil}
	requestMemoryLimit = family{prefix + "request_memory_limit_bytes", "Most memory of all requests.", nil}
	memoryRefusals     = family{prefix + "request_memory_refusals_total", "Requests that were refused because they did not fit into that memory.", nil}
)

// model sends our metrics of a version.
func (c *collector) model(s *engine.ModelService) {
	m, v := s.Model(), s.Measurements()
	of := []string{m.Name, m.Version}
	and := func(last string) []string { return []string{m.Name, m.Version, last} }
	c.counter(&requests, float64(v.Requests), of...)
	for r, n := range v.Rejected {
		c.counter(&rejections, float64(n), and(r.String())...)
	}
	c.counter(&rejections, float64(v.Invalid), and("invalid_body")...)
	for outcome, n := range map[string]int64{"ok": v.OK, "failed": v.Failed, "cancelled": v.Cancelled, "expired": v.Expired} {
		c.counter(&rows, float64(n), and(outcome)...)
	}
	for r, n := range v.Left {
		c.counter(&batches, float64(n), and(r.String())...)
	}
	c.counter(&failedBatches, float64(v.FailedBatches), of...)
	c.counter(&lostSessions, float64(v.LostSessions), of...)
	c.sizes(v.Sizes, of)
	c.gauge(&batchLimit, float64(v.BatchSize), of...)
	c.gauge(&queueRows, float64(v.Queue), of...)
	c.gauge(&queueLimit, float64(v.QueueSize), of...)
	c.gauge(&inFlight, float64(v.InFlight), of...)
	c.gauge(&workers, float64(v.WorkersReady), and("ready")...)
	c.gauge(&workers, float64(v.Workers-v.WorkersReady), and("lost")...)
	c.gauge(&ready, boolean(s.CanAnswer()), of...)
	c.durations(&requestTime, v.RequestTimes, of...)
	c.durations(&waitTime, v.Waits, of...)
	c.durations(&runTime, v.RunTimes, of...)
	for stage, ns := range map[string]int64{
		"decode": v.DecodeNS, "queue": v.QueueNS, "formation": v.FormationNS, "execution": v.ExecutionNS, "encode": v.EncodeNS,
	} {
		c.counter(&stageTime, float64(ns)/1e9, and(stage)...)
	}
	c.counter(&busyTime, float64(v.BusyNS)/1e9, of...)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// sizeBounds are the upper bounds of the buckets of batch sizes.
var sizeBounds = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}

// sizes sends the histogram of batch sizes.
func (c *collector) sizes(bySize map[int]int64, of []string) {
	sum, counts := 0.0, make([]int64, len(sizeBounds)+1)
	for size, n := range bySize {
		sum += float64(size) * float64(n)
		i, _ := slices.BinarySearch(sizeBounds, float64(size))
		counts[i] += n
	}
	c.histogram(&batchSize, sizeBounds, counts, sum, of...)
}
