package metrics

import (
	"slices"
)

// prefix is that of the names of our own metrics. They follow Prometheus's rules: base units,
// and _total for counters.
const prefix = "sweetspot_"

var (
	version  = []string{"model", "version"}
	byReason = []string{"model", "version", "reason"}

	requests      = family{name: prefix + "requests_total", help: "Predictions that were asked for, also those that were refused.", labels: version}
	rejections    = family{name: prefix + "rejections_total", help: "Requests that were not queued, by reason.", labels: byReason}
	rows          = family{name: prefix + "rows_total", help: "Rows of requests by outcome: ok, failed, cancelled before they ran, expired before they ran.", labels: []string{"model", "version", "outcome"}}
	batches       = family{name: prefix + "batches_total", help: "Batches by the reason for which they were sent to a worker.", labels: byReason}
	failedBatches = family{name: prefix + "failed_batches_total", help: "Batches that failed as a whole, even if their rows succeeded when they ran again alone.", labels: version}
	lostSessions  = family{name: prefix + "lost_sessions_total", help: "Sessions that could not run any more and were replaced.", labels: version}
	batchSize     = family{name: prefix + "batch_size", help: "Rows in the batches that ran.", labels: version}
	batchLimit    = family{name: prefix + "batch_size_limit", help: "Most rows in a batch.", labels: version}
	queueRows     = family{name: prefix + "queue_rows", help: "Rows that wait.", labels: version}
	queueLimit    = family{name: prefix + "queue_rows_limit", help: "Most rows that may wait.", labels: version}
	inFlight      = family{name: prefix + "in_flight_rows", help: "Rows that are taken into a batch and not answered.", labels: version}
	workers       = family{name: prefix + "workers", help: "Workers by state: ready, or lost without a session.", labels: []string{"model", "version", "state"}}
	ready         = family{name: prefix + "ready", help: "Whether the version can answer requests now.", labels: version}
	requestTime   = family{name: prefix + "request_duration_seconds", help: "Time of rows that succeeded, from their arrival in the queue to the end of their batch.", labels: version}
	waitTime      = family{name: prefix + "queue_duration_seconds", help: "Time of rows from their arrival in the queue until their batch was sent to a worker.", labels: version}
	runTime       = family{name: prefix + "batch_duration_seconds", help: "Time of batches in their worker: the model latency.", labels: version}
	stageTime     = family{name: prefix + "stage_seconds_total", help: "Sums of the times of rows, by stage.", labels: []string{"model", "version", "stage"}}
	busyTime      = family{name: prefix + "busy_seconds_total", help: "Sum of the times in which workers ran batches.", labels: version}

	responses          = family{name: prefix + "http_responses_total", help: "Answers of all listeners.", labels: []string{"route", "code"}}
	requestMemory      = family{name: prefix + "request_memory_bytes", help: "Memory of the requests that are being read and decoded.", labels: nil}
	requestMemoryLimit = family{name: prefix + "request_memory_limit_bytes", help: "Most memory of all requests.", labels: nil}
	memoryRefusals     = family{name: prefix + "request_memory_refusals_total", help: "Requests that were refused because they did not fit into that memory.", labels: nil}
)

// model sends our metrics of a version.
func (c *collector) model(v measured) {
	m := v.model
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
	c.gauge(&ready, boolean(v.service.CanAnswer()), of...)
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
