//go:build !linux || !cgo

package monitor

// OpenGPU finds no GPU here: the NVML binding needs a Linux build with cgo.
func OpenGPU(GPUOptions) GPU {
	return NoGPU("NVML needs a Linux build with cgo")
}
