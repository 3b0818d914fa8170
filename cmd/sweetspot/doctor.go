package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/catalog"
	"sweetspot/engine/monitor"
	"sweetspot/engine/server"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// Results of a check by doctor.
const (
	checkOK      = "ok"
	checkWarning = "warning" // it works, but measurements or a part of the program may be worse
	checkError   = "error"   // sweetspot cannot serve models
)

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"` // ok, warning or error
	Text   string `json:"text"`
	Fix    string `json:"fix,omitempty"` // what to do; "" if there is nothing to do
}

// doctorCommand checks what sweetspot needs and what spoils measurements.
func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "doctor", Short: "check what sweetspot needs on this machine, and what would spoil its measurements", Args: cobra.NoArgs,
		Long: `Check what sweetspot needs on this machine, and what would spoil its measurements: cores, limits of a
container, frequency governor, other programs, memory, open files, GPU, ONNX Runtime, Python for archives with handlers in it, ports, profiles.

The exit code is 0 if models can be served, also with warnings, and 1 otherwise.`,
		Example: "  sweetspot doctor\n  sweetspot doctor --json",
		RunE: func(c *cobra.Command, _ []string) error {
			found := a.examine(c.Context())
			if err := a.printFindings(found, asJSON); err != nil {
				return err
			}
			for _, f := range found {
				if f.Result == checkError {
					return exit{exitError}
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of the checks")
	a.bindPython(c.Flags())
	return c
}

func (a *app) printFindings(found []finding, asJSON bool) error {
	if asJSON {
		return a.printJSON(found)
	}
	for _, f := range found {
		mark := map[string]string{checkOK: "ok", checkWarning: "!", checkError: "X"}[f.Result]
		if _, err := fmt.Fprintf(a.out, "%-2s  %-12s %s\n", mark, f.Check, f.Text); err != nil {
			return err
		}
		if f.Fix != "" {
			if _, err := fmt.Fprintf(a.out, "%17sdo: %s\n", "", f.Fix); err != nil {
				return err
			}
		}
	}
	return nil
}

// hostSample is how long doctor watches other programs.
const hostSample = time.Second

// examine runs all checks.
func (a *app) examine(ctx context.Context) []finding {
	before := monitor.NewSampler(os.Getpid())
	before.Sample()
	select {
	case <-time.After(hostSample):
	case <-ctx.Done():
	}
	l, space := a.limits(), monitor.MachineSpace()
	found := []finding{
		{"sweetspot", checkOK, fmt.Sprintf("%s, %s/%s, %s", version, runtime.GOOS, runtime.GOARCH, runtime.Version()), ""},
		checkCores(l),
		checkLoad(before.Sample(), l.Cores),
	}
	found = append(found, checkConditions(monitor.ReadConditions())...)
	found = append(found, checkMemory(l, space), a.checkGPU(ctx), a.checkProviders(ctx), a.checkRuntime(ctx), a.checkPython(ctx))
	found = append(found, checkPorts(ctx))
	return append(found, checkProfiles(a.env.profileDir(), space))
}

// checkCores warns of a CPU quota, with which the kernel stops all threads for a part of each period.
func checkCores(l monitor.Container) finding {
	f := finding{Check: "cores", Result: checkOK, Text: fmt.Sprint(l.Cores)}
	if q, ok := l.Quota.Get(); ok {
		f.Result, f.Text = checkWarning, fmt.Sprintf("%d, by a quota of %.2g cores", l.Cores, q)
		f.Fix = "a quota stops all threads for up to .1 s when it is used up, which shows in P99: give the container whole cores (cpuset) instead"
	}
	if l.Cores == 1 && f.Fix == "" {
		f.Result, f.Fix = checkWarning, "the load generator shares the only core with the model: measure on at least 2 cores"
	}
	return f
}

// checkLoad warns of other programs and of a hypervisor that take the CPU. h is of this process.
func checkLoad(h monitor.Host, cores int) finding {
	busy, okBusy := h.BusyPercent.Get()
	steal, okSteal := h.StealPercent.Get()
	if !okBusy || !okSteal {
		return finding{"load", checkOK, "n/a: " + strings.TrimSpace("the use of the machine is not reported "+h.Reason), ""}
	}
	own, _ := h.CPUPercent.Get()
	others := max(busy-own/float64(max(cores, 1)), 0)
	f := finding{"load", checkOK, fmt.Sprintf("%.0f%% of the machine used by others, %.0f%% taken by the hypervisor", others, steal), ""}
	if (sweep.Host{Others: trial.NumOf(others), Steal: trial.NumOf(steal)}).Busy() {
		f.Result, f.Fix = checkWarning, "measure when the machine is idle: disturbed parts of a trial are left out, and too many make it undecided"
	}
	return f
}

func checkConditions(c monitor.Conditions) []finding {
	governor := finding{"governor", checkOK, strings.Join(c.Governors, ", "), ""}
	switch {
	case len(c.Governors) == 0:
		governor.Text = "n/a: the system reports none"
	case len(c.Governors) != 1 || c.Governors[0] != "performance":
		governor.Result = checkWarning
		governor.Fix = "the clock changes with the load, and latencies with it: cpupower frequency-set -g performance"
	}
	out := []finding{governor}
	if v, ok := c.Throttled.Get(); ok && v > 0 {
		out = append(out, finding{
			"throttled", checkWarning, "in " + trial.Percent(v) + " of the periods so far the CPU quota was used up",
			"raise the quota, or give whole cores",
		})
	}
	if v, ok := c.SwapUsed.Get(); ok && v > 0 {
		out = append(out, finding{
			"swap", checkWarning, fmt.Sprintf("%.0f MB used", v/1e6),
			"a page read from disk takes milliseconds: free memory, or turn swap off while you measure",
		})
	}
	return out
}

// checkMemory warns if so little memory is free that a model may not fit.
func checkMemory(l monitor.Container, s monitor.Space) finding {
	const little = 500e6
	limit, ok := l.MemoryBytes.Get()
	if !ok {
		return finding{"memory", checkOK, "n/a: the system does not report it", ""}
	}
	f := finding{"memory", checkOK, fmt.Sprintf("%.0f MB", limit/1e6), ""}
	if free, ok := s.MemoryAvailable.Get(); ok {
		f.Text += fmt.Sprintf(", %.0f MB available", min(free, limit)/1e6)
		if free < little {
			f.Result, f.Fix = checkWarning, "end other programs: a model and its workers may not fit"
		}
	}
	return f
}

func (a *app) checkGPU(ctx context.Context) finding {
	gpu := a.openGPU("")
	defer gpu.Close()
	if d := gpu.Devices(); len(d) > 0 {
		return finding{"gpu", checkOK, fmt.Sprintf("%s (%d)", d[0].Name, len(d)), ""}
	}
	s, err := gpu.Sample(ctx)
	if err != nil {
		return finding{"gpu", checkWarning, err.Error(), ""}
	}
	return finding{"gpu", checkOK, "none: " + s.Reason, ""}
}

// checkProviders says how ONNX Runtime can use a GPU, and what is missing for that.
func (a *app) checkProviders(ctx context.Context) finding {
	found := a.findGPUs(ctx, true, "")
	if len(found.Findings) == 0 {
		return finding{"gpu models", checkOK, "none: " + found.Reason, ""}
	}
	f := finding{Check: "gpu models", Result: checkOK}
	var texts []string
	for _, one := range found.Findings {
		texts = append(texts, one.String())
	}
	f.Text = strings.Join(texts, ". ")
	if found.Why() == "" {
		f.Text += ". ONNX models run on the GPU unless --device says cpu"
	}
	return f
}

// pythonTime is the longest time in which a worker in Python must run its first handler.
const pythonTime = time.Minute

// checkPython looks for Python, and runs a handler in TorchServe's worker. Only archives with a handler in Python need it, so that
// it is no warning that nobody has installed it.
func (a *app) checkPython(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, pythonTime)
	defer cancel()
	w := a.wherePython()
	in, err := python.Find(ctx, w)
	if err != nil {
		f := finding{"python", checkOK, "none that can run archives with handlers in Python: " + err.Error(), ""}
		if missing, ok := errors.AsType[*python.MissingError](err); ok {
			f.Text, f.Fix = "none that can run archives with handlers in Python: "+missing.Found(), missing.Fix()
		}
		if w.Python != "" {
			f.Result = checkWarning
		}
		return f
	}
	f := finding{"python", checkOK, fmt.Sprintf("%s, %s; runs a handler", in, in.Python), ""}
	if err := python.Try(ctx, w); err != nil {
		f.Result, f.Text = checkWarning, fmt.Sprintf("%s, %s; runs no handler: %v", in, in.Python, err)
		f.Fix = "install it again, or name another interpreter with --python or SWEETSPOT_PYTHON"
	}
	return f
}

// checkRuntime loads ONNX Runtime and runs a model.
func (a *app) checkRuntime(ctx context.Context) finding {
	f := finding{Check: "onnxruntime", Result: checkError}
	lib, err := ortlib.Find(ortlib.FromEnv(a.env.get, a.env.cacheDir()))
	if err != nil {
		f.Text = err.Error()
		var h interface{ Hint() string }
		if errors.As(err, &h) {
			f.Fix = h.Hint()
		}
		return f
	}
	b, err := a.onnx(slog.New(slog.DiscardHandler))
	if err != nil {
		f.Text = err.Error()
		return f
	}
	m, err := catalog.Open(ctx, demoModel, catalog.Options{Probe: b})
	if err != nil {
		f.Text = fmt.Sprintf("%s can be loaded, but cannot run a model: %v", lib.Path, err)
		return f
	}
	f.Result, f.Text = checkOK, fmt.Sprintf("%s, %s; runs %s: %s", b.Runtime(), lib.Path, m.Name, m.BatchWhy)
	return f
}

var serveAddresses = []string{server.DefaultInference, server.DefaultManagement, server.DefaultMetrics, server.DefaultGRPC, server.DefaultGRPCManagement}

// checkPorts warns if a default address of serve is in use.
func checkPorts(ctx context.Context) finding {
	f := finding{"ports", checkOK, "the defaults of serve are free: " + strings.Join(serveAddresses, ", "), ""}
	var used []string
	for _, addr := range serveAddresses {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			used = append(used, addr)
			continue
		}
		_ = l.Close() // nothing was accepted
	}
	if len(used) > 0 {
		f.Result, f.Text = checkWarning, "in use by another program: "+strings.Join(used, ", ")
		f.Fix = "end it, or give serve other addresses: --listen, --management, --metrics, --grpc, --grpc-management"
	}
	return f
}

// checkProfiles checks that profiles can be written.
func checkProfiles(dir string, s monitor.Space) finding {
	f := finding{"profiles", checkOK, dir, ""}
	if free, ok := s.DiskFree.Get(); ok {
		f.Text += fmt.Sprintf(", %.0f MB free on the disk", free/1e6)
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Text += ", made with the first profile"
		return f
	case err != nil:
		return finding{"profiles", checkWarning, err.Error(), "make the folder writable, or name another one in XDG_DATA_HOME"}
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return finding{"profiles", checkWarning, err.Error(), ""}
	}
	return f
}
