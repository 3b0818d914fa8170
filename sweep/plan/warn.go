package plan

import (
	"fmt"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// Warnings returns warnings about the points of a valid plan, to be shown before it runs: queues
// that are shorter than a batch, and constant arrivals.
func Warnings(points []Point) []string {
	var out []string
	shortQueues, worst := 0, knob.Settings{}
	constant := false
	for _, p := range points {
		if s := p.Settings; s.Has(knob.QueueSize) && s.QueueSize < s.BatchSize {
			shortQueues++
			if s.BatchSize > worst.BatchSize {
				worst = s
			}
		}
		constant = constant || (p.Load.Mode == load.Open || p.Load.Mode == load.Ramp) && p.Load.Arrivals == load.Constant
	}
	if shortQueues > 0 {
		out = append(out, fmt.Sprintf("queue_size %d is below batch_size %d in %d of %d points: requests may be refused before a batch is full; raise --queue-size",
			worst.QueueSize, worst.BatchSize, shortQueues, len(points)))
	}
	if constant {
		out = append(out, "constant arrivals have lower latencies than real traffic: Poisson arrivals at the same rate wait longer; use --arrivals poisson")
	}
	return out
}
