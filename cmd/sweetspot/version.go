package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"sweetspot/engine/backend/onnx/ortlib"
)

// versionInfo is what version prints with --json.
type versionInfo struct {
	Version string `json:"version"` // of the program
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`

	Runtime runtimeInfo  `json:"onnxruntime"`
	GPU     gpuInfo      `json:"gpu"`
	Modules []moduleInfo `json:"modules"` // the Go modules in the program
}

// runtimeInfo says which ONNX Runtime is used.
type runtimeInfo struct {
	Version   string   `json:"version"`         // "" if it cannot be used
	Library   string   `json:"library"`         // path of the shared library; "" if none was found
	Providers []string `json:"providers"`       // execution providers that this program can use
	Error     string   `json:"error,omitempty"` // why it cannot be used
}

// gpuInfo says what NVIDIA's management library, NVML, reports.
type gpuInfo struct {
	Devices []string `json:"devices"`          // names
	Reason  string   `json:"reason,omitempty"` // why there is none
}

// moduleInfo is a Go module.
type moduleInfo struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

// versionCommand prints the version, and those of the libraries.
func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "print the versions of the program and of its libraries", Args: cobra.NoArgs,
		Long: `version prints the version of the program, and which ONNX Runtime and GPU it finds. With
--json it also names the Go modules in the program.`,
		Example: "  sweetspot version\n  sweetspot version --json",
		RunE: func(c *cobra.Command, _ []string) error {
			v := a.versions(c.Context())
			if asJSON {
				return a.printJSON(v)
			}
			_, err := fmt.Fprint(a.out, v)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func (a *app) versions(ctx context.Context) versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Runtime: a.runtimeInfo(), GPU: a.readGPU(ctx), Modules: []moduleInfo{}}
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, m := range b.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			v.Modules = append(v.Modules, moduleInfo{m.Path, m.Version})
		}
	}
	return v
}

// runtimeInfo loads ONNX Runtime: only a library that can be loaded has a known version.
func (a *app) runtimeInfo() runtimeInfo {
	r := runtimeInfo{Providers: []string{}}
	lib, err := ortlib.Find(ortlib.FromEnv(a.env.get, a.env.cacheDir()))
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Library = lib.Path
	b, err := a.onnx(slog.New(slog.DiscardHandler))
	if err != nil {
		r.Error = err.Error()
		return r
	}
	name, provider, _ := strings.Cut(strings.TrimPrefix(b.Runtime(), "onnxruntime "), " ")
	r.Version, r.Providers = name, strings.Fields(provider)
	return r
}

func (a *app) readGPU(ctx context.Context) gpuInfo {
	gpu := a.openGPU("")
	defer gpu.Close()
	g := gpuInfo{Devices: []string{}}
	for _, d := range gpu.Devices() {
		g.Devices = append(g.Devices, d.Name)
	}
	if len(g.Devices) > 0 {
		return g
	}
	s, err := gpu.Sample(ctx)
	g.Reason = s.Reason
	if err != nil {
		g.Reason = err.Error()
	}
	return g
}

// String returns the versions for people, the program's own in the first line.
func (v versionInfo) String() string {
	ort := fmt.Sprintf("%s, %s, %s", v.Runtime.Version, strings.Join(v.Runtime.Providers, " "), v.Runtime.Library)
	if v.Runtime.Error != "" {
		ort = "none: " + v.Runtime.Error
	}
	gpu := strings.Join(v.GPU.Devices, ", ")
	if gpu == "" {
		gpu = "none: " + v.GPU.Reason
	}
	return fmt.Sprintf("sweetspot %s %s %s/%s\nonnxruntime %s\ngpu %s\n", v.Version, v.Go, v.OS, v.Arch, ort, gpu)
}
