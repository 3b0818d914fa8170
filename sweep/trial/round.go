package trial

import (
	"math"
	"strconv"
)

// roundTo6 rounds to six significant digits: more precise than any interval, and short enough for
// readable profiles.
func roundTo6(v float64) float64 {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return v
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return v
	}
	return r
}
