package chart

import (
	"math"
	"strings"
)

// Sparkline is a one-row trend of exactly w cells over an axis from 0 to the
// largest value, newest at the right. Several values in a cell are joined by
// Max; gaps, and cells before the first value, are blank.
func Sparkline(values []float64, w int, ascii bool) string {
	steps := []rune("▁▂▃▄▅▆▇█")
	if ascii {
		steps = []rune("_.-=+*%#")
	}
	cells := Bucket(values, w, Max)
	largest := peak(cells)
	out := []rune(strings.Repeat(" ", max(w, 0)))
	for i, v := range cells {
		if math.IsNaN(v) {
			continue
		}
		level := 0
		if v > 0 { // then largest is above 0 too
			level = int(v / largest * float64(len(steps)))
		}
		out[w-len(cells)+i] = steps[min(level, len(steps)-1)]
	}
	return string(out)
}

// Gauge is a bar of exactly w cells, full at 100 percent. NaN gives "n/a".
func Gauge(percent float64, w int, ascii bool) string {
	w = max(w, 0)
	if math.IsNaN(percent) {
		return ("n/a" + strings.Repeat(" ", w))[:w]
	}
	full, rest := "█", "░"
	parts := []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"} // eighths of a cell
	if ascii {
		full, rest, parts = "#", ".", parts[:1]
	}
	n := int(min(max(percent, 0), 100) / 100 * float64(w*len(parts)))
	bar := strings.Repeat(full, n/len(parts)) + parts[n%len(parts)]
	used := n / len(parts)
	if n%len(parts) > 0 {
		used++
	}
	return bar + strings.Repeat(rest, w-used)
}
