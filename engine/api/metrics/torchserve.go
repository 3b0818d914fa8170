package metrics

import (
	"fmt"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/monitor"
)

// TorchServe's metrics, with its names, labels and units.
var (
	modelLabels = []string{"model_name", "model_version", "hostname"}
	hostLabels  = []string{"Level", "Hostname"}
	levelLabels = []string{"ModelName", "Level", "Hostname"}

	inferenceRequests = family{"ts_inference_requests_total", "Predictions that were asked for, also those that were refused.", modelLabels}
	inferenceLatency  = family{"ts_inference_latency_microseconds", "Sum of the times of successful predictions in the engine, in microseconds.", modelLabels}
	queueLatency      = family{"ts_queue_latency_microseconds", "Sum of the times that successful predictions waited for their batch to be sent, in microseconds.", modelLabels}

	requests2XX = family{"Requests2XX", "Answers with a status from 200 to 299.", hostLabels}
	requests4XX = family{"Requests4XX", "Answers with a status from 400 to 499.", hostLabels}
	requests5XX = family{"Requests5XX", "Answers with any other status.", hostLabels}

	queueTime      = family{"QueueTime", "Wait of the last request that was sent to a worker, in ms.", hostLabels}
	workerLoadTime = family{"WorkerLoadTime", "Time from the start of a worker until it was ready, in ms.", []string{"WorkerName", "Level", "Hostname"}}
	predictionTime = family{"PredictionTime", "Time of the last batch in its worker, in ms.", levelLabels}
	handlerTime    = family{"HandlerTime", "Time of the last batch in its worker, in ms.", levelLabels}

	cpuUtilization    = family{"CPUUtilization", "Busy share of the cores since the scrape before, in percent.", hostLabels}
	memoryUsed        = family{"MemoryUsed", "Used memory of the machine, in MiB.", hostLabels}
	memoryAvailable   = family{"MemoryAvailable", "Available memory of the machine, in MiB.", hostLabels}
	memoryUtilization = family{"MemoryUtilization", "Used share of the machine's memory, in percent.", hostLabels}
	diskUsage         = family{"DiskUsage", "Used size of the root file system, in GiB.", hostLabels}
	diskAvailable     = family{"DiskAvailable", "Available size of the root file system, in GiB.", hostLabels}
	diskUtilization   = family{"DiskUtilization", "Used share of the root file system, in percent.", hostLabels}
)

// The values of the label Level.
const (
	hostLevel  = "Host"
	modelLevel = "Model"
)

// torchserve sends the metrics of predictions, which the mode legacy has too.
func (c *collector) torchserve(s *engine.ModelService) {
	m, v := s.Model(), s.Measurements()
	labels := []string{m.Name, m.Version, c.Hostname}
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	c.counter(&inferenceRequests, float64(v.Requests), labels...)
	c.counter(&inferenceLatency, micros(v.OKTime), labels...)
	c.counter(&queueLatency, micros(v.OKWait), labels...)
}

// lastSamples sends the gauges that TorchServe sets with each request or batch. They are
// samples, and no means.
func (c *collector) lastSamples(all []*engine.ModelService) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	var wait time.Duration
	runs := map[string]time.Duration{}
	for _, s := range all {
		m, v := s.Model(), s.Measurements()
		wait = max(wait, v.LastWait)
		runs[m.Name] = max(runs[m.Name], v.LastRun)
		for _, w := range s.Workers() {
			c.gauge(&workerLoadTime, ms(w.Loading), workerName(w.ID, m), hostLevel, c.Hostname)
		}
	}
	for name, run := range runs {
		c.gauge(&predictionTime, ms(run), name, modelLevel, c.Hostname)
		c.gauge(&handlerTime, ms(run), name, modelLevel, c.Hostname)
	}
	c.gauge(&queueTime, ms(wait), hostLevel, c.Hostname)
}

// firstWorker is TorchServe's number of the first worker, its port.
const firstWorker = 9000

// workerName is TorchServe's name of a worker.
func workerName(id int, m *engine.Model) string {
	return fmt.Sprintf("W-%d-%s_%s", firstWorker-1+id, m.Name, m.Version)
}

// Host is the state of the machine.
type Host struct {
	CPUPercent monitor.Reading // of all cores, since the scrape before
	monitor.Space
}

// host sends the metrics of the machine.
func (c *collector) host() {
	if c.Host == nil {
		return
	}
	const mib, gib = 1 << 20, 1 << 30
	h := c.Host()
	if v, ok := h.CPUPercent.Get(); ok {
		c.gauge(&cpuUtilization, v, hostLevel, c.Hostname)
	}
	c.space(h.MemoryUsed, h.MemoryAvailable, mib, &memoryUsed, &memoryAvailable, &memoryUtilization)
	c.space(h.DiskUsed, h.DiskFree, gib, &diskUsage, &diskAvailable, &diskUtilization)
}

// space sends what is used and free in a unit, and the used share in percent.
func (c *collector) space(used, free monitor.Reading, unit float64, usedAs, freeAs, share *family) {
	u, ok := used.Get()
	f, also := free.Get()
	if !ok || !also || u+f <= 0 {
		return
	}
	c.gauge(usedAs, u/unit, hostLevel, c.Hostname)
	c.gauge(freeAs, f/unit, hostLevel, c.Hostname)
	c.gauge(share, 100*u/(u+f), hostLevel, c.Hostname)
}

// Compatible reports whether a metric has a name of TorchServe's, which breaks Prometheus's
// rules for names on purpose.
func Compatible(name string) bool {
	return !strings.HasPrefix(name, prefix)
}
