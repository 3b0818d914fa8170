package metrics

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/monitor"
)

// TorchServe's metrics, with its names, labels and units.
var (
	modelLabels = []string{"model_name", "model_version", "hostname"}
	hostLabels  = []string{"Level", "Hostname"}
	levelLabels = []string{"ModelName", "Level", "Hostname"}

	inferenceRequests = family{name: "ts_inference_requests_total", help: "Predictions that were asked for, also those that were refused.", labels: modelLabels, unit: "Count"}
	inferenceLatency  = family{name: "ts_inference_latency_microseconds", help: "Sum of the times of successful predictions in the engine, in microseconds.", labels: modelLabels, unit: "Microseconds"}
	queueLatency      = family{name: "ts_queue_latency_microseconds", help: "Sum of the times that successful predictions waited for their batch to be sent, in microseconds.", labels: modelLabels, unit: "Microseconds"}

	requests2XX = family{name: "Requests2XX", help: "Answers with a status from 200 to 299.", labels: hostLabels, unit: "Count"}
	requests4XX = family{name: "Requests4XX", help: "Answers with a status from 400 to 499.", labels: hostLabels, unit: "Count"}
	requests5XX = family{name: "Requests5XX", help: "Answers with any other status.", labels: hostLabels, unit: "Count"}

	queueTime      = family{name: "QueueTime", help: "Wait of the last request that was sent to a worker, in ms.", labels: hostLabels, unit: "Milliseconds"}
	workerLoadTime = family{name: "WorkerLoadTime", help: "Time from the start of a worker until it was ready, in ms.", labels: []string{"WorkerName", "Level", "Hostname"}, unit: "Milliseconds"}
	predictionTime = family{name: "PredictionTime", help: "Time of the last batch in its worker, in ms.", labels: levelLabels, unit: "ms", backend: true}
	handlerTime    = family{name: "HandlerTime", help: "Time of the last batch in its worker, in ms.", labels: levelLabels, unit: "ms", backend: true}

	cpuUtilization    = family{name: "CPUUtilization", help: "Busy share of the cores since the scrape before, in percent.", labels: hostLabels, unit: "Percent", system: true}
	memoryUsed        = family{name: "MemoryUsed", help: "Used memory of the machine, in MiB.", labels: hostLabels, unit: "Megabytes", system: true}
	memoryAvailable   = family{name: "MemoryAvailable", help: "Available memory of the machine, in MiB.", labels: hostLabels, unit: "Megabytes", system: true}
	memoryUtilization = family{name: "MemoryUtilization", help: "Used share of the machine's memory, in percent.", labels: hostLabels, unit: "Percent", system: true}
	diskUsage         = family{name: "DiskUsage", help: "Used size of the root file system, in GiB.", labels: hostLabels, unit: "Gigabytes", system: true}
	diskAvailable     = family{name: "DiskAvailable", help: "Available size of the root file system, in GiB.", labels: hostLabels, unit: "Gigabytes", system: true}
	diskUtilization   = family{name: "DiskUtilization", help: "Used share of the root file system, in percent.", labels: hostLabels, unit: "Percent", system: true}
)

// TorchServe's metrics of each GPU.
var (
	gpuLabels      = []string{"Level", "DeviceId", "Hostname"}
	gpuUtilization = family{name: "GPUUtilization", help: "Share of time in which the GPU ran a kernel, in percent.", labels: gpuLabels, unit: "Percent", system: true}
	gpuMemoryUsed  = family{name: "GPUMemoryUsed", help: "Used memory of the GPU, in MiB.", labels: gpuLabels, unit: "Megabytes", system: true}
)

// The values of the label Level.
const (
	hostLevel  = "Host"
	modelLevel = "Model"
)

// torchserve sends the metrics of predictions, which the mode legacy has too.
func (c *collector) torchserve(v measured) {
	labels := []string{v.model.Name, v.model.Version, c.Hostname}
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	c.counter(&inferenceRequests, float64(v.Requests), labels...)
	c.counter(&inferenceLatency, micros(v.OKTime), labels...)
	c.counter(&queueLatency, micros(v.OKWait), labels...)
}

// lastSamples sends the gauges that TorchServe sets with each request or batch. They are
// samples, and no means.
func (c *collector) lastSamples(all []measured) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	var wait time.Duration
	runs := map[string]time.Duration{}
	for _, v := range all {
		name := v.model.Name
		wait = max(wait, v.LastWait)
		runs[name] = max(runs[name], v.LastRun)
		for _, w := range v.service.Workers() {
			c.gauge(&workerLoadTime, ms(w.Loading), workerName(w.ID, v.model), hostLevel, c.Hostname)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(runs)) {
		run := runs[name]
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
	GPUs []monitor.GPUSample // by their index
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
	for i, g := range h.GPUs {
		id := strconv.Itoa(i)
		if v, ok := g.Percent.Get(); ok {
			c.gauge(&gpuUtilization, v, hostLevel, id, c.Hostname)
		}
		if v, ok := g.MemoryBytes.Get(); ok {
			c.gauge(&gpuMemoryUsed, v/mib, hostLevel, id, c.Hostname)
		}
	}
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
