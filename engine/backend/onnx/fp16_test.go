package onnx

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

func half(batch int) knob.Config {
	c := config(batch)
	c.Precision = knob.HalfPrecision
	return c
}

func TestHalfBatchesEqualSingles(t *testing.T) {
	m := layers(t, 3, 32, 32)
	s := open(t, m, half(4))
	items := samples(m, 4)
	want := singles(t, s, items)
	for i, got := range run(t, s, items...) {
		if !same(got, want[i]) {
			t.Errorf("item %d of 4 differs from its own run", i)
		}
		if err := m.Outputs[0].Check(got.Outputs[0]); err != nil {
			t.Errorf("the outputs of the converted model differ from the model's spec: %v", err)
		}
	}
	if same(want[0], singles(t, open(t, m, config(1)), items[:1])[0]) {
		t.Error("fp16 returns the same as fp32")
	}
}

func TestConversionReport(t *testing.T) {
	b := builder.New("limits", 1)
	x := b.Op("Mul", []string{b.Input("x", float, batchDim, dim(2)), b.Floats([]float32{1e6, 1e-9}, 2)})
	b.Output("y", b.Op("Max", []string{x, b.Fill(0, 2)}), float, batchDim, dim(2))
	m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 2)}, []tensor.Spec{spec("y", tensor.Float32, 2)})
	want := "1 value too small for fp16, 1 node kept in fp32; " + cpuAdvice
	if clipped, note := open(t, m, half(1)).(engine.PrecisionReporter).ConversionReport(); clipped != 1 || note != want {
		t.Errorf("ConversionReport() = %d, %q, want 1, %q", clipped, note, want)
	}
	if clipped, note := open(t, m, config(1)).(engine.PrecisionReporter).ConversionReport(); clipped != 0 || note != "" {
		t.Errorf("ConversionReport() of fp32 = %d, %q", clipped, note)
	}
}

// TestClippedWeightsDisagree: weights beyond the range of FP16 are clipped, so that no sample
// agrees, although the largest number of each output is at the same index.
func TestClippedWeightsDisagree(t *testing.T) {
	b := builder.New("clipped", 1)
	x := b.Op("Mul", []string{b.Input("x", float, batchDim, dim(64)), b.Fill(1e6, 64)})
	b.Output("y", b.Op("Mul", []string{x, b.Fill(1e-6, 64)}), float, batchDim, dim(64))
	m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 64)}, []tensor.Spec{spec("y", tensor.Float32, 64)})
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"onnx": backend(t)}, Cores: 2})
	m.Backend, m.Name = "onnx", "clipped"
	for _, c := range []knob.Config{config(1), half(1)} {
		c.BatchDelay = time.Millisecond
		if err := e.Load(t.Context(), m, c); err != nil {
			t.Fatal(err)
		}
		s, err := e.Find(m.Name, "")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second result is the stored one
			got, err := s.CheckPrecision(t.Context())
			if err != nil || got.Samples != 16 || got.Agree != 0 || got.All() || got.Clipped != 64 || got.Largest < .9 {
				t.Errorf("started in %s: %v, %+v", c.Precision, err, got)
			}
		}
		if err := e.Unload(t.Context(), m.Name, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestHalfOnACPUHidesOverflow shows why outputs on a CPU do not show overflow on a GPU: an
// intermediate value exceeds the range of FP16.
func TestHalfOnACPUHidesOverflow(t *testing.T) {
	b := builder.New("overflow", 1)
	x := b.Op("Mul", []string{b.Input("x", float, batchDim, dim(1)), b.Fill(5000, 1)})
	x = b.Op("Mul", []string{x, b.Fill(5000, 1)})
	b.Output("y", b.Op("Mul", []string{x, b.Fill(1e-6, 1)}), float, batchDim, dim(1))
	m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 1)}, []tensor.Spec{spec("y", tensor.Float32, 1)})
	got := run(t, open(t, m, half(1)), tensor.Item{floats([]int64{1}, 1)})[0].Outputs[0]
	if v := math.Float32frombits(binary.LittleEndian.Uint32(got.Data)); math.Abs(float64(v)-25) > 2 {
		t.Errorf("1 x 5000 x 5000 x 1e-6 = %v; if it is infinite, the CPU shows overflow now, and the note is out of date", v)
	}
}

func TestModelIsConvertedOnce(t *testing.T) {
	var all fp16Cache
	m := layers(t, 1, 8, 8)
	var wg sync.WaitGroup
	got := make([]fp16Model, 4)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = all.get(m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, g := range got[1:] {
		if &g.bytes[0] != &got[0].bytes[0] {
			t.Fatal("concurrent callers got different conversions")
		}
	}
	runtime.KeepAlive(m)
}

// TestConvertedModelsAreCollected checks that nothing remains of an unused model.
func TestConvertedModelsAreCollected(t *testing.T) {
	var all fp16Cache
	if _, err := all.get(layers(t, 1, 8, 8)); err != nil {
		t.Fatal(err)
	}
	left := func() int {
		all.mu.Lock()
		defer all.mu.Unlock()
		return len(all.models)
	}
	for range 100_000 { // cleanups run some time after the collection
		if runtime.GC(); left() == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d converted models remain", left())
}

func TestHalfByPath(t *testing.T) {
	m := layers(t, 2, 8, 8)
	items := samples(m, 2)
	want := singles(t, open(t, m, half(1)), items)
	byPath := *m
	byPath.Path, byPath.Bytes = filepath.Join(t.TempDir(), "m.onnx"), nil
	if err := os.WriteFile(byPath.Path, m.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, got := range run(t, open(t, &byPath, half(2)), items...) {
		if !same(got, want[i]) {
			t.Errorf("item %d differs", i)
		}
	}
}

func TestHalfRefuses(t *testing.T) {
	b := builder.New("half", 1)
	b.Output("y", b.Op("Identity", []string{b.Input("x", onnxpb.TensorProto_FLOAT16, batchDim, dim(2))}), onnxpb.TensorProto_FLOAT16, batchDim, dim(2))
	already := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float16, 2)}, []tensor.Spec{spec("y", tensor.Float16, 2)})
	missing := layers(t, 1, 2, 2)
	missing.Path = filepath.Join(t.TempDir(), "gone.onnx")
	for want, m := range map[string]*engine.Model{
		"the model cannot be loaded: fp16: the model already has half precision: x is FLOAT16; with precision fp32 it is served as it is": already,
		"gone.onnx: no such file or directory": missing,
	} {
		_, err := backend(t).Open(t.Context(), m, half(1))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open = %v, want an error with %q", err, want)
		}
	}
}

func TestFixed(t *testing.T) {
	if got := (GPUs{}).Fixed(); got[knob.Device] == "" || got[knob.FP16] != "" {
		t.Errorf("Fixed() = %v, want the device alone", got)
	}
}
