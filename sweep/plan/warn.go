package plan

import (
	"fmt"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// Warnings are what a valid plan is better told before it runs: points whose queue
// is shorter than a batch, and arrivals that flatter.
func Warnings(points []Point) []string {
	var out []string
	short, worst := 0, knob.Settings{}
	constant := false
	for _, p := range points {
		if s := p.Settings; s.QueueSize < s.BatchSize {
			short++
			if s.BatchSize > worst.BatchSize {
				worst = s
			}
		}
		constant = constant || (p.Load.Mode == load.Open || p.Load.Mode == load.Ramp) && p.Load.Arrivals == load.Constant
	}
	if short > 0 {
		out = append(out, fmt.Sprintf("queue_size %d is below batch_size %d in %d of %d points: requests may be refused before a batch is full; raise --queue-size",
			worst.QueueSize, worst.BatchSize, short, len(points)))
	}
	if constant {
		out = append(out, "constant arrivals flatter: Poisson ones at the same rate wait longer; users come like --arrivals poisson")
	}
	return out
}
