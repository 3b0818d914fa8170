package main

import (
	"math"
	"time"

	ps "github.com/shirou/gopsutil/v4/process"

	"sweetspot/cmd/bench/judge"
)

// tree is a process with all its descendants, as they were when it was read.
type tree []*ps.Process

// readTree returns the processes of a tree. Those that end meanwhile are missing.
func readTree(pid int) tree {
	root, err := ps.NewProcess(int32(pid))
	if err != nil {
		return nil
	}
	all := tree{root}
	for i := 0; i < len(all); i++ {
		children, _ := all[i].Children() // an error is that it has none, or has ended
		all = append(all, children...)
	}
	return all
}

// cpu is the processor time of all processes since their starts; NaN if one has ended.
func (t tree) cpu() float64 {
	sum := math.NaN()
	for i, p := range t {
		times, err := p.Times()
		if err != nil {
			return math.NaN()
		}
		if i == 0 {
			sum = 0
		}
		sum += times.User + times.System
	}
	return sum * float64(time.Second)
}

// memory is the memory of all processes in bytes, and what is counted: memory that several processes
// share counts once where the system says so, else once for each.
func (t tree) memory() (bytes float64, what string) {
	what = sharedOnce
	for _, p := range t {
		pss, ok := proportional(int(p.Pid))
		if !ok {
			what = "resident"
			break
		}
		bytes += pss
	}
	if what == sharedOnce {
		return bytes, what
	}
	bytes = 0
	for _, p := range t {
		m, err := p.MemoryInfo()
		if err != nil {
			return math.NaN(), what
		}
		bytes += float64(m.RSS)
	}
	return bytes, what
}

const sharedOnce = "resident, shared pages once"

// pids are the numbers of the processes.
func (t tree) pids() []int {
	var out []int
	for _, p := range t {
		out = append(out, int(p.Pid))
	}
	return out
}

// watchTrees measures the disturbance by processes that are neither own nor in one of the trees.
func watchTrees(own int, trees ...tree) judge.DisturbanceFunc {
	all := []int{own}
	for _, t := range trees {
		all = append(all, t.pids()...)
	}
	return watchDisturbance(all...)
}
