//go:build !linux && !darwin

package server

// lowerPriority does nothing on systems without niceness.
func lowerPriority(int) {}
