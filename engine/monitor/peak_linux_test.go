package monitor

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestResetPeak(t *testing.T) {
	peak := func() float64 {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Skip(err)
		}
		_, peak := parseStatus(status)
		v, _ := peak.Get()
		return v
	}
	b := make([]byte, 256<<20)
	for i := range b {
		b[i] = 1
	}
	before := peak()
	b = nil
	debug.FreeOSMemory()
	ResetPeak()
	if after := peak(); after > before-200<<20 {
		t.Errorf("the peak is %.0f bytes after the reset, and was %.0f", after, before)
	}
}
