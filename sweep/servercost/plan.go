package servercost

import (
	"cmp"
	"slices"
	"time"

	"sweetspot/engine/knob"
)

// Step is a closed load to measure on the server, as a Probe.
type Step struct {
	Settings knob.Settings
	Clients  int
}

// probeDelay is the batch delay of all steps: long enough that a batch fills whose requests are
// there soon.
const probeDelay = 10 * time.Millisecond

// Plan returns the steps from which Fit finds the cost for points with these settings: with one worker
// and with the largest number, the smallest, a middle and the largest batch size, each with a full queue
// and with as many clients as fill one batch and all of them. Each batch size is set once, because
// TorchServe starts all workers again for another one. The first step has the highest rate, which warms
// the server up soonest.
func Plan(points []knob.Settings) []Step {
	if len(points) == 0 {
		return nil
	}
	base, workers := points[0], 1
	sizes := []int{1}
	for _, s := range points {
		workers = max(workers, s.Workers)
		sizes = append(sizes, s.BatchSize)
	}
	base.BatchDelay = probeDelay
	var out []Step
	for i, b := range someOf(sizes) {
		numbers := slices.Compact([]int{workers, 1})
		if i%2 == 1 { // no change of the workers together with the batch size
			slices.Reverse(numbers)
		}
		for _, w := range numbers {
			s := base
			s.Workers, s.BatchSize = w, b
			for _, c := range clientsFor(s) {
				out = append(out, Step{s, c})
			}
		}
	}
	return out
}

// someOf returns the largest, the smallest and a middle one of some numbers.
func someOf(v []int) []int {
	v = slices.Compact(slices.Sorted(slices.Values(v)))
	low, high := v[0], v[len(v)-1]
	if len(v) < 3 {
		slices.Reverse(v)
		return v
	}
	distance := func(n int) float64 { // from the geometric middle
		d := float64(n*n) / float64(low*high)
		return max(d, 1/d)
	}
	middle := slices.MinFunc(v[1:len(v)-1], func(a, b int) int { return cmp.Compare(distance(a), distance(b)) })
	return []int{high, low, middle}
}

// clientsFor returns numbers of clients, descending: for a full queue, for all workers, for one batch.
func clientsFor(s knob.Settings) []int {
	rows := s.Workers * s.BatchSize
	full := 3*rows + 4
	if s.QueueSize > 0 { // more would be refused
		full = min(full, s.QueueSize+rows)
	}
	out := []int{full, rows, s.BatchSize}
	slices.SortFunc(out, func(a, b int) int { return b - a })
	return slices.Compact(out)
}
