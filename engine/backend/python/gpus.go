package python

import (
	"errors"
	"fmt"
	"strings"

	"sweetspot/engine/backend/python/protocol"
	"sweetspot/engine/gpu"
)

// takeGPU returns the number of the GPU for a worker on a device, as the gpu_id of its handler, or NoGPU on the CPU.
// torch sees count GPUs.
func (b *Backend) takeGPU(device string, count int) (int, error) {
	if class, _, _ := strings.Cut(device, ":"); class == "cpu" || class == "" {
		return protocol.NoGPU, nil
	}
	among, err := gpusFor(device, count, b.opt.Devices)
	if err != nil {
		return 0, err
	}
	return b.gpus.Take(among), nil
}

// gpusFor returns the GPUs of torch that a device names. devices are those of the driver: only if torch sees as
// many are they the same, so that they can be named by their UUIDs.
func gpusFor(device string, count int, devices []gpu.Device) ([]int, error) {
	if count == 0 {
		return nil, errors.New("device: torch sees no GPU on this machine; use cpu")
	}
	if len(devices) != count {
		devices = make([]gpu.Device, count)
		for i := range devices {
			devices[i] = gpu.Device{Index: i}
		}
	}
	among, err := gpu.Choose(devices, device)
	if err != nil {
		return nil, fmt.Errorf("%w; torch sees %d", err, count)
	}
	return among, nil
}
