package runs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// inputs are those of a text model: a and b share a length.
var inputs = []tensor.Spec{
	{Name: "a", Type: tensor.Int64, Shape: []int64{-1}, Dims: []string{"S"}},
	{Name: "b", Type: tensor.Float32, Shape: []int64{2, -1}, Dims: []string{"", "S"}},
}

// item has the numbers 1 to n in both inputs, those of the second row of b negative.
func item(n int) tensor.Item {
	a := tensor.Tensor{Type: tensor.Int64, Shape: []int64{int64(n)}, Data: []byte{}}
	b := tensor.Tensor{Type: tensor.Float32, Shape: []int64{2, int64(n)}, Data: []byte{}}
	for i := range n {
		a.Data = tensor.AppendInt(a.Data, a.Type, int64(i+1))
		b.Data = tensor.AppendFloat(b.Data, b.Type, float64(i+1))
	}
	for i := range n {
		b.Data = tensor.AppendFloat(b.Data, b.Type, -float64(i+1))
	}
	return tensor.Item{a, b}
}

func rows(lengths ...int) []payload.Row {
	items := make([]tensor.Item, len(lengths))
	for i, n := range lengths {
		items[i] = item(n)
	}
	return payload.OfItems(items...)
}

func padding(buckets ...int64) *runs.Padding {
	dim := func(t, axis int) tensor.Dim { return tensor.Dim{Tensor: t, Axis: axis} }
	return &runs.Padding{
		Fills: []runs.Fill{{Pad: true, Value: 9}, {Pad: true, Value: -0.5}}, Buckets: buckets,
		Cuts: []runs.Cut{{Output: dim(0, 0), Input: dim(0, 0)}, {Output: dim(1, 1), Input: dim(1, 1)}},
	}
}

// describe writes the runs as positions and shape: 0 2 [7].
func describe(all []runs.Run) []string {
	var out []string
	for i := range all {
		out = append(out, fmt.Sprintf("%v of %v", all[i].Index, all[i].Rows[0].Item[0].Shape))
	}
	return out
}

func TestDivide(t *testing.T) {
	for _, tc := range []struct {
		name    string
		pad     *runs.Padding
		lengths []int
		want    []string
		work    runs.Work // of one element per token
	}{
		{"equal", nil, []int{7, 7}, []string{"[0 1] of [7]"}, runs.Work{1, 14, 0}},
		{"by shape", nil, []int{7, 3, 7, 8}, []string{"[0 2] of [7]", "[1] of [3]", "[3] of [8]"}, runs.Work{3, 25, 0}},
		{"longest", padding(), []int{7, 3, 7, 8}, []string{"[0 1 2 3] of [8]"}, runs.Work{1, 32, 7}},
		{"one", padding(), []int{5}, []string{"[0] of [5]"}, runs.Work{1, 5, 0}},
		{"buckets", padding(4, 8), []int{7, 3, 8, 4}, []string{"[0 2] of [8]", "[1 3] of [4]"}, runs.Work{2, 24, 2}},
		{"above the last bucket", padding(4), []int{7, 3, 9}, []string{"[0 2] of [9]", "[1] of [4]"}, runs.Work{2, 22, 3}},
		{"empty", padding(), []int{0, 2}, []string{"[0 1] of [2]"}, runs.Work{1, 4, 2}},
	} {
		d := runs.NewDivider(inputs, nil, tc.pad)
		for range 2 { // the second one reuses the memory
			in := rows(tc.lengths...)
			got := d.Divide(in)
			if diff := cmp.Diff(tc.want, describe(got)); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.name, diff)
			}
			want := tc.work
			want.Elements, want.Padding = 3*want.Elements, 3*want.Padding // a has 1 per token, b 2
			if diff := cmp.Diff(want, d.Work(got, in)); diff != "" {
				t.Errorf("%s: work: -want +got\n%s", tc.name, diff)
			}
		}
	}
}

// TestHugeRow checks that one long row does not multiply the memory of a batch.
func TestHugeRow(t *testing.T) {
	const long = 1 << 21 // 32 MB with both inputs
	in := rows(1, 2, 1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2)
	in[2].Item = tensor.Item{
		{Type: tensor.Int64, Shape: []int64{long}, Data: make([]byte, 8*long)}, {Type: tensor.Float32, Shape: []int64{2, long}, Data: make([]byte, 8*long)},
	}
	got := runs.NewDivider(inputs, nil, padding()).Divide(in)
	if len(got) != 3 {
		t.Errorf("%d runs, want 3 of equal shape", len(got))
	}
}

func TestPaddedRows(t *testing.T) {
	got := runs.NewDivider(inputs, nil, padding(4)).Divide(rows(2))[0].Rows[0].Item
	a, b := got[0].Numbers(), got[1].Numbers()
	if want := []float64{1, 2, 9, 9}; !slices.Equal(a, want) {
		t.Errorf("a = %v, want %v", a, want)
	}
	if want := []float64{1, 2, -.5, -.5, -1, -2, -.5, -.5}; !slices.Equal(b, want) {
		t.Errorf("b = %v, want %v", b, want)
	}
}

// echo returns the inputs as outputs and refuses rows of different shapes.
type echo struct {
	mu   sync.Mutex
	runs []int // rows of each
	err  error // of rows whose length is 13
}

func (e *echo) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	e.mu.Lock()
	e.runs = append(e.runs, len(in))
	e.mu.Unlock()
	for i := range in {
		if !slices.Equal(in[i].Item[0].Shape, in[0].Item[0].Shape) {
			return errors.New("rows of different shapes")
		}
		if e.err != nil && in[i].Item[0].Shape[0] == 13 {
			return e.err
		}
		out[i].Outputs = slices.Clone(in[i].Item)
		for j := range out[i].Outputs {
			out[i].Outputs[j].Data = slices.Clone(in[i].Item[j].Data)
			out[i].Outputs[j].Shape = slices.Clone(in[i].Item[j].Shape)
		}
	}
	return nil
}

// TestSession checks that every row gets its own answer back, cut to its length, with many
// callers at the same time.
func TestSession(t *testing.T) {
	for name, pad := range map[string]*runs.Padding{"equal shapes": nil, "longest": padding(), "buckets": padding(4, 16, 64)} {
		e := &echo{}
		s := runs.NewSession(e, inputs, nil, pad)
		var wg sync.WaitGroup
		for seed := range uint64(8) {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(seed, 1))
				for range 50 {
					lengths := make([]int, 1+rng.IntN(16))
					for i := range lengths {
						lengths[i] = rng.IntN(90)
					}
					checkEcho(t, name, s, lengths)
				}
			})
		}
		wg.Wait()
	}
}

func checkEcho(t *testing.T, name string, s *runs.Session, lengths []int) {
	in := rows(lengths...)
	out := make([]payload.Result, len(in))
	if err := s.Run(t.Context(), in, out); err != nil {
		t.Errorf("%s: %v: %v", name, lengths, err)
		return
	}
	for i := range in {
		same := func(a, b tensor.Tensor) bool { return slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Data, b.Data) }
		if !slices.EqualFunc(in[i].Item, out[i].Outputs, same) {
			t.Errorf("%s: row %d of %v: %v, want its own numbers back", name, i, lengths, out[i].Outputs)
		}
	}
}

func TestSessionCounts(t *testing.T) {
	e := &echo{err: errors.New("13 is refused")}
	s := runs.NewSession(e, inputs, nil, nil)
	var got []runs.Work
	count := func(all []runs.Run, w runs.Work) {
		if int64(len(all)) != w.Runs || len(all[0].Shape()) != 2 {
			t.Errorf("%d runs of shape %v, work %+v", len(all), all[0].Shape(), w)
		}
		got = append(got, w)
	}
	in := rows(5, 5, 6)
	if err := s.RunCounted(t.Context(), in, make([]payload.Result, 3), count); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]runs.Work{{2, 48, 0}}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if !slices.Equal(e.runs, []int{2, 1}) {
		t.Errorf("runs of %v rows, want 2 and 1", e.runs)
	}
	if err := s.Run(t.Context(), rows(5, 13), make([]payload.Result, 2)); !errors.Is(err, e.err) {
		t.Errorf("a run that fails: %v, want %v", err, e.err)
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		pad  runs.Padding
		want string
	}{
		{runs.Padding{Fills: []runs.Fill{{}, {}}, Buckets: []int64{8, 16}}, ""},
		{runs.Padding{}, "padding for 0 inputs, the model has 2"},
		{runs.Padding{Fills: []runs.Fill{{true, .5}, {true, .5}}}, "pad a=0.5: a is INT64; give a whole number"},
		{runs.Padding{Fills: []runs.Fill{{}, {}}, Buckets: []int64{16, 8}}, "buckets [16 8]: want ascending lengths above 0, such as 16,32,64"},
		{runs.Padding{Fills: []runs.Fill{{}, {}}, Buckets: []int64{0}}, "buckets [0]: want ascending"},
	} {
		err := tc.pad.Validate(inputs)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)) {
			t.Errorf("%+v: %v, want %q", tc.pad, err, tc.want)
		}
	}
}

// BenchmarkDivide divides a batch of 8 texts. It allocates nothing.
func BenchmarkDivide(b *testing.B) {
	in := rows(12, 40, 33, 61, 8, 40, 25, 90)
	for name, pad := range map[string]*runs.Padding{"equal": nil, "longest": padding(), "buckets": padding(16, 32, 64, 128)} {
		b.Run(name, func(b *testing.B) {
			d := runs.NewDivider(inputs, nil, pad)
			b.ReportAllocs()
			for b.Loop() {
				d.Work(d.Divide(in), in)
			}
		})
	}
}

func TestDivideAllocatesNothing(t *testing.T) {
	for name, pad := range map[string]*runs.Padding{"equal": nil, "longest": padding(), "buckets": padding(16, 32, 64, 128)} {
		d, in := runs.NewDivider(inputs, nil, pad), rows(12, 40, 33, 61, 8, 40, 25, 90)
		d.Divide(in)
		d.Divide(in) // the first one has found the size of its memory
		if n := testing.AllocsPerRun(100, func() { d.Work(d.Divide(in), in) }); n != 0 {
			t.Errorf("%s: %v allocations per batch, want 0", name, n)
		}
	}
}

// TestPaddedTexts: outputs with texts are cut by text.
func TestPaddedTexts(t *testing.T) {
	spec := []tensor.Spec{{Name: "x", Type: tensor.Int64, Shape: []int64{-1}}}
	dim := tensor.Dim{Tensor: 0, Axis: 1}
	pad := &runs.Padding{Fills: []runs.Fill{{Pad: true, Value: 7}}, Cuts: []runs.Cut{{Output: dim}}}
	s := runs.NewSession(worder{}, spec, nil, pad)
	in := []payload.Row{{Item: item(1)[:1]}, {Item: item(3)[:1]}}
	out := make([]payload.Result, 2)
	if err := s.Run(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"1", "10"}, {"1", "2", "3", "10", "20", "30"}} {
		y := out[i].Outputs[0]
		if got, _ := tensor.Texts(y.Data); !slices.Equal(got, want) || !slices.Equal(y.Shape, []int64{2, int64(len(want) / 2)}) {
			t.Errorf("row %d: %q of %v, want %q", i, got, y.Shape, want)
		}
	}
}

// worder answers with the numbers of a row and their tenfold as texts.
type worder struct{}

func (worder) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		x := in[i].Item[0]
		y := tensor.Tensor{Type: tensor.String, Shape: []int64{2, x.Shape[0]}}
		for _, times := range []float64{1, 10} {
			for _, v := range x.Numbers() {
				y.Data = tensor.AppendText(y.Data, fmt.Sprint(times*v))
			}
		}
		out[i].Outputs = tensor.Item{y}
	}
	return nil
}
