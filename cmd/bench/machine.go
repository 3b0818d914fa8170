package main

import (
	"context"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/monitor"
	"sweetspot/profiles"
)

// describe tells what the figures were measured on. Its noise is how far a fixed
// piece of work on one core differs from itself, with nothing thrown away.
func describe(ctx context.Context, cores int, seed uint64) (judge.Machine, error) {
	m := profiles.ReadMachine(os.DirFS("/"), cores)
	noise := watch(os.Getpid())
	noise()
	r, err := judge.Paired(ctx, judge.Plan{Blocks: 32, Length: 20 * time.Millisecond, Seed: seed}, work, work)
	if err != nil {
		return judge.Machine{}, err
	}
	return judge.Machine{
		CPU: m.CPU, Cores: m.Cores, System: m.OS + "/" + m.Arch + " " + runtime.Version(),
		AA: r.AA, Others: noise(), Pinning: "not pinned",
	}, nil
}

// work is the fixed piece of work: pieces per second of one core.
func work(_ context.Context, d time.Duration) (float64, error) {
	const piece = 1 << 14
	start, state := time.Now(), uint64(1)
	for n := 1.; ; n++ {
		for range piece {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
		}
		// The state never becomes 0; asking keeps the work from being left out.
		if took := time.Since(start); took >= d && state != 0 {
			return n / took.Seconds(), nil
		}
	}
}

// watch tells what the hypervisor and other processes took of the machine; the
// processes named are the measurement's own. It may be asked every 100 ms or
// slower, which is what the kernel's counters resolve.
func watch(own ...int) judge.Noise {
	cores, err := cpu.Counts(true) // the machine's, which are more than ours in a container
	if err != nil {
		cores = runtime.NumCPU()
	}
	samplers := make([]*monitor.Sampler, len(own))
	for i, pid := range own {
		samplers[i] = monitor.NewSampler(pid)
	}
	return func() judge.Disturbance {
		d := judge.Disturbance{Steal: math.NaN()}
		for i, s := range samplers {
			h := s.Sample()
			d.Foreign -= share(h.CPUPercent) / float64(cores)
			if i == 0 { // every sampler sees the same machine
				// What the kernel does for packets is nobody's in its books, and mostly ours.
				d.Foreign += share(h.BusyPercent) - share(h.IRQPercent)
				d.Steal = share(h.StealPercent)
			}
		}
		if d.Foreign < 0 { // the two counters tick apart
			d.Foreign = 0
		}
		return d
	}
}

// share is a percentage as a share; NaN for n/a.
func share(r monitor.Reading) float64 {
	v, ok := r.Get()
	if !ok {
		return math.NaN()
	}
	return v / 100
}
