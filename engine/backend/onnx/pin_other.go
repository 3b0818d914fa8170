//go:build !linux

package onnx

import (
	"errors"
	"runtime"
)

func allowedCores() ([]int, error) {
	return nil, errors.New("threads can be pinned to cores on Linux only, not on " + runtime.GOOS)
}

func setAffinity([]int) error { return nil } // never called, because there are no allowed cores
