package monitor

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/engine/gpu"
)

// Device has the constant properties of a GPU.
type Device struct {
	Index       int     `json:"index"` // of NVML, by PCI bus; CUDA may use another order
	UUID        string  `json:"uuid"`
	Name        string  `json:"name"`
	Driver      string  `json:"driver"`
	MemoryBytes Reading `json:"memory_bytes"`
	PowerLimitW Reading `json:"power_limit_w"`
	MaxSMMHz    Reading `json:"max_sm_mhz"`
	MIG         bool    `json:"mig"` // partitioned, so that its utilization cannot be read
	// Instances are the MIG instances of a partitioned GPU.
	Instances []Instance `json:"instances,omitempty"`
}

// Instance is a MIG instance.
type Instance struct {
	UUID        string  `json:"uuid"`
	MemoryBytes Reading `json:"memory_bytes"`
}

// Numbered returns the devices as package gpu takes them: each GPU, followed by its MIG instances.
func Numbered(devices []Device) []gpu.Device {
	var out []gpu.Device
	for _, d := range devices {
		out = append(out, gpu.Device{Index: d.Index, UUID: d.UUID, Name: d.Name, Split: d.MIG, Memory: int64(d.MemoryBytes.or(0))})
		for _, i := range d.Instances {
			out = append(out, gpu.Device{Index: d.Index, UUID: i.UUID, Name: d.Name + " (MIG)", Parent: d.UUID, Memory: int64(i.MemoryBytes.or(0))})
		}
	}
	return out
}

// GPUSample is one sample of a GPU. Reason says why figures are n/a.
type GPUSample struct {
	At             time.Time `json:"at"`
	UUID           string    `json:"uuid"`
	Percent        Reading   `json:"percent"`      // percentage of time with a running kernel; 100 does not mean saturated
	MemoryBytes    Reading   `json:"memory_bytes"` // in use, by all processes
	OwnMemoryBytes Reading   `json:"own_memory_bytes"`
	PowerW         Reading   `json:"power_w"`  // mean of the last second on most products
	EnergyJ        Reading   `json:"energy_j"` // since the driver was loaded
	TemperatureC   Reading   `json:"temperature_c"`
	SMMHz          Reading   `json:"sm_mhz"`
	Throttled      *bool     `json:"throttled"` // heat or power limits the clock
	Throttle       []string  `json:"throttle,omitempty"`
	Reason         string    `json:"reason,omitempty"`

	Each []GPUSample `json:"each,omitempty"` // of several GPUs: the sample of each
}

// GPU samples the chosen devices. Only one goroutine may use it.
type GPU interface {
	// Devices returns all GPUs of the machine; the caller must not change it. Any
	// goroutine may call it.
	Devices() []Device
	// Sample reads the chosen devices and joins their samples. It checks ctx only before it calls the driver,
	// because that call cannot be cancelled.
	Sample(ctx context.Context) (GPUSample, error)
	// Close frees the driver; no other method may be called after it.
	Close() error
}

// GPUOptions selects GPUs.
type GPUOptions struct {
	Device  string   // as the value of the knob: gpu (all visible ones), gpu:N, gpu:UUID; "" is gpu
	Visible gpu.Mask // CUDA_VISIBLE_DEVICES of the process that uses them
	PID     int      // process for OwnMemoryBytes; 0 is none
	Library string   // path of the NVML library; "" is the system's
}

// NoGPU returns a GPU whose samples have only the reason.
func NoGPU(reason string) GPU { return noGPU(reason) }

type noGPU string

func (noGPU) Devices() []Device { return nil }
func (noGPU) Close() error      { return nil }
func (n noGPU) Sample(context.Context) (GPUSample, error) {
	return GPUSample{Reason: string(n)}, nil
}

// choose returns which of all devices a sampler reads: those that the value of the device knob
// names among the visible ones.
func choose(all []gpu.Device, o GPUOptions) ([]gpu.Device, error) {
	visible := gpu.Visible(all, o.Visible)
	if len(visible) == 0 && len(all) > 0 && o.Visible.Set {
		return nil, fmt.Errorf("CUDA_VISIBLE_DEVICES=%q hides all GPUs", o.Visible.Text)
	}
	numbers, err := gpu.Choose(visible, o.Device)
	if err != nil {
		return nil, err
	}
	out := make([]gpu.Device, len(numbers))
	for i, n := range numbers {
		out[i] = visible[n]
	}
	return out, nil
}

// together joins the samples of several GPUs: the busiest, the largest memory, the sum of power and
// energy, and the slowest clock. A sum is n/a if a part of it is.
func together(each []GPUSample) GPUSample {
	if len(each) == 1 {
		return each[0]
	}
	out := GPUSample{UUID: each[0].UUID, PowerW: Of(0), EnergyJ: Of(0), Each: each}
	for _, s := range each {
		out.Percent, out.MemoryBytes = larger(out.Percent, s.Percent), larger(out.MemoryBytes, s.MemoryBytes)
		out.OwnMemoryBytes, out.TemperatureC = larger(out.OwnMemoryBytes, s.OwnMemoryBytes), larger(out.TemperatureC, s.TemperatureC)
		out.PowerW, out.EnergyJ = plus(out.PowerW, s.PowerW), plus(out.EnergyJ, s.EnergyJ)
		if v, ok := s.SMMHz.Get(); ok && v < out.SMMHz.or(math.Inf(1)) {
			out.SMMHz = s.SMMHz
		}
		if s.Throttled != nil && (out.Throttled == nil || *s.Throttled) {
			out.Throttled = s.Throttled
		}
		for _, reason := range s.Throttle {
			if !slices.Contains(out.Throttle, reason) {
				out.Throttle = append(out.Throttle, reason)
			}
		}
		out.Reason = cmp.Or(out.Reason, s.Reason)
	}
	return out
}

func larger(a, b Reading) Reading {
	if v, ok := b.Get(); ok && v > a.or(math.Inf(-1)) {
		return b
	}
	return a
}

func plus(a, b Reading) Reading {
	x, ok := a.Get()
	y, both := b.Get()
	if !ok || !both {
		return Reading{}
	}
	return Of(x + y)
}
