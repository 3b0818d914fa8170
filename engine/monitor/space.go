package monitor

import (
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
)

// Space is the memory of the machine and the size of its root file system, in bytes. What the
// system does not report is n/a.
type Space struct {
	MemoryUsed, MemoryAvailable Reading
	DiskUsed, DiskFree          Reading
}

// MachineSpace measures the space of the machine now.
func MachineSpace() Space {
	var s Space
	if m, err := mem.VirtualMemory(); err == nil {
		s.MemoryUsed, s.MemoryAvailable = Of(float64(m.Used)), Of(float64(m.Available))
	}
	if d, err := disk.Usage("/"); err == nil {
		s.DiskUsed, s.DiskFree = Of(float64(d.Used)), Of(float64(d.Free))
	}
	return s
}
