package stat

import "math"

// Needed is about how many answers a pass of the percentile q takes.
func Needed(q float64) int { return int(math.Ceil(34/(1-q) - 1e-6)) }
