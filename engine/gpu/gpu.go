// Package gpu numbers the GPUs of a machine as CUDA does, resolves the values of the device
// knob, and divides workers among GPUs.
//
// [Visible] applies CUDA_VISIBLE_DEVICES to a list of devices, [Choose] resolves a value such as
// gpu:1 to the devices that it names, and a [Placer] gives each worker one of them. Nothing here
// calls a driver: a list of devices comes from package monitor or from a test.
package gpu

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Device is a GPU, or a MIG instance of one.
type Device struct {
	Index  int    // of the driver, by PCI bus
	UUID   string // GPU-... or MIG-...
	Name   string // for people
	Parent string // of a MIG instance: the UUID of its GPU; "" for a whole GPU
	Split  bool   // divided into MIG instances: CUDA cannot use it as a whole
	Memory int64  // bytes; 0 is unknown
}

// Mask is the value of CUDA_VISIBLE_DEVICES. The zero value means that it is not set.
type Mask struct {
	Text string
	Set  bool // an empty text that is set hides all devices
}

// none reports whether the text hides all devices by name. CUDA hides all devices for any text that names none; these
// are the usual ones, of CUDA, Slurm and container runtimes.
func (m Mask) none() bool {
	switch strings.ToLower(strings.TrimSpace(m.Text)) {
	case "", "-1", "nodevfiles", "none", "void":
		return m.Set
	}
	return false
}

// Visible returns the devices that CUDA numbers 0, 1, ..., in this order. all has the whole GPUs in the
// order of the driver, each followed by its MIG instances. Without a mask these are all whole GPUs
// or, if one is divided, its first instance, because CUDA uses one MIG instance in a process. As in CUDA the list
// ends at the first name that is unknown, so that "1,9,0" is only GPU 1.
func Visible(all []Device, m Mask) []Device {
	if m.none() {
		return nil
	}
	if !m.Set {
		return usable(all)
	}
	var out []Device
	for name := range strings.SplitSeq(m.Text, ",") {
		d, ok := find(all, strings.TrimSpace(name))
		switch {
		case !ok:
			return out
		case d.Parent != "":
			return []Device{d}
		}
		out = append(out, d)
	}
	return out
}

// usable returns what CUDA uses without a mask.
func usable(all []Device) []Device {
	var whole []Device
	for _, d := range all {
		if d.Parent == "" && !d.Split {
			whole = append(whole, d)
		}
	}
	for _, d := range all {
		if d.Parent != "" && len(whole) == 0 {
			return []Device{d}
		}
	}
	return whole
}

// find returns the device with an index or with a UUID that begins with name. A divided GPU stands
// for its first instance.
func find(all []Device, name string) (Device, bool) {
	i := -1
	if n, err := strconv.Atoi(name); err == nil {
		for k, d := range all {
			if d.Parent == "" && d.Index == n {
				i = k
			}
		}
	} else {
		i = byUUID(all, name)
	}
	if i < 0 {
		return Device{}, false
	}
	if d := all[i]; !d.Split {
		return d, true
	}
	for _, d := range all {
		if d.Parent == all[i].UUID {
			return d, true
		}
	}
	return Device{}, false
}

// byUUID returns the index of the only device whose UUID begins with prefix, or -1.
func byUUID(all []Device, prefix string) int {
	found := -1
	for i, d := range all {
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

// Choose returns the numbers of the visible devices that a value of the device knob names: all for
// gpu, one for gpu:N and gpu:UUID. A UUID may be shortened as long as it names one device.
func Choose(visible []Device, device string) ([]int, error) {
	class, id, named := strings.Cut(device, ":")
	switch {
	case class != "gpu" && class != "":
		return nil, fmt.Errorf("device: %q is no GPU; want gpu, gpu:N or gpu:UUID", device)
	case len(visible) == 0:
		return nil, fmt.Errorf("device: there is no usable GPU")
	case !named:
		out := make([]int, len(visible))
		for i := range out {
			out[i] = i
		}
		return out, nil
	}
	if n, err := strconv.Atoi(id); err == nil {
		if n < 0 || n >= len(visible) {
			return nil, fmt.Errorf("device: there is no %s; %s", device, usableText(visible))
		}
		return []int{n}, nil
	}
	if i := byUUID(visible, id); i >= 0 {
		return []int{i}, nil
	}
	return nil, fmt.Errorf("device: there is no %s, or several begin so; %s", device, usableText(visible))
}

// usableText lists the devices: "usable: gpu:0 (NVIDIA A10, GPU-12ab)".
func usableText(visible []Device) string {
	texts := make([]string, len(visible))
	for i, d := range visible {
		texts[i] = fmt.Sprintf("gpu:%d", i)
		if d.Name != "" || d.UUID != "" {
			texts[i] += " (" + strings.Trim(d.Name+", "+d.UUID, ", ") + ")"
		}
	}
	return "usable: " + strings.Join(texts, ", ")
}

// Placer gives workers GPUs. Its zero value has placed none; it is safe for concurrent use.
//
// A worker gets the GPU with the fewest workers of all models. Among equals it is the next one after
// that of the worker before, as TorchServe does with one counter for all models: the first worker of
// a machine with 2 GPUs gets GPU 1, the second GPU 0. TorchServe counts on when workers end, so that
// its GPUs can have unequal numbers; this one fills the gap.
type Placer struct {
	mu      sync.Mutex
	workers map[int]int
	last    int
}

// Take returns the number of one of the devices among, which must not be empty, and counts the worker there.
func (p *Placer) Take(among []int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	start := 0
	for i, n := range among {
		if n == p.last {
			start = i + 1
		}
	}
	best := among[start%len(among)]
	for i := range among {
		if n := among[(start+i)%len(among)]; p.workers[n] < p.workers[best] {
			best = n
		}
	}
	if p.workers == nil {
		p.workers = map[int]int{}
	}
	p.workers[best]++
	p.last = best
	return best
}

// Release returns what Take has returned, once.
func (p *Placer) Release(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers[n]--
}

// Workers returns how many workers each of n devices has.
func (p *Placer) Workers(n int) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]int, n)
	for i := range out {
		out[i] = p.workers[i]
	}
	return out
}

// StartWorkers is the number of workers with which a model starts: the GPUs divided among the
// models, at least 1. TorchServe starts one worker for each GPU of each model.
func StartWorkers(gpus, models int) int {
	return max(1, gpus/max(1, models))
}
