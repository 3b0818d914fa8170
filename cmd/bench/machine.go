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

// describeMachine describes the machine of the figures. Its A/A interval compares
// a fixed amount of work on one core with itself, in blocks of at most the given length; no block
// is rejected.
func describeMachine(ctx context.Context, cores int, seed uint64, block time.Duration) (judge.Machine, error) {
	m := profiles.ReadMachine(os.DirFS("/"), cores)
	watch := watchDisturbance(os.Getpid())
	watch()
	r, err := judge.Paired(ctx, judge.Plan{Blocks: 32, Length: min(block, 20*time.Millisecond), Seed: seed}, work, work)
	if err != nil {
		return judge.Machine{}, err
	}
	return judge.Machine{
		CPU: m.CPU, Cores: m.Cores, System: m.OS + "/" + m.Arch + " " + runtime.Version(),
		AA: r.AA, Others: watch(), Pinning: "not pinned",
	}, nil
}

// work repeats a fixed piece of work for d and returns the pieces per second of
// one core.
func work(_ context.Context, d time.Duration) (float64, error) {
	const piece = 1 << 14
	start, state := time.Now(), uint64(1)
	for n := 1.; ; n++ {
		for range piece {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
		}
		// The state never becomes 0. The comparison prevents the compiler from
		// removing the work.
		if took := time.Since(start); took >= d && state != 0 {
			return n / took.Seconds(), nil
		}
	}
}

// watchDisturbance measures how much of the machine the hypervisor and other
// processes use; own are the processes of the measurement. Calls of the returned
// function must be at least 100 ms apart, the resolution of the kernel's counters.
func watchDisturbance(own ...int) judge.DisturbanceFunc {
	samplers := make([]*monitor.Sampler, len(own))
	for i, pid := range own {
		samplers[i] = monitor.NewSampler(pid)
	}
	return watchSamplers(samplers...)
}

// watchDescendants measures the same for this process and all its descendants, also those that start or end meanwhile.
func watchDescendants() judge.DisturbanceFunc {
	return watchSamplers(monitor.NewTreeSampler(os.Getpid()))
}

// watchSamplers measures the same for the processes of samplers.
func watchSamplers(samplers ...*monitor.Sampler) judge.DisturbanceFunc {
	cores, err := cpu.Counts(true) // of the machine; a container may have fewer
	if err != nil {
		cores = runtime.NumCPU()
	}
	return func() judge.Disturbance {
		d := judge.Disturbance{Steal: math.NaN()}
		for i, s := range samplers {
			h := s.Sample()
			d.Foreign -= share(h.CPUPercent) / float64(cores)
			if i == 0 { // every sampler returns the same values of the machine
				// The kernel assigns interrupt time to no process; most of it is for
				// packets of the measurement.
				d.Foreign += share(h.BusyPercent) - share(h.IRQPercent)
				d.Steal = share(h.StealPercent)
			}
		}
		if d.Foreign < 0 { // the counters are not updated at the same time
			d.Foreign = 0
		}
		return d
	}
}

// share is a percentage as a share, 0-1; NaN if it is not available.
func share(r monitor.Reading) float64 {
	v, ok := r.Get()
	if !ok {
		return math.NaN()
	}
	return v / 100
}
