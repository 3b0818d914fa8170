//go:build !linux

package monitor

// ResetPeak does nothing: this system cannot do it.
func ResetPeak() {}
