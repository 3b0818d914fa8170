package onnx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/backend/onnx/provider"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// A provider that does not work can end its process, and the Vulkan loader reads the environment when
// it is loaded. So these tests run the test binary again as a child.

const (
	childEnv    = "ONNX_TEST_GPU_CHILD"
	childMarker = "answer: "
)

// swiftShader returns the environment in which WebGPU finds SwiftShader, a Vulkan device that computes on the CPU.
// tools/swiftshader.sh gets it; without it the test is skipped.
func swiftShader(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("SWEETSPOT_SWIFTSHADER")
	if dir == "" {
		cache, _ := os.UserCacheDir()
		dir = filepath.Join(cache, "sweetspot", "swiftshader-147.0.0")
	}
	if _, err := os.Stat(filepath.Join(dir, "libvk_swiftshader.so")); err != nil {
		t.Skip("there is no SwiftShader: tools/swiftshader.sh gets it")
	}
	icd := filepath.Join(dir, "vk_swiftshader_icd.json")
	return []string{"LD_LIBRARY_PATH=" + dir, "VK_ICD_FILENAMES=" + icd, "VK_DRIVER_FILES=" + icd}
}

// inChild runs one of the children's tests in a child and returns its answer and its whole output.
func inChild(t *testing.T, test string, env []string, answer any) string {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")
	c.Env = append(os.Environ(), append(env, childEnv+"=1", "GORACE=atexit_sleep_ms=0")...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("the child ended with %v:\n%s", err, out)
	}
	_, after, ok := bytes.Cut(out, []byte(childMarker))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	if !ok {
		if bytes.Contains(out, []byte("--- SKIP")) {
			t.Skipf("the child was skipped:\n%s", out)
		}
		t.Fatalf("the child gave no answer:\n%s", out)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		t.Fatalf("%v:\n%s", err, line)
	}
	return string(out)
}

// asChild skips a child's test in the parent. It returns a function that sends the answer.
func asChild(t *testing.T) func(any) {
	t.Helper()
	if os.Getenv(childEnv) == "" {
		t.Skip("it is run as a child by another test")
	}
	return func(v any) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("\n" + childMarker + string(b))
	}
}

// libraryPath is the path of the library of backend.
func libraryPath(t *testing.T) string {
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skip(err)
	}
	return lib.Path
}

// convolutions is a model with operators of image models: convolution, pooling, addition, softmax.
func convolutions(t *testing.T) *engine.Model {
	b := builder.New("convolutions", 5)
	x := b.Input("x", float, batchDim, dim(3), dim(16), dim(16))
	y := b.Op("Relu", []string{b.Op("Conv", []string{x, b.Random(.2, 8, 3, 3, 3), b.Random(.2, 8)}, onnxpb.AttrInts("pads", 1, 1, 1, 1))})
	z := b.Op("Conv", []string{y, b.Random(.2, 8, 8, 3, 3), b.Random(.2, 8)}, onnxpb.AttrInts("pads", 1, 1, 1, 1))
	y = b.Op("GlobalAveragePool", []string{b.Op("Add", []string{y, z})})
	y = b.Op("Flatten", []string{y})
	b.Output("y", b.Op("Softmax", []string{y}), float, batchDim, dim(8))
	return modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 3, 16, 16)}, []tensor.Spec{spec("y", tensor.Float32, 8)})
}

// webGPUAnswer is the answer of TestChildWebGPU.
type webGPUAnswer struct {
	Finding   provider.Finding
	Places    []knob.Place
	Runtime   string
	Largest   map[string]float64 // difference of a batch of 3 from the CPU, by model
	FP16      string             // the error of a session of FP16
	OtherGPU  string             // of gpu:1
	TF32      string
	Shared    bool
	Placed    []int // while two sessions are open
	Afterward []int
}

func TestChildWebGPU(t *testing.T) {
	send := asChild(t)
	b := backend(t)
	var a webGPUAnswer
	a.Finding = b.TryProvider(t.Context(), layers(t, 2, 32, 32), provider.WebGPU, libraryPath(t))
	b.UseGPUs(GPUs{Findings: []provider.Finding{a.Finding}})
	a.Places, a.Runtime = b.GPUs().Places(), b.Runtime()
	a.Largest = map[string]float64{}
	for name, m := range map[string]*engine.Model{"layers": layers(t, 3, 64, 64), "convolutions": convolutions(t)} {
		cpu, gpu := config(3), config(3)
		gpu.Device = "gpu"
		want := run(t, open(t, m, cpu), samples(m, 3)...)
		s, err := b.Open(t.Context(), m, gpu)
		if err != nil {
			t.Fatal(err)
		}
		for _, items := range [][]tensor.Item{samples(m, 3), samples(m, 1)} { // another batch size after the first
			for i, r := range run(t, s, items...) {
				a.Largest[name] = max(a.Largest[name], largestDifference(want[i].Outputs, r.Outputs))
			}
		}
		a.Shared = s.Shared()
		own := gpu
		own.Session = "own"
		other, err := b.Open(t.Context(), m, own)
		if err != nil {
			t.Fatal(err)
		}
		a.Placed = b.Placed()
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	a.Afterward = b.Placed()
	refused := func(change func(*knob.Config)) string {
		c := config(1)
		c.Device = "gpu"
		change(&c)
		_, err := b.Open(context.Background(), layers(t, 1, 8, 8), c)
		return fmt.Sprint(err)
	}
	a.FP16 = refused(func(c *knob.Config) { c.Precision = knob.HalfPrecision })
	a.OtherGPU = refused(func(c *knob.Config) { c.Device = "gpu:1" })
	a.TF32 = refused(func(c *knob.Config) { c.TF32 = "on" })
	send(a)
}

// TestWebGPU runs models with WebGPU on a software device and compares the answers with those of the CPU.
// SwiftShader has no 16-bit arithmetic, so that FP16 is refused there.
func TestWebGPU(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds; test-long runs it")
	}
	env := swiftShader(t)
	var a webGPUAnswer
	out := inChild(t, "TestChildWebGPU", env, &a)
	if !a.Finding.Usable || a.Finding.Half || a.Finding.HalfWhy != "the GPU or its driver has no 16-bit arithmetic (shader-f16)" {
		t.Errorf("finding %+v\n%s", a.Finding, out)
	}
	for name, d := range a.Largest {
		t.Logf("%s: largest difference from the CPU %.2g", name, d)
		if d > 1e-4 {
			t.Errorf("%s: the answers differ from those of the CPU by %g", name, d)
		}
	}
	if len(a.Largest) != 2 || !strings.HasSuffix(a.Runtime, " cpu webgpu") || len(a.Places) != 3 || !a.Shared {
		t.Errorf("answer %+v", a)
	}
	if fmt.Sprint(a.Placed, a.Afterward) != "[2] [0]" {
		t.Errorf("sessions on the GPU: %v, then %v", a.Placed, a.Afterward)
	}
	for _, c := range []struct{ got, want string }{
		{a.FP16, "precision: fp16 does not run with webgpu on this GPU: the GPU or its driver has no 16-bit arithmetic"},
		{a.OtherGPU, "device: WebGPU chooses its GPU itself"},
		{a.TF32, "options: tf32: WebGPU has no such option"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("refused with %q, want %q", c.got, c.want)
		}
	}
}

func TestChildProbe(t *testing.T) {
	send := asChild(t)
	b := backend(t)
	var found []provider.Finding
	for _, n := range provider.Names() {
		found = append(found, b.TryProvider(t.Context(), layers(t, 2, 32, 32), n, libraryPath(t)))
		t.Logf("%s: %s", n, rawError(t, b, n))
	}
	send(found)
}

// rawError is the runtime's own error for a session with a provider.
func rawError(t *testing.T, b *Backend, n provider.Name) string {
	b.UseGPUs(GPUs{Findings: []provider.Finding{{Provider: n, Usable: true, Half: true}}})
	c := config(1)
	c.Device, c.Provider = "gpu", string(n)
	s, err := b.Open(t.Context(), layers(t, 2, 32, 32), c)
	if err == nil {
		return fmt.Sprint("it runs", s.Close())
	}
	if e, ok := errors.AsType[*runtimeError](err); ok {
		return e.raw
	}
	return err.Error()
}

// TestProbeWithoutGPU asks the library of this machine for each provider. Where there is no GPU it says
// what is missing, and what to do.
func TestProbeWithoutGPU(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the library of this platform has other providers")
	}
	backend(t)
	var found []provider.Finding
	out := inChild(t, "TestChildProbe", []string{"VK_ICD_FILENAMES=/none", "VK_DRIVER_FILES=/none", "CUDA_VISIBLE_DEVICES="}, &found)
	t.Logf("%s", out)
	for _, f := range found {
		if f.Usable || f.Why == "" || f.Fix == "" || strings.Contains(f.Why, "\n") {
			t.Errorf("finding %+v: want a reason and what to do", f)
		}
	}
	g := GPUs{Findings: found}
	for _, want := range []string{"no GPU is usable by ONNX Runtime here. cuda: ", ". webgpu: "} {
		if !strings.Contains(g.Why(), want) {
			t.Errorf("Why() = %q, want %q in it", g.Why(), want)
		}
	}
	if g.Places() != nil || g.Fixed()[knob.Device] != g.Why() {
		t.Errorf("places %v, fixed %v", g.Places(), g.Fixed())
	}
}
