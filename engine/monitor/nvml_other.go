//go:build !linux || !cgo

package monitor

// OpenGPU finds no GPU here: NVML's binding exists for Linux builds with cgo
// only.
func OpenGPU(GPUOptions) GPU {
	return NoGPU("NVML needs a Linux build with cgo")
}
