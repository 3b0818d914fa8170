package server

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"sweetspot/engine/api/metrics"
	"sweetspot/engine/monitor"
)

// hostSampler measures the machine for the metrics. Its first sample opens the GPUs.
type hostSampler struct {
	mu      sync.Mutex // guards everything
	sampler *monitor.Sampler
	opened  bool
	gpus    []monitor.GPU // by the index of the device
}

func newHostSampler() *hostSampler {
	h := &hostSampler{sampler: monitor.NewSampler(os.Getpid())}
	h.sampler.Sample() // the shares of the first scrape begin here
	return h
}

// gpuTime is the longest time to wait before the drivers of all GPUs are called.
const gpuTime = 2 * time.Second

// sample measures the machine now.
func (h *hostSampler) sample() metrics.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := metrics.Host{CPUPercent: h.sampler.Sample().BusyPercent, Space: monitor.MachineSpace()}
	h.openGPUs()
	ctx, cancel := context.WithTimeout(context.Background(), gpuTime)
	defer cancel()
	for _, g := range h.gpus {
		s, err := g.Sample(ctx)
		if err != nil {
			s.Reason = err.Error()
		}
		out.GPUs = append(out.GPUs, s)
	}
	return out
}

// openGPUs opens all GPUs of the machine, once.
func (h *hostSampler) openGPUs() {
	if h.opened {
		return
	}
	h.opened = true
	first := monitor.OpenGPU(monitor.GPUOptions{})
	for _, d := range first.Devices() {
		h.gpus = append(h.gpus, monitor.OpenGPU(monitor.GPUOptions{Device: "gpu:" + d.UUID}))
	}
	_ = first.Close() // the others stay open
}

// close closes the GPUs. A later sample has none.
func (h *hostSampler) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened = true
	var errs []error
	for _, g := range h.gpus {
		errs = append(errs, g.Close())
	}
	h.gpus = nil
	return errors.Join(errs...)
}
