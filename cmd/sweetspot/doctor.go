package main

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/spf13/cobra"

	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/catalog"
)

// doctorCommand checks the requirements of sweetspot and prints what is missing.
func (a *app) doctorCommand() *cobra.Command {
	doctor := &cobra.Command{
		Use: "doctor", Short: "check what sweetspot needs on this machine", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l := a.limits()
			fmt.Fprintf(a.out, "sweetspot    %s, %s/%s, %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
			fmt.Fprintf(a.out, "cores        %d\n", l.Cores)
			if m, ok := l.MemoryBytes.Get(); ok {
				fmt.Fprintf(a.out, "memory       %.0f MB\n", m/1e6)
			}
			gpu := openGPU()
			defer gpu.Close()
			if d := gpu.Devices(); len(d) > 0 {
				fmt.Fprintf(a.out, "gpu          %s (%d)\n", d[0].Name, len(d))
			} else if s, err := gpu.Sample(c.Context()); err == nil {
				fmt.Fprintf(a.out, "gpu          none: %s\n", s.Reason)
			}
			fmt.Fprintf(a.out, "profiles     %s\n", a.env.profileDir())
			a.checkPython(c)
			return a.checkRuntime(c)
		},
	}
	a.bindPython(doctor.Flags())
	return doctor
}

// checkPython looks for Python, which only archives with a handler in Python need.
func (a *app) checkPython(c *cobra.Command) {
	in, err := python.Find(c.Context(), a.wherePython())
	if err != nil {
		fmt.Fprintf(a.out, "python       none that can run handlers in Python: %v\n", err)
		return
	}
	fmt.Fprintf(a.out, "python       %s: %s\n", in.Python, in)
}

// checkRuntime loads ONNX Runtime and runs a model.
func (a *app) checkRuntime(c *cobra.Command) error {
	lib, err := ortlib.Find(ortlib.FromEnv(a.env.get, a.env.cacheDir()))
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "onnxruntime  %s\n", lib.Path)
	b, err := a.onnx(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	m, err := catalog.Open(c.Context(), demoModel, catalog.Options{Probe: b})
	if err != nil {
		return errors.Join(errors.New("onnxruntime can be loaded, but cannot run a model"), err)
	}
	fmt.Fprintf(a.out, "runs         %s, %s: %s\n", b.Runtime(), m.Name, m.BatchWhy)
	return nil
}

// versionCommand prints the version.
func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.out, "sweetspot %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
