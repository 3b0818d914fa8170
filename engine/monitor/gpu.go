package monitor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
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
}

// GPU samples one device. Only one goroutine may use it.
type GPU interface {
	// Devices returns all GPUs of the machine; the caller must not change it. Any
	// goroutine may call it.
	Devices() []Device
	// Sample reads the chosen device. It checks ctx only before it calls the driver,
	// because that call cannot be cancelled.
	Sample(ctx context.Context) (GPUSample, error)
	// Close frees the driver; no other method may be called after it.
	Close() error
}

// GPUOptions selects a GPU.
type GPUOptions struct {
	Device  string // as the value of the knob: gpu, gpu:N, gpu:UUID; "" is gpu
	Visible string // CUDA_VISIBLE_DEVICES of the process that uses it; "" is unset
	PID     int    // process for OwnMemoryBytes; 0 is none
	Library string // path of the NVML library; "" is the system's
}

// NoGPU returns a GPU whose samples have only the reason.
func NoGPU(reason string) GPU { return noGPU(reason) }

type noGPU string

func (noGPU) Devices() []Device { return nil }
func (noGPU) Close() error      { return nil }
func (n noGPU) Sample(context.Context) (GPUSample, error) {
	return GPUSample{Reason: string(n)}, nil
}

// chooseDevice resolves the value of the device knob to an index into devices. CUDA numbers
// only the visible devices, in their given order, so gpu:0 may be any of them.
func chooseDevice(devices []Device, visible, want string) (int, error) {
	order, err := cudaOrder(devices, visible)
	if err != nil {
		return 0, err
	}
	name := strings.TrimPrefix(strings.TrimPrefix(want, "gpu"), ":")
	if name == "" {
		name = "0"
	}
	n, err := strconv.Atoi(name)
	switch {
	case err == nil && n >= 0 && n < len(order):
		return order[n], nil
	case err == nil:
		return 0, fmt.Errorf("no device %s: there are %d usable GPUs", want, len(order))
	}
	if i := byUUID(devices, name); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("no device %s: want gpu, gpu:N or gpu:UUID", want)
}

// cudaOrder returns the devices in CUDA's order. Like CUDA it ends at the first unknown name.
func cudaOrder(devices []Device, visible string) ([]int, error) {
	var order []int
	if visible == "" {
		for i := range devices {
			order = append(order, i)
		}
		return order, nil
	}
	for name := range strings.SplitSeq(visible, ",") {
		name = strings.TrimSpace(name)
		if strings.HasPrefix(strings.ToUpper(name), "MIG-") {
			return nil, errors.New("n/a (MIG): a MIG instance cannot be monitored")
		}
		i, err := strconv.Atoi(name)
		if err != nil {
			i = byUUID(devices, name)
		}
		if i < 0 || i >= len(devices) {
			break
		}
		order = append(order, i)
	}
	return order, nil
}

// byUUID returns the index of the only device whose UUID begins with prefix, or -1.
func byUUID(devices []Device, prefix string) int {
	found := -1
	for i, d := range devices {
		if prefix == "" || len(d.UUID) < len(prefix) || !strings.EqualFold(d.UUID[:len(prefix)], prefix) {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = i
	}
	return found
}
