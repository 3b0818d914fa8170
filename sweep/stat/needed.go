package stat

import "math"

// Needed is about how many answers a pass of the percentile q takes: 2000 for a
// P99.
func Needed(q float64) int { return int(math.Ceil(passFrom / (1 - q) * (1 - 1e-9))) }
