package monitor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Device is what does not change about a GPU.
type Device struct {
	Index       int     `json:"index"` // NVML's, by PCI bus; CUDA may count otherwise
	UUID        string  `json:"uuid"`
	Name        string  `json:"name"`
	Driver      string  `json:"driver"`
	MemoryBytes Reading `json:"memory_bytes"`
	PowerLimitW Reading `json:"power_limit_w"`
	MaxSMMHz    Reading `json:"max_sm_mhz"`
	MIG         bool    `json:"mig"` // partitioned: its utilization cannot be read
}

// GPUSample is one reading of a GPU. Reason says why figures are n/a.
type GPUSample struct {
	At             time.Time `json:"at"`
	UUID           string    `json:"uuid"`
	Percent        Reading   `json:"percent"`      // share of time with any kernel running; 100 is not saturation
	MemoryBytes    Reading   `json:"memory_bytes"` // in use, by all processes
	OwnMemoryBytes Reading   `json:"own_memory_bytes"`
	PowerW         Reading   `json:"power_w"`  // on most products the mean of the last second
	EnergyJ        Reading   `json:"energy_j"` // since the driver was loaded
	TemperatureC   Reading   `json:"temperature_c"`
	SMMHz          Reading   `json:"sm_mhz"`
	Throttled      *bool     `json:"throttled"` // the clock is held down by heat or power
	Throttle       []string  `json:"throttle,omitempty"`
	Reason         string    `json:"reason,omitempty"`
}

// GPU is a source of samples of one device. One goroutine uses it.
type GPU interface {
	// Devices lists all GPUs of the machine; the caller may not change it. It
	// may be called from any goroutine.
	Devices() []Device
	// Sample reads the chosen device. A call into a driver cannot be
	// cancelled: ctx is only looked at before it.
	Sample(ctx context.Context) (GPUSample, error)
	// Close frees the driver; nothing may be called after it.
	Close() error
}

// GPUOptions says which GPU to watch.
type GPUOptions struct {
	Device  string // as the knob has it: gpu, gpu:N, gpu:UUID; "" is gpu
	Visible string // CUDA_VISIBLE_DEVICES of the process that uses it; "" is unset
	PID     int    // whose memory OwnMemoryBytes is; 0 is nobody's
	Library string // path of the NVML library; "" is the system's
}

// NoGPU is a GPU that cannot be read, with the reason.
func NoGPU(reason string) GPU { return noGPU(reason) }

type noGPU string

func (noGPU) Devices() []Device { return nil }
func (noGPU) Close() error      { return nil }
func (n noGPU) Sample(context.Context) (GPUSample, error) {
	return GPUSample{Reason: string(n)}, nil
}

// choose resolves a device knob to an index into devices. CUDA numbers only the
// visible devices, in the order given, so gpu:0 may be any of them.
func choose(devices []Device, visible, want string) (int, error) {
	order, err := visibleOrder(devices, visible)
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

// visibleOrder is CUDA's order. Like CUDA it ends at the first name that is no
// device.
func visibleOrder(devices []Device, visible string) ([]int, error) {
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
			return nil, errors.New("n/a (MIG): a MIG instance cannot be watched")
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

// byUUID finds the only device whose UUID begins with prefix, or -1.
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
