//go:build linux && cgo

package monitor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/dl"
	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// The Go binding resolves its symbols with the dynamic linker: a call of a missing symbol, or
// any call before a successful Init, crashes the process without a Go panic. So the order is:
// load the library, look up every symbol, initialize, and call only existing symbols. For the
// same reason, never call Return.Error. SUCCESS is a non-nil error: compare with it, never
// with nil.

// library is the default name of the NVML library.
const library = "libnvidia-ml.so.1"

// listEvery is the interval for reading the process list, which takes milliseconds.
const listEvery = 5 * time.Second

// OpenGPU opens the selected GPU. It never fails: an error becomes the Reason of every sample.
// NVML needs a Linux build with cgo.
func OpenGPU(o GPUOptions) GPU {
	if o.Library == "" {
		o.Library = library
	}
	symbols, err := loadSymbols(o.Library)
	if err != nil {
		return NoGPU(err.Error())
	}
	lib := nvml.New(nvml.WithLibraryPath(o.Library))
	if ret := lib.Init(); ret != nvml.SUCCESS {
		return NoGPU(errorText(ret))
	}
	g := &nvmlGPU{lib: lib, has: symbols, pid: o.PID}
	if err := g.open(o); err != nil {
		lib.Shutdown()
		return NoGPU(err.Error())
	}
	return g
}

// requiredSymbols returns the required symbols; one of each line is enough.
func requiredSymbols() [][]string {
	return [][]string{
		{"nvmlInit_v2", "nvmlInit"},
		{"nvmlShutdown"},
		{"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"},
		{"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"},
		{"nvmlDeviceGetUUID"},
	}
}

// The symbols that older drivers do not have.
const (
	symName        = "nvmlDeviceGetName"
	symDriver      = "nvmlSystemGetDriverVersion"
	symUtilization = "nvmlDeviceGetUtilizationRates"
	symMemory      = "nvmlDeviceGetMemoryInfo"
	symPower       = "nvmlDeviceGetPowerUsage"
	symPowerLimit  = "nvmlDeviceGetEnforcedPowerLimit"
	symEnergy      = "nvmlDeviceGetTotalEnergyConsumption"
	symTemperature = "nvmlDeviceGetTemperature"
	symClock       = "nvmlDeviceGetClockInfo"
	symMaxClock    = "nvmlDeviceGetMaxClockInfo"
	symReasons     = "nvmlDeviceGetCurrentClocksEventReasons"
	symOldReasons  = "nvmlDeviceGetCurrentClocksThrottleReasons"
	symMIG         = "nvmlDeviceGetMigMode"
	symInstances   = "nvmlDeviceGetMaxMigDeviceCount"
	symInstance    = "nvmlDeviceGetMigDeviceHandleByIndex"
	symProcesses   = "nvmlDeviceGetComputeRunningProcesses"
)

// loadSymbols loads the library and returns which optional symbols it has. The library
// stays loaded, so that the binding can call them.
func loadSymbols(path string) (map[string]bool, error) {
	lib := dl.New(path, dl.RTLD_LAZY|dl.RTLD_GLOBAL)
	if err := lib.Open(); err != nil {
		if strings.Contains(err.Error(), "No such file") {
			return nil, errors.New("no NVML library")
		}
		return nil, fmt.Errorf("the NVML library cannot be loaded: %v", err)
	}
	missing := func(name string) bool { return lib.Lookup(name) != nil }
	for _, names := range requiredSymbols() {
		if !slices.ContainsFunc(names, func(n string) bool { return !missing(n) }) {
			return nil, fmt.Errorf("the NVML library has no %s: update the NVIDIA driver", names[0])
		}
	}
	has := map[string]bool{}
	for _, name := range []string{
		symName, symDriver, symUtilization, symMemory, symPower, symPowerLimit, symEnergy,
		symTemperature, symClock, symMaxClock, symReasons, symOldReasons, symMIG,
		symInstances, symInstance,
	} {
		has[name] = !missing(name)
	}
	// The binding uses the newest version.
	has[symProcesses] = !missing(symProcesses+"_v3") || !missing(symProcesses+"_v2") || !missing(symProcesses)
	return has, nil
}

// nvmlGPU has the chosen devices of an initialized library.
type nvmlGPU struct {
	lib     nvml.Interface
	has     map[string]bool
	devices []Device
	watched []watched
	pid     int
	lost    bool // a call of the current sample found a device lost
}

// watched is a chosen device.
type watched struct {
	uuid   string
	handle nvml.Device // of a MIG instance: its GPU, which has power, clock and temperature
	part   nvml.Device // a MIG instance, which has memory; nil for a whole GPU

	listed time.Time // when the process list was last read
	own    Reading   // OwnMemoryBytes of that list
}

func (g *nvmlGPU) open(o GPUOptions) error {
	count, ret := g.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return errors.New(errorText(ret))
	}
	driver := g.text(symDriver, g.lib.SystemGetDriverVersion)
	handles := map[string]watched{} // by UUID
	for i := range count {
		h, ret := g.lib.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			return fmt.Errorf("GPU %d: %s", i, errorText(ret))
		}
		d := g.describe(h)
		d.Index, d.Driver = i, driver
		handles[d.UUID] = watched{uuid: d.UUID, handle: h}
		if d.MIG {
			d.Instances = g.instances(h, handles)
		}
		g.devices = append(g.devices, d)
	}
	if count == 0 {
		return errors.New("the NVIDIA driver reports no GPU")
	}
	chosen, err := choose(Numbered(g.devices), o)
	if err != nil {
		return err
	}
	for _, d := range chosen {
		g.watched = append(g.watched, handles[d.UUID])
	}
	return nil
}

func (g *nvmlGPU) describe(h nvml.Device) Device {
	var d Device
	d.UUID, _ = h.GetUUID()
	d.Name = g.text(symName, h.GetName)
	d.MemoryBytes = g.memory(h, func(m nvml.Memory) uint64 { return m.Total })
	d.PowerLimitW = multiply(reading(g, symPowerLimit, h.GetEnforcedPowerLimit), 1e-3)
	d.MaxSMMHz = reading(g, symMaxClock, func() (uint32, nvml.Return) { return h.GetMaxClockInfo(nvml.CLOCK_SM) })
	if g.has[symMIG] {
		// Cards without MIG return "not supported".
		mode, _, ret := h.GetMigMode()
		d.MIG = ret == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE
	}
	return d
}

// instances returns the MIG instances of a GPU and adds their handles.
func (g *nvmlGPU) instances(h nvml.Device, handles map[string]watched) []Instance {
	if !g.has[symInstances] || !g.has[symInstance] {
		return nil
	}
	most, ret := h.GetMaxMigDeviceCount()
	if !g.check(ret) {
		return nil
	}
	var out []Instance
	for i := range most {
		part, ret := h.GetMigDeviceHandleByIndex(i)
		if !g.check(ret) {
			continue // this place is free
		}
		uuid, ret := part.GetUUID()
		if !g.check(ret) {
			continue
		}
		handles[uuid] = watched{uuid: uuid, handle: h, part: part}
		out = append(out, Instance{uuid, g.memory(part, func(m nvml.Memory) uint64 { return m.Total })})
	}
	return out
}

func (g *nvmlGPU) Devices() []Device { return g.devices }

func (g *nvmlGPU) Sample(ctx context.Context) (GPUSample, error) {
	var each []GPUSample
	for i := range g.watched {
		if err := ctx.Err(); err != nil {
			return GPUSample{}, err
		}
		g.lost = false
		s := g.sample(&g.watched[i])
		if g.lost {
			return GPUSample{}, errors.New(errorText(nvml.ERROR_GPU_IS_LOST))
		}
		each = append(each, s)
	}
	return together(each), nil
}

// sample reads one device.
func (g *nvmlGPU) sample(w *watched) GPUSample {
	h := w.handle
	s := GPUSample{UUID: w.uuid}
	memory := h
	if w.part != nil {
		memory = w.part
		s.Reason = "utilization n/a (MIG)"
	} else {
		s.Percent = reading(g, symUtilization, func() (uint32, nvml.Return) {
			u, ret := h.GetUtilizationRates()
			return u.Gpu, ret
		})
	}
	s.MemoryBytes = g.memory(memory, func(m nvml.Memory) uint64 { return m.Used })
	s.PowerW = multiply(reading(g, symPower, h.GetPowerUsage), 1e-3)
	s.EnergyJ = multiply(reading(g, symEnergy, h.GetTotalEnergyConsumption), 1e-3)
	s.TemperatureC = reading(g, symTemperature, func() (uint32, nvml.Return) { return h.GetTemperature(nvml.TEMPERATURE_GPU) })
	s.SMMHz = reading(g, symClock, func() (uint32, nvml.Return) { return h.GetClockInfo(nvml.CLOCK_SM) })
	g.throttle(h, &s)
	s.OwnMemoryBytes = g.ownMemory(w)
	return s
}

func (g *nvmlGPU) Close() error {
	if ret := g.lib.Shutdown(); ret != nvml.SUCCESS {
		return fmt.Errorf("monitor: NVML shutdown: %s", errorText(ret))
	}
	return nil
}

// check reports whether a call succeeded. An unsupported figure is n/a and not an error; a lost
// device is an error.
func (g *nvmlGPU) check(ret nvml.Return) bool {
	g.lost = g.lost || ret == nvml.ERROR_GPU_IS_LOST
	return ret == nvml.SUCCESS
}

// reading calls a getter if the library has its symbol.
func reading[T uint32 | uint64](g *nvmlGPU, symbol string, get func() (T, nvml.Return)) Reading {
	if !g.has[symbol] {
		return Reading{}
	}
	v, ret := get()
	if !g.check(ret) {
		return Reading{}
	}
	return Of(float64(v))
}

func multiply(r Reading, by float64) Reading {
	r.v *= by
	return r
}

func (g *nvmlGPU) text(symbol string, get func() (string, nvml.Return)) string {
	if !g.has[symbol] {
		return ""
	}
	s, ret := get()
	if !g.check(ret) {
		return ""
	}
	return s
}

// memory reads one figure of the memory info. GPUs that use the machine's memory report a
// total of 0, which means n/a.
func (g *nvmlGPU) memory(h nvml.Device, field func(nvml.Memory) uint64) Reading {
	if !g.has[symMemory] {
		return Reading{}
	}
	m, ret := h.GetMemoryInfo()
	if !g.check(ret) || m.Total == 0 {
		return Reading{}
	}
	return Of(float64(field(m)))
}

func (g *nvmlGPU) throttle(h nvml.Device, s *GPUSample) {
	var mask uint64
	var ret nvml.Return
	switch {
	case g.has[symReasons]:
		mask, ret = h.GetCurrentClocksEventReasons()
	case g.has[symOldReasons]:
		// Drivers before release 535 have only this name.
		mask, ret = h.GetCurrentClocksThrottleReasons()
	default:
		return
	}
	if !g.check(ret) {
		return
	}
	s.Throttle = throttleReasons(mask)
	s.Throttled = new(len(s.Throttle) > 0)
}

// throttleReasons names the causes of throttling. Idle GPUs and configured clocks are not
// throttled.
func throttleReasons(mask uint64) []string {
	var out []string
	for _, r := range []struct {
		bit  uint64
		name string
	}{
		{nvml.ClocksEventReasonSwPowerCap, "power cap"},
		{nvml.ClocksThrottleReasonHwSlowdown, "hardware slowdown"},
		{nvml.ClocksEventReasonSwThermalSlowdown, "heat"},
		{nvml.ClocksThrottleReasonHwThermalSlowdown, "heat (hardware)"},
		{nvml.ClocksThrottleReasonHwPowerBrakeSlowdown, "power brake"},
	} {
		if mask&r.bit != 0 {
			out = append(out, r.name)
		}
	}
	return out
}

// unknownMemory is the value for n/a in the process list.
const unknownMemory = math.MaxUint64

// ownMemory reads the process list at intervals. In a container the list may be empty or have
// the PIDs of the host; then the memory is n/a.
func (g *nvmlGPU) ownMemory(w *watched) Reading {
	if g.pid == 0 || !g.has[symProcesses] || time.Since(w.listed) < listEvery {
		return w.own
	}
	w.listed, w.own = time.Now(), Reading{}
	list, ret := w.handle.GetComputeRunningProcesses()
	if !g.check(ret) {
		return w.own
	}
	for _, p := range list {
		if int(p.Pid) == g.pid && p.UsedGpuMemory != unknownMemory {
			w.own = Of(float64(p.UsedGpuMemory))
		}
	}
	return w.own
}

// errorText describes the error of a call. It does not use the texts of the library, because
// getting them is a call too.
func errorText(ret nvml.Return) string {
	switch ret {
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return "the NVIDIA driver is not loaded"
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return "NVIDIA driver and library differ in version: reboot or reload the driver"
	case nvml.ERROR_NO_PERMISSION:
		return "no permission to use the NVIDIA driver"
	case nvml.ERROR_NOT_FOUND:
		return "the NVIDIA driver finds no GPU"
	case nvml.ERROR_GPU_IS_LOST:
		return "the GPU is lost: it fell off the bus or was reset"
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return "no NVML library"
	}
	return fmt.Sprintf("NVML error %d", int(ret))
}
