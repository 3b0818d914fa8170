//go:build !linux && !darwin

package server

// lowerPriority does nothing where there is no niceness.
func lowerPriority(int) {}
