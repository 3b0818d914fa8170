//go:build !linux

package monitor

import (
	"errors"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/mem"
	ps "github.com/shirou/gopsutil/v4/process"
)

func readProcess(pid int) (process, error) {
	p, err := ps.NewProcess(int32(pid))
	if errors.Is(err, ps.ErrorProcessNotRunning) {
		return process{}, errEnded
	}
	if err != nil {
		return process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	times, err := p.Times()
	if err != nil {
		return process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	out := process{cpu: time.Duration((times.User + times.System) * float64(time.Second))}
	if ms, err := p.CreateTime(); err == nil {
		out.started = uint64(ms)
	}
	if m, err := p.MemoryInfo(); err == nil {
		out.rss = Of(float64(m.RSS))
		if m.HWM > 0 { // 0 if the system has none
			out.peak = Of(float64(m.HWM))
		}
	}
	return out, nil
}

func readMachine() (machine, error) {
	times, err := cpu.Times(false)
	if err != nil {
		return machine{}, fmt.Errorf("no counters: %w", err)
	}
	if len(times) == 0 {
		return machine{}, errors.New("the system reports no CPU times")
	}
	t := times[0]
	busy := t.User + t.Nice + t.System + t.Irq + t.Softirq
	return machine{busy: busy, irq: t.Irq + t.Softirq, steal: t.Steal, total: busy + t.Steal + t.Idle + t.Iowait}, nil
}

func machineMemory() Reading {
	m, err := mem.VirtualMemory()
	if err != nil {
		return Reading{}
	}
	return Of(float64(m.Total))
}

// childrenOf returns none: this system cannot list them cheaply.
func childrenOf(int) []int { return nil }
