package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// proportional is the proportional set size of a process in bytes: its own pages, and its part of
// those that it shares.
func proportional(pid int) (float64, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, false
	}
	return parseRollup(text)
}

// parseRollup finds the line "Pss: 123 kB".
func parseRollup(text []byte) (float64, bool) {
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) == 3 && string(f[0]) == "Pss:" && string(f[2]) == "kB" {
			n, err := strconv.ParseUint(string(f[1]), 10, 50)
			return float64(n) * 1024, err == nil
		}
	}
	return 0, false
}
