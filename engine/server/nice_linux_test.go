package server

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// niceness returns the smallest and largest niceness of the threads of this process.
func niceness(t *testing.T) (low, high int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil || len(files) == 0 {
		t.Skip("no /proc here")
	}
	low, high = 99, -99
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that ended
		}
		_, rest, _ := strings.Cut(string(b), ") ") // the name before it may hold blanks
		n, err := strconv.Atoi(strings.Fields(rest)[16])
		if err != nil {
			t.Fatal(err)
		}
		low, high = min(low, n), max(high, n)
	}
	return low, high
}

func TestLowerPriority(t *testing.T) {
	_, before := niceness(t)
	lowerPriority(1)
	low, high := niceness(t)
	if want := min(before+1, 19); low != want || high != want {
		t.Errorf("niceness %d to %d, want %d for every thread", low, high, want)
	}
}
