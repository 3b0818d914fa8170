//go:build !linux

package main

// proportional is unknown on other systems.
func proportional(int) (float64, bool) { return 0, false }
