package stat

import "math"

// Needed returns about how many answers a pass of the percentile q needs: 2000 for a P99.
func Needed(q float64) int { return int(math.Ceil(passFrom / (1 - q) * (1 - 1e-9))) }
