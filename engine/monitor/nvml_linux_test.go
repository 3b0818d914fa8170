//go:build linux && cgo

package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answer is the output of a child process for one library. A library stays loaded for the
// life of a process, and an error in the checks would crash it, so that each library is
// tested in its own process.
type answer struct {
	Devices []Device
	Samples [2]GPUSample
	Errs    [2]string
	Close   string
}

const (
	stubEnv   = "MONITOR_TEST_NVML"
	deviceEnv = "MONITOR_TEST_DEVICE"
	marker    = "answer: "
)

// TestMain makes the test binary run as the child that ask starts.
func TestMain(m *testing.M) {
	if path := os.Getenv(stubEnv); path != "" {
		reportGPUs(path)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// reportGPUs is the main function of the child.
func reportGPUs(library string) {
	g := OpenGPU(GPUOptions{Library: library, PID: 4242, Device: os.Getenv(deviceEnv)})
	a := answer{Devices: g.Devices()}
	for i := range a.Samples {
		var err error
		if a.Samples[i], err = g.Sample(context.Background()); err != nil {
			a.Errs[i] = err.Error()
		}
	}
	if err := g.Close(); err != nil {
		a.Close = err.Error()
	}
	b, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString("\n" + marker + string(b) + "\n")
}

func ask(t *testing.T, library, device string) answer {
	t.Helper()
	c := exec.Command(os.Args[0])
	// A race build sleeps a second before it exits by default.
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", stubEnv+"="+library, deviceEnv+"="+device)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("the child ended with %v:\n%s", err, out)
	}
	_, after, ok := bytes.Cut(out, []byte(marker))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	var a answer
	if !ok || json.Unmarshal(line, &a) != nil {
		t.Fatalf("the child gave no answer:\n%s", out)
	}
	return a
}

// stub compiles the stub library with the given macros.
func stub(t *testing.T, macros ...string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	path := filepath.Join(t.TempDir(), library)
	args := []string{"-shared", "-fPIC", "-o", path, filepath.Join("testdata", "nvml_stub.c")}
	for _, m := range macros {
		args = append(args, "-D"+m)
	}
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	return path
}

func TestNVML(t *testing.T) {
	full := GPUSample{
		UUID: "GPU-stub-0", Percent: Of(83), MemoryBytes: Of(8e9), OwnMemoryBytes: Of(6.9e9), PowerW: Of(131.5),
		EnergyJ: Of(1130), TemperatureC: Of(64), SMMHz: Of(1591), Throttled: new(false),
	}
	second := full
	second.UUID, second.Percent = "GPU-stub-1", Of(84)
	old := full
	old.EnergyJ, old.OwnMemoryBytes, old.Throttled, old.Throttle = Reading{}, Reading{}, new(true), []string{"power cap"}
	mig := full
	mig.Percent, mig.Reason, mig.EnergyJ = Reading{}, "utilization n/a (MIG)", Of(1000)
	unified := full
	unified.MemoryBytes = Reading{}

	cases := []struct {
		name   string
		macros []string
		device string
		want   GPUSample
		err    string
		count  int // of devices
	}{
		{"today's driver", nil, "gpu", full, "", 2},
		{"second device", nil, "gpu:GPU-stub-1", second, "", 2},
		{"no such device", nil, "gpu:7", GPUSample{Reason: "no device gpu:7: there are 2 usable GPUs"}, "", 0},
		{"unversioned names", []string{"V1"}, "gpu", full, "", 2},
		{"old driver", []string{"OLD"}, "gpu", old, "", 2},
		{"minimal library", []string{"MINIMAL"}, "gpu", GPUSample{UUID: "GPU-stub-0"}, "", 2},
		{"partitioned", []string{"MIG"}, "gpu", mig, "", 2},
		{"shared memory", []string{"UNIFIED"}, "gpu", unified, "", 2},
		{"lost", []string{"LOST"}, "gpu", GPUSample{}, "the GPU is lost: it fell off the bus or was reset", 2},
		{"no device", []string{"NONE"}, "gpu", GPUSample{Reason: "the NVIDIA driver reports no GPU"}, "", 0},
		{"no driver", []string{"INIT=9"}, "gpu", GPUSample{Reason: "the NVIDIA driver is not loaded"}, "", 0},
		{"mismatch", []string{"INIT=18"}, "gpu", GPUSample{Reason: "NVIDIA driver and library differ in version: reboot or reload the driver"}, "", 0},
		{"strange error", []string{"INIT=77"}, "gpu", GPUSample{Reason: "NVML error 77"}, "", 0},
		{"not even init", []string{"NO_INIT"}, "gpu", GPUSample{Reason: "the NVML library has no nvmlInit_v2: update the NVIDIA driver"}, "", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, stub(t, c.macros...), c.device)
			if d := cmp.Diff(c.want, a.Samples[1], exactly()); d != "" || a.Errs[1] != c.err || a.Close != "" {
				t.Errorf("error %q, close %q, sample (-want +got):\n%s", a.Errs[1], a.Close, d)
			}
			if len(a.Devices) != c.count {
				t.Errorf("%d devices, want %d", len(a.Devices), c.count)
			}
		})
	}
}

func TestNVMLDevices(t *testing.T) {
	a := ask(t, stub(t), "gpu")
	want := Device{
		Index: 1, UUID: "GPU-stub-1", Name: "Stub 1", Driver: "999.1",
		MemoryBytes: Of(24e9), PowerLimitW: Of(150), MaxSMMHz: Of(1710),
	}
	if d := cmp.Diff(want, a.Devices[1], exactly()); d != "" {
		t.Errorf("device (-want +got):\n%s", d)
	}
}

func TestNVMLLibraryMissing(t *testing.T) {
	a := ask(t, filepath.Join(t.TempDir(), library), "gpu")
	if got := a.Samples[0].Reason; got != "no NVML library" {
		t.Errorf("reason %q", got)
	}
	text := filepath.Join(t.TempDir(), library)
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, text, "gpu").Samples[0].Reason; !strings.Contains(got, "cannot be loaded") {
		t.Errorf("reason %q for a file that is no library", got)
	}
}

func TestThrottleReasons(t *testing.T) {
	if got := throttleReasons(1 | 2 | 16 | 256); got != nil {
		t.Errorf("idle and set clocks are no throttling: %q", got)
	}
	if got := throttleReasons(4 | 64); len(got) != 2 {
		t.Errorf("throttleReasons = %q", got)
	}
}
