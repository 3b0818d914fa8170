package monitor_test

import (
	"testing"

	"sweetspot/engine/monitor"
)

func TestMachineSpace(t *testing.T) {
	s := monitor.MachineSpace()
	for name, r := range map[string]monitor.Reading{"memory used": s.MemoryUsed, "memory available": s.MemoryAvailable, "disk used": s.DiskUsed, "disk free": s.DiskFree} {
		if v, ok := r.Get(); !ok || v <= 0 {
			t.Errorf("%s: %v, %v", name, v, ok)
		}
	}
}
