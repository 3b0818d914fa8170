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

	"sweetspot/engine/gpu"
)

// answer is the output of a child process for one library. A library stays loaded for the
// life of a process, and an error in the checks would crash it, so that each library is
// tested in its own process.
type answer struct {
	Devices []Device
	Samples [4]GPUSample
	Errs    [4]string
	Close   string
	Free    int64 // of FreeMemory
	FreeOK  bool
}

const (
	stubEnv    = "MONITOR_TEST_NVML"
	deviceEnv  = "MONITOR_TEST_DEVICE"
	visibleEnv = "MONITOR_TEST_VISIBLE"
	marker     = "answer: "
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
	visible, set := os.LookupEnv(visibleEnv)
	o := GPUOptions{Library: library, PID: 4242, Device: os.Getenv(deviceEnv), Visible: gpu.Mask{Text: visible, Set: set}}
	g := OpenGPU(o)
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
	a.Free, a.FreeOK = FreeMemory(context.Background(), o)
	b, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString("\n" + marker + string(b) + "\n")
}

func ask(t *testing.T, library, device string, env ...string) answer {
	t.Helper()
	c := exec.Command(os.Args[0])
	// A race build sleeps a second before it exits by default.
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", stubEnv+"="+library, deviceEnv+"="+device)
	c.Env = append(c.Env, env...)
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
	part := full
	part.UUID, part.MemoryBytes, part.Percent, part.Reason, part.EnergyJ = "MIG-stub-1", Of(2e9), Reading{}, "utilization n/a (MIG)", Of(1000)
	whole := second
	whole.EnergyJ = Of(1000)
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
		{"today's driver", nil, "gpu:0", full, "", 2},
		{"second device", nil, "gpu:GPU-stub-1", secondAlone(second), "", 2},
		{"no such device", nil, "gpu:7", GPUSample{Reason: "device: there is no gpu:7; usable: gpu:0 (Stub 0, GPU-stub-0), gpu:1 (Stub 1, GPU-stub-1)"}, "", 0},
		{"unversioned names", []string{"V1"}, "gpu:0", full, "", 2},
		{"old driver", []string{"OLD"}, "gpu:0", old, "", 2},
		{"minimal library", []string{"MINIMAL"}, "gpu:0", GPUSample{UUID: "GPU-stub-0"}, "", 2},
		{"every figure fails", []string{"FAIL=3"}, "gpu:0", GPUSample{UUID: "GPU-stub-0"}, "", 2},
		{"every figure fails in an unknown way", []string{"FAIL=999"}, "gpu:0", GPUSample{UUID: "GPU-stub-0"}, "", 2},
		{"partitioned: the whole GPU", []string{"MIG"}, "gpu", whole, "", 2},
		{"shared memory", []string{"UNIFIED"}, "gpu:0", unified, "", 2},
		{"lost from the start", []string{"UNPLUG=0"}, "gpu:0", GPUSample{}, lostText, 2},
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
			free := int64(0)
			if _, known := c.want.MemoryBytes.Get(); known {
				free = 16e9 // 8 of 24 GB are used
			}
			if a.Free != free || a.FreeOK != (free > 0) {
				t.Errorf("FreeMemory = %d, %v, want %d", a.Free, a.FreeOK, free)
			}
		})
	}
}

const lostText = "the GPU is lost: it fell off the bus or was reset"

// secondAlone is the sample of the second GPU if the first one is not sampled: the counter of the
// stub's energy stands still.
func secondAlone(s GPUSample) GPUSample {
	s.EnergyJ = Of(1000)
	return s
}

// TestNVMLInstance checks the samples of a MIG instance: its own memory, and the power and the clock
// of its GPU.
func TestNVMLInstance(t *testing.T) {
	library := stub(t, "MIG")
	want := GPUSample{
		UUID: "MIG-stub-1", MemoryBytes: Of(2e9), OwnMemoryBytes: Of(6.9e9), PowerW: Of(131.5), EnergyJ: Of(1000),
		TemperatureC: Of(64), SMMHz: Of(1591), Throttled: new(false), Reason: "utilization n/a (MIG)",
	}
	a := ask(t, library, "gpu", visibleEnv+"=MIG-stub-1")
	if d := cmp.Diff(want, a.Samples[1], exactly()); d != "" {
		t.Errorf("sample (-want +got):\n%s", d)
	}
	if a.Free != 8e9 || !a.FreeOK {
		t.Errorf("FreeMemory of an instance = %d, %v, want 8 of its 10 GB", a.Free, a.FreeOK)
	}
	instances := []Instance{{"MIG-stub-0", Of(10e9)}, {"MIG-stub-1", Of(10e9)}}
	if d := cmp.Diff(instances, a.Devices[0].Instances, exactly()); d != "" {
		t.Errorf("instances (-want +got):\n%s", d)
	}
	if got := ask(t, library, "gpu", visibleEnv+"=").Samples[0].Reason; got != `CUDA_VISIBLE_DEVICES="" hides all GPUs` {
		t.Errorf("reason %q", got)
	}
}

// TestNVMLSeveral checks the sample of two GPUs: the busiest, and the sum of their power.
func TestNVMLSeveral(t *testing.T) {
	s := ask(t, stub(t), "gpu").Samples[1]
	if len(s.Each) != 2 || s.Percent != Of(84) || s.PowerW != Of(263) || s.Each[1].UUID != "GPU-stub-1" {
		t.Errorf("the sample of two GPUs: %+v", s)
	}
}

// TestNVMLChanges follows a GPU whose figures change, which is throttled once, and then is unplugged.
func TestNVMLChanges(t *testing.T) {
	a := ask(t, stub(t, "CHANGE", "UNPLUG=3"), "gpu:0")
	for i, want := range []float64{83, 84, 85} {
		s := a.Samples[i]
		if s.Percent != Of(want) || s.SMMHz != Of(1591-100*float64(i)) || s.EnergyJ != Of(1065+65*float64(i)) || *s.Throttled != (i == 2) {
			t.Errorf("sample %d: %+v", i, s)
		}
	}
	if d := cmp.Diff([]string{"heat", "power brake"}, a.Samples[2].Throttle); d != "" {
		t.Errorf("causes (-want +got):\n%s", d)
	}
	if a.Errs != [4]string{3: lostText} {
		t.Errorf("errors %q, want one after the third sample", a.Errs)
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
