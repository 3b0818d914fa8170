package monitor

import "os"

// ResetPeak makes the highest memory use of this process start again from its present use, if
// the system allows it (proc(5), clear_refs).
func ResetPeak() {
	const peakRSS = "5"
	_ = os.WriteFile("/proc/self/clear_refs", []byte(peakRSS), 0) // then the peak so far stays
}
