package onnx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

func TestBatchEqualsSingles(t *testing.T) {
	for name, m := range map[string]*engine.Model{
		"known size":      layers(t, 3, 32, 32),
		"size of the run": layers(t, 3, 32, -1),
		"rank of the run": func() *engine.Model { m := layers(t, 3, 32); m.Outputs[0].Shape = nil; return m }(),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, m, config(4))
			items := samples(m, 9)
			want := singles(t, s, items)
			for _, n := range []int{1, 4, 2, 9, 3, 9} { // 9 outgrows the buffers
				for i, got := range run(t, s, items[:n]...) {
					if !same(got, want[i]) {
						t.Errorf("item %d of %d differs from its own run", i, n)
					}
					if diff := cmp.Diff([]int64{32}, got.Outputs[0].Shape); diff != "" {
						t.Errorf("shape: %s", diff)
					}
				}
			}
		})
	}
}

// TestOptionsKeepTheOutputs checks that every supported option opens a session with the same
// outputs.
func TestOptionsKeepTheOutputs(t *testing.T) {
	m := layers(t, 3, 32, 32)
	items := samples(m, 4)
	want := singles(t, open(t, m, config(4)), items)
	for name, value := range map[string]string{"session": "own", "spin": "off", "graph": "off", "inter_op": "2", "arena": "off"} {
		c := config(4)
		if err := c.SetOption(name, value); err != nil {
			t.Fatal(err)
		}
		for i, got := range run(t, open(t, m, c), items...) {
			if !same(got, want[i]) {
				t.Errorf("%s %s: item %d differs", name, value, i)
			}
		}
	}
}

// TestResultsOutliveTheNextRun checks that results are copies.
func TestResultsOutliveTheNextRun(t *testing.T) {
	m := layers(t, 2, 16, 16)
	s := open(t, m, config(2))
	items := samples(m, 4)
	first := run(t, s, items[:2]...)
	want := string(first[1].Outputs[0].Data)
	_ = append(first[0].Outputs[0].Data, 1, 2, 3, 4) // must not change the next item
	run(t, s, items[2:]...)
	if string(first[1].Outputs[0].Data) != want {
		t.Error("a later run changed an earlier result")
	}
}

// everyType is a model whose outputs are its inputs.
func everyType(t testing.TB) *engine.Model {
	elems := map[tensor.Type]onnxgraph.Elem{
		tensor.Bool: onnxpb.TensorProto_BOOL, tensor.Uint8: onnxpb.TensorProto_UINT8, tensor.Uint16: onnxpb.TensorProto_UINT16,
		tensor.Uint32: onnxpb.TensorProto_UINT32, tensor.Uint64: onnxpb.TensorProto_UINT64, tensor.Int8: onnxpb.TensorProto_INT8,
		tensor.Int16: onnxpb.TensorProto_INT16, tensor.Int32: onnxpb.TensorProto_INT32, tensor.Int64: onnxpb.TensorProto_INT64,
		tensor.Float16: onnxpb.TensorProto_FLOAT16, tensor.Float32: onnxpb.TensorProto_FLOAT, tensor.Float64: onnxpb.TensorProto_DOUBLE,
		tensor.BFloat16: onnxpb.TensorProto_BFLOAT16, tensor.String: onnxpb.TensorProto_STRING,
	}
	b := builder.New("every type", 1)
	var in, out []tensor.Spec
	for typ := tensor.Bool; typ <= tensor.String; typ++ {
		x := b.Input("x_"+typ.String(), elems[typ], batchDim, dim(3))
		b.Output("y_"+typ.String(), b.Op("Identity", []string{x}), elems[typ], batchDim, dim(3))
		in, out = append(in, spec("x_"+typ.String(), typ, 3)), append(out, spec("y_"+typ.String(), typ, 3))
	}
	return modelOf(t, b, in, out)
}

func TestEveryElementType(t *testing.T) {
	fixed := everyType(t)
	open1 := everyType(t)
	unknown := everyType(t)
	for i := range open1.Outputs {
		open1.Outputs[i].Shape, unknown.Outputs[i].Shape = []int64{-1}, nil
	}
	for name, m := range map[string]*engine.Model{"known size": fixed, "size of the run": open1, "rank of the run": unknown} {
		t.Run(name, func(t *testing.T) {
			items := samples(m, 3)
			for i, got := range run(t, open(t, m, config(3)), items...) {
				if diff := cmp.Diff(items[i], got.Outputs); diff != "" {
					t.Errorf("item %d: (-in +out)\n%s", i, diff)
				}
			}
		})
	}
}

func TestUnbatchedValuesAndScalars(t *testing.T) {
	b := builder.New("scaled", 1)
	x := b.Input("x", float, dim(5), dim(2))
	factor := b.Input("factor", float)
	row := b.Input("row", float, dim(1), dim(2))
	y := b.Op("Add", []string{b.Op("Mul", []string{x, factor}), row})
	sum := b.Op("ReduceSum", []string{y, b.Ints([]int64{0, 1}, 2)}, onnxpb.AttrInt("keepdims", 0))
	b.Output("y", y, float, dim(5), dim(2))
	b.Output("sum", sum, float)
	m := modelOf(t, b,
		[]tensor.Spec{spec("x", tensor.Float32, 5, 2), spec("factor", tensor.Float32), spec("row", tensor.Float32, 2)},
		[]tensor.Spec{spec("y", tensor.Float32, 5, -1), spec("sum", tensor.Float32)})
	m.BatchAxis, m.BatchWhy, m.Unbatched = false, "x has no batch axis", []string{"x", "factor", "y", "sum"}
	s := open(t, m, config(1))
	item := tensor.Item{floats([]int64{5, 2}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), floats([]int64{}, 2), floats([]int64{2}, .5, 0)}
	for range 3 { // scalars are allocated each time
		got := run(t, s, item)[0].Outputs
		want := tensor.Item{floats([]int64{5, 2}, 2.5, 4, 6.5, 8, 10.5, 12, 14.5, 16, 18.5, 20), floats([]int64{}, 112.5)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	}
	err := s.Run(t.Context(), payload.OfItems(item, item), make([]payload.Result, 2))
	if err == nil || !strings.Contains(err.Error(), "takes one: x has no batch axis") {
		t.Errorf("two items: %v", err)
	}
}

func TestEmptyTensors(t *testing.T) {
	b := builder.New("empty", 1)
	y := b.Op("Identity", []string{b.Input("x", float, batchDim, dim(0))})
	b.Output("y", y, float, batchDim, onnxgraph.Open("M"))
	for _, shape := range []int64{0, -1} {
		m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 0)}, []tensor.Spec{spec("y", tensor.Float32, shape)})
		for _, got := range run(t, open(t, m, config(2)), samples(m, 2)...) {
			if y := got.Outputs[0]; len(y.Data) != 0 || !cmp.Equal(y.Shape, []int64{0}) {
				t.Errorf("output %v of %d bytes, want [0] of none", y.Shape, len(y.Data))
			}
		}
	}
}

func TestOutputsWithoutBatchAxis(t *testing.T) {
	b := builder.New("where", 1)
	b.Output("places", b.Op("NonZero", []string{b.Input("x", float, batchDim, dim(4))}), onnxpb.TensorProto_INT64, dim(2), onnxgraph.Open("D"))
	m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 4)}, []tensor.Spec{spec("places", tensor.Int64, -1)})
	item := tensor.Item{floats([]int64{4}, 1, 0, 0, 1)}
	err := open(t, m, config(1)).Run(t.Context(), payload.OfItems(item), make([]payload.Result, 1))
	if want := "outputs have no batch dimension: places is [2 2] for 1 item; --no-batch serves the model without one"; err == nil || err.Error() != want {
		t.Errorf("split: %v, want %s", err, want)
	}
	m.BatchAxis, m.Unbatched = false, []string{"places"}
	m.Outputs[0].Shape = []int64{2, -1}
	got := run(t, open(t, m, config(1)), item)[0].Outputs[0]
	if diff := cmp.Diff([]int64{2, 2}, got.Shape); diff != "" {
		t.Errorf("whole output: %s", diff)
	}
	m.Outputs[0].Shape = []int64{-1} // the run is right, not the description
	got = run(t, open(t, m, config(1)), item)[0].Outputs[0]
	if diff := cmp.Diff([]int64{2, 2}, got.Shape); diff != "" {
		t.Errorf("an output of another rank: %s", diff)
	}
	m.Outputs[0] = spec("places", tensor.Float32, 2, -1)
	err = open(t, m, config(1)).Run(t.Context(), payload.OfItems(item), make([]payload.Result, 1))
	if err == nil || !strings.Contains(err.Error(), `output "places" is not FP32`) {
		t.Errorf("wrong type: %v", err)
	}
}

func TestRunRefusesBadItems(t *testing.T) {
	m := layers(t, 1, 4, 4)
	s := open(t, m, config(2))
	good := samples(m, 1)[0]
	tests := []struct {
		name     string
		items    []tensor.Item
		capacity int
		want     string
	}{
		{"nothing", nil, 0, "0 items"},
		{"results missing", []tensor.Item{good, good}, 1, "2 items but 1 results"},
		{"no tensors", []tensor.Item{good, nil}, 2, "item 1 has 0 inputs"},
		{"shape", []tensor.Item{{floats([]int64{5}, 1, 2, 3, 4, 5)}}, 1, `item 0: input "x": shape [5]`},
		{"type", []tensor.Item{{{Type: tensor.Float64, Shape: []int64{4}, Data: make([]byte, 32)}}}, 1, "type FP64"},
		{"zero tensor", []tensor.Item{{{}}}, 1, "type INVALID"},
		{"short data", []tensor.Item{{{Type: tensor.Float32, Shape: []int64{4}, Data: make([]byte, 15)}}}, 1, "15 bytes"},
	}
	for _, tc := range tests {
		err := s.Run(t.Context(), payload.OfItems(tc.items...), make([]payload.Result, tc.capacity))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: Run = %v, want an error with %q", tc.name, err, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx, payload.OfItems(good), make([]payload.Result, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	run(t, s, good)
}

// TestRunFailsInRuntime makes a run fail in the runtime, with outputs of both kinds, and
// then uses the session again.
func TestRunFailsInRuntime(t *testing.T) {
	b := builder.New("lookup", 1)
	ids := b.Input("ids", onnxpb.TensorProto_INT64, batchDim, dim(2))
	x := b.Op("Gather", []string{b.Random(1, 10, 4), ids})
	b.Output("same", b.Op("Identity", []string{ids}), onnxpb.TensorProto_INT64, batchDim, dim(2))
	b.Output("y", x, float, batchDim, dim(2), dim(4))
	in := spec("ids", tensor.Int64, 2)
	in.Bounded, in.Max = true, 9
	m := modelOf(t, b, []tensor.Spec{in}, []tensor.Spec{spec("same", tensor.Int64, -1), spec("y", tensor.Float32, 2, 4)})
	s := open(t, m, config(2))
	good := samples(m, 2)
	bad := tensor.Item{{Type: tensor.Int64, Shape: []int64{2}, Data: append([]byte{99}, make([]byte, 15)...)}}
	for range 3 {
		err := s.Run(t.Context(), payload.OfItems(good[0], bad), make([]payload.Result, 2))
		if err == nil || !strings.Contains(err.Error(), "an index is 99, and the table has -10 to 9") {
			t.Fatalf("Run = %v", err)
		}
		if got := run(t, s, good...); !cmp.Equal(got[1].Outputs[0].Data, good[1][0].Data) {
			t.Error("the run after a failed one is wrong")
		}
	}
}

// TestConcurrentRuns runs batches of every size concurrently with the garbage collector:
// without KeepAlive it would free inputs during a run.
func TestConcurrentRuns(t *testing.T) {
	for name, width := range map[string]int64{"known size": 64, "size of the run": -1} {
		t.Run(name, func(t *testing.T) {
			m := layers(t, 4, 64, width)
			s := open(t, m, config(4))
			items := samples(m, 8)
			want := singles(t, s, items)
			ctx, stop := context.WithCancel(t.Context())
			var pressure, runs sync.WaitGroup
			pressure.Go(func() {
				for ctx.Err() == nil {
					runtime.GC()
				}
			})
			for g := range 4 {
				runs.Go(func() {
					for i := range 50 {
						n := 1 + (g+i)%8
						out := make([]payload.Result, n)
						if err := s.Run(t.Context(), payload.OfItems(items[:n]...), out); err != nil {
							t.Error(err)
							return
						}
						for k := range out {
							if !same(out[k], want[k]) {
								t.Errorf("item %d of %d is wrong", k, n)
							}
						}
					}
				})
			}
			runs.Wait()
			stop()
			pressure.Wait()
		})
	}
}

func TestCloseWaitsForRuns(t *testing.T) {
	m := layers(t, 12, 256, 256)
	s, err := backend(t).Open(t.Context(), m, config(256))
	if err != nil {
		t.Fatal(err)
	}
	items := samples(m, 256)
	var running, ended sync.WaitGroup
	faults := make(chan error, 3)
	for range cap(faults) {
		running.Add(1)
		ended.Go(func() {
			run(t, s, items...)
			running.Done() // from here on this goroutine is inside a run
			for {
				if err := s.Run(t.Context(), payload.OfItems(items...), make([]payload.Result, len(items))); err != nil {
					faults <- err
					return
				}
			}
		})
	}
	running.Wait()
	var closes sync.WaitGroup
	for range 2 {
		closes.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	closes.Wait()
	ended.Wait()
	for range cap(faults) {
		if err := <-faults; !errors.Is(err, errClosed) {
			t.Errorf("a run ended with %v, want %v", err, errClosed)
		}
	}
}

func TestPrepareAllocatesNothing(t *testing.T) {
	m := layers(t, 1, 64, 64)
	p, err := newPlan(m, 8)
	if err != nil {
		t.Fatal(err)
	}
	st := &state{plan: p}
	st.grow(8)
	rows, out := payload.OfItems(samples(m, 8)...), make([]payload.Result, 8)
	if n := testing.AllocsPerRun(100, func() {
		if err := p.check(rows, out); err != nil {
			t.Fatal(err)
		}
		st.assemble(rows)
	}); n != 0 {
		t.Errorf("checking and assembling a batch allocates %v times", n)
	}

	s := open(t, m, config(8)).(*session)
	run(t, s, samples(m, 8)...)
	warm, err := s.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer s.release(warm)
	if n := testing.AllocsPerRun(100, func() {
		if err := warm.prepare(rows, false); err != nil {
			t.Fatal(err)
		}
		warm.finish()
	}); n != 0 {
		t.Errorf("preparing a run allocates %v times", n)
	}
}

func floats(shape []int64, v ...float32) tensor.Tensor {
	return tensor.Tensor{Type: tensor.Float32, Shape: shape, Data: raw(v)}
}

func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("batch%d", n), func(b *testing.B) {
			m := layers(b, 3, 64, 64)
			s := open(b, m, config(n))
			rows, out := payload.OfItems(samples(m, n)...), make([]payload.Result, n)
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Run(b.Context(), rows, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
