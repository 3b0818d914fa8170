package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/backend/onnx/provider"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/catalog"
	"sweetspot/engine/gpu"
	"sweetspot/engine/knob"
	"sweetspot/engine/monitor"
	"sweetspot/sweep/plan"
)

// probeTime is the longest time of the probe of one provider: the first use of CUDA compiles for the GPU.
const probeTime = time.Minute

// probeModel is the model of a probe.
const probeModel = "builtin:mlp"

// deviceOrder makes CUDA number the GPUs as the driver does, by PCI bus, and not by their speed.
const deviceOrder = "CUDA_DEVICE_ORDER"

// findGPUs finds which GPUs ONNX Runtime can use. It looks only if the machine has a GPU or if one is asked for,
// because a probe starts processes. It is called once, before the library is loaded.
// named is the provider that alone is probed; "" is all.
func (a *app) findGPUs(ctx context.Context, asked bool, named provider.Name) onnx.GPUs {
	if !asked && !hasGPU(os.DirFS("/dev"), a.env.get) {
		return onnx.GPUs{Reason: "gpu is not available: this machine has no GPU (no /dev/nvidia0, no /dev/dri/renderD128)"}
	}
	lib, err := ortlib.Find(ortlib.FromEnv(a.env.get, a.env.cacheDir()))
	if err != nil {
		return onnx.GPUs{Reason: err.Error()}
	}
	g := onnx.GPUs{Findings: a.probeAll(ctx, lib.Path, named), EngineDir: filepath.Join(a.env.cacheDir(), "sweetspot", "tensorrt")}
	g.Devices = a.visibleDevices()
	return g
}

// visibleDevices returns the GPUs that NVIDIA's driver names and CUDA_VISIBLE_DEVICES allows, in CUDA's order.
func (a *app) visibleDevices() []gpu.Device {
	driver := monitor.OpenGPU(monitor.GPUOptions{})
	defer driver.Close()
	return gpu.Visible(monitor.Numbered(driver.Devices()), a.env.visibleGPUs())
}

// freeTime is the longest time to wait for what a driver says about the memory of a GPU.
const freeTime = 2 * time.Second

// freeGPUMemory returns how much memory of a visible GPU is free.
func (a *app) freeGPUMemory(number int) (bytes int64, ok bool) {
	if number >= len(a.gpus.Devices) {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), freeTime)
	defer cancel()
	return monitor.FreeMemory(ctx, monitor.GPUOptions{Visible: gpu.Mask{Text: a.gpus.Devices[number].UUID, Set: true}})
}

// useGPUs finds the GPUs for this process, at most limit of them; nil is no limit.
func (a *app) useGPUs(ctx context.Context, c knob.Config, limit *int) {
	a.gpus = a.findGPUs(ctx, strings.HasPrefix(c.Device, "gpu"), "")
	if limit != nil && *limit >= 0 && *limit < len(a.gpus.Devices) {
		a.gpus.Devices = a.gpus.Devices[:*limit]
	}
	if a.env.get(deviceOrder) == "" {
		_ = os.Setenv(deviceOrder, "PCI_BUS_ID") // an error leaves CUDA's own order
	}
}

// withGPUs finds the GPUs for the engine of a plan and returns the start settings for them: on a GPU
// if one is usable and the plan has no device, and on several GPUs one worker for each, if it has no number.
func (a *app) withGPUs(ctx context.Context, p plan.Plan, start knob.Config) (knob.Config, error) {
	given := func(n knob.Name) bool { return p.Knobs[n] != "" || slices.Contains(a.given, n) }
	if catalog.NeedsONNX(p.Model) {
		a.gpus = a.findGPUs(ctx, start.Device != "cpu" || strings.Contains(p.Knobs[knob.Device], "gpu") || p.Options.Provider != "", provider.Name(p.Options.Provider))
	} else {
		a.gpus = onnx.GPUs{Devices: a.visibleDevices()} // torch looks itself
	}
	if err := ctx.Err(); err != nil {
		return start, err
	}
	if !given(knob.Device) {
		start.Device, a.gpuNote = a.defaultDevice(ctx, p.Model, start)
	}
	if !given(knob.Workers) {
		start.Workers = startWorkers(start, a.gpus.Devices, 1)
	}
	return start, nil
}

// defaultDevice returns the device of a model for which none is given, and a sentence for people if that is not clear: a GPU if one is usable.
func (a *app) defaultDevice(ctx context.Context, model string, start knob.Config) (device, note string) {
	what := ""
	switch {
	case catalog.IsSimulated(model):
		return start.Device, ""
	case catalog.NeedsONNX(model):
		if a.gpus.Why() != "" {
			return start.Device, ""
		}
		f, err := provider.Choose(a.gpus.Findings, provider.Name(start.Provider))
		if err != nil {
			return start.Device, "device " + start.Device + ": " + err.Error()
		}
		what = f.String()
	case len(a.gpus.Devices) == 0:
		return start.Device, ""
	default:
		in, err := python.Find(ctx, a.wherePython())
		if err != nil || in.GPUs == 0 {
			return start.Device, "" // the engine says what is wrong
		}
		what = fmt.Sprintf("torch sees %d", in.GPUs)
	}
	device = "gpu"
	if start.Session == "shared" && len(a.gpus.Devices) > 1 {
		device = "gpu:0" // one session is on one GPU
	}
	wanted := start.Settings
	wanted.Device = device
	if err := (knob.Limits{Places: a.gpus.Places(), NoPlaces: a.gpus.NoPlaces()}).CheckPlace(wanted); err != nil {
		return start.Device, "device " + start.Device + ", although a GPU is usable: " + err.Error()
	}
	return device, fmt.Sprintf("device %s, because a GPU is usable (%s); --device cpu uses the CPU", device, what)
}

// startWorkers is the number of workers with which each of several models starts: that of the
// settings or, on all GPUs, one for each.
func startWorkers(c knob.Config, devices []gpu.Device, models int) int {
	if c.Device != "gpu" || len(devices) < 2 {
		return c.Workers
	}
	return gpu.StartWorkers(len(devices), models)
}

// probeAll probes each provider, or the named one, in a process of its own, all at the same time. The results are in the order of
// provider.Names.
func (a *app) probeAll(ctx context.Context, library string, named provider.Name) []provider.Finding {
	names := provider.Names()
	if slices.Contains(names, named) {
		names = []provider.Name{named}
	}
	found := make([]provider.Finding, len(names))
	var all sync.WaitGroup
	for i, n := range names {
		all.Go(func() { found[i] = a.probe(ctx, n, library) })
	}
	all.Wait()
	return found
}

// probe probes one provider. Without its files beside the library there is no need for a process.
func (a *app) probe(ctx context.Context, n provider.Name, library string) provider.Finding {
	f := provider.Finding{Provider: n}
	if runtime.GOOS == "linux" {
		if _, missing, err := provider.Needed(n, library); err == nil && len(missing) > 0 {
			f.Why, f.Fix = provider.Diagnose(n, "", missing)
			return f
		}
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	c := exec.CommandContext(ctx, a.self, "probe-gpu", string(n), library)
	c.Env, c.WaitDelay = a.gpuEnv(), time.Second
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		f.Why = fmt.Sprintf("its probe did not end within %v", probeTime)
	case err != nil:
		text := cmp.Or(crashLine(errs.String()), err.Error())
		if f.Why, f.Fix = provider.Diagnose(n, text, nil); f.Why == text {
			f.Why = fmt.Sprintf("its probe ended with %v: %s", err, text)
		}
	default:
		if err := json.Unmarshal([]byte(lastLine(out.String())), &f); err != nil {
			f.Why = "its probe answered " + fmt.Sprintf("%.80q", out.String())
		}
	}
	return f
}

// crashLine is the line of a crashed process's stderr that says most: the signal or the panic of a Go program, else
// the last line.
func crashLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "SIG") || strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return line
		}
	}
	return lastLine(text)
}

// lastLine is the last line of a text that is not empty.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// gpuEnv is the environment of a process that uses GPUs.
func (a *app) gpuEnv() []string {
	if a.env.get(deviceOrder) != "" {
		return a.env.all
	}
	return append(a.env.all[:len(a.env.all):len(a.env.all)], deviceOrder+"=PCI_BUS_ID")
}

// probeCommand is the command of a probe. It writes its finding as one line of JSON.
func (a *app) probeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "probe-gpu PROVIDER LIBRARY", Short: "try to run a model on a GPU", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := onnx.New(args[1], a.limits().Cores, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			m, err := catalog.Open(c.Context(), probeModel, catalog.Options{})
			if err != nil {
				return err
			}
			text, err := json.Marshal(b.TryProvider(c.Context(), m, provider.Name(args[0]), args[1]))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "\n%s\n", text)
			return err
		},
	}
}

// hasGPU reports whether a machine seems to have a GPU: it has a device file of NVIDIA's driver, of a driver of
// the kernel, or of Windows below Linux in the folder dev, or the user has named a Vulkan driver.
func hasGPU(dev fs.FS, getenv func(string) string) bool {
	for _, pattern := range []string{"nvidia[0-9]*", "dri/renderD*", "dxg"} {
		if found, err := fs.Glob(dev, pattern); err == nil && len(found) > 0 {
			return true
		}
	}
	return getenv("VK_ICD_FILENAMES") != "" || getenv("VK_DRIVER_FILES") != ""
}
