package runs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
	"sweetspot/engine/tensor"
)

// modal is a model with the side input mode, which answers x+1. With the mode 0 it adds up the
// rows, 2 fails for several rows, 3 turns them round, and 4 answers 7 to all.
type modal struct {
	mu   sync.Mutex
	runs []int // rows of each
}

func (m *modal) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	m.mu.Lock()
	m.runs = append(m.runs, len(in))
	m.mu.Unlock()
	mode := in[0].Item[1].Numbers()[0]
	if mode == 2 && len(in) > 1 {
		return errors.New("one row, please")
	}
	sum := 0.0
	for i := range in {
		k := i
		if mode == 3 {
			k = len(in) - 1 - i
		}
		v := in[k].Item[0].Numbers()[0]
		switch sum += v; mode {
		case 0:
			v = sum
		case 4:
			v = 6
		}
		out[i].Outputs = tensor.Item{number(v + 1)}
	}
	return nil
}

func (m *modal) took() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.runs
	m.runs = nil
	return out
}

func number(v float64) tensor.Tensor {
	return tensor.Tensor{Type: tensor.Float32, Shape: []int64{1}, Data: tensor.AppendFloat(nil, tensor.Float32, v)}
}

func modalRows(mode float64, x ...float64) []payload.Row {
	var out []payload.Row
	for _, v := range x {
		out = append(out, payload.Row{Item: tensor.Item{number(v), number(mode)}})
	}
	return out
}

var modalInputs = []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{1}}, {Name: "mode", Type: tensor.Float32, Shape: []int64{1}}}

// runModal runs rows and checks that each has the answer that it has alone.
func runModal(t *testing.T, s *runs.Session, in []payload.Row) {
	t.Helper()
	out := make([]payload.Result, len(in))
	if err := s.Run(t.Context(), in, out); err != nil {
		t.Error(err)
		return
	}
	for i, r := range in {
		alone := make([]payload.Result, 1)
		if err := (&modal{}).Run(t.Context(), in[i:i+1], alone); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(alone[0].Outputs, out[i].Outputs); diff != "" {
			t.Errorf("row %d with %v: (-alone +together)\n%s", i, r.Item[1].Numbers(), diff)
		}
	}
}

// TestNewSideValuesAreVerified: rows with a value that mixes them run alone, from the first batch
// on, and others together when a batch has shown that they may.
func TestNewSideValuesAreVerified(t *testing.T) {
	var reported []string
	samples := modalRows(1, 50, 60, 70)
	sides := runs.NewSides([]int{1}, []runs.SideValue{{Values: []tensor.Tensor{number(1)}}, {Values: []tensor.Tensor{number(9)}, Why: "known"}}, samples,
		func(v runs.SideValue) { reported = append(reported, v.Text([]string{"mode"})+": "+v.Why) })
	m := &modal{}
	s := runs.NewSession(m, modalInputs, []int{1}, nil).Verify(sides)
	other := "2 items together have other outputs than each alone"
	for _, tc := range []struct {
		name   string
		mode   float64
		x      []float64
		then   []int // the runs of the same batch when the value is known
		report string
	}{
		{"known", 1, []float64{1, 2, 3}, []int{3}, ""},
		{"known for single rows", 9, []float64{1, 2, 3}, []int{1, 1, 1}, ""},
		{"adds up", 0, []float64{0, 2}, []int{1, 1}, "mode=0: " + other},
		{"fails", 2, []float64{1, 2}, []int{1, 1}, "mode=2: 2 items together fail: one row, please"},
		{"turns round equal rows", 3, []float64{5, 5}, []int{1, 1}, "mode=3: " + other},
		{"good", 5, []float64{1, 2}, []int{2}, ""},
		{"good, equal rows", 6, []float64{2, 2}, []int{2}, ""},
	} {
		reported = nil
		runModal(t, s, modalRows(tc.mode, tc.x...))
		m.took()
		for range 2 {
			runModal(t, s, modalRows(tc.mode, tc.x...))
			if got := m.took(); !slices.Equal(got, tc.then) {
				t.Errorf("%s: runs of %v rows, want %v", tc.name, got, tc.then)
			}
		}
		if want := tc.report; want != "" && !slices.Equal(reported, []string{want}) || want == "" && reported != nil {
			t.Errorf("%s: reported %q, want %q", tc.name, reported, want)
		}
	}
	runModal(t, s, modalRows(8, 1))
	if got := m.took(); !slices.Equal(got, []int{1}) {
		t.Errorf("a single row with a new value: %v runs", got)
	}
}

// TestEqualAnswersShowNothing: a value with which all answers are equal is for single rows after
// some checks, because a mix would not be seen.
func TestEqualAnswersShowNothing(t *testing.T) {
	m := &modal{}
	s := runs.NewSession(m, modalInputs, []int{1}, nil).Verify(runs.NewSides([]int{1}, nil, nil, nil))
	for range 4 {
		runModal(t, s, modalRows(4, 1, 2))
	}
	m.took()
	runModal(t, s, modalRows(4, 1, 2))
	if got := m.took(); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("runs of %v rows, want single ones", got)
	}
}

// TestTheFirstRowMayHideAMix: rows are compared in both orders, also without samples to help.
func TestTheFirstRowMayHideAMix(t *testing.T) {
	s := runs.NewSession(&modal{}, modalInputs, []int{1}, nil).Verify(runs.NewSides([]int{1}, nil, nil, nil))
	runModal(t, s, modalRows(0, 0, 2)) // 0, 0+2 is right
	runModal(t, s, modalRows(0, 3, 2))
}

// TestManySideValues: what is remembered is bounded; rows with other values run alone.
func TestManySideValues(t *testing.T) {
	m := &modal{}
	s := runs.NewSession(m, modalInputs, []int{1}, nil).Verify(runs.NewSides([]int{1}, nil, nil, nil))
	for i := range 300 {
		runModal(t, s, modalRows(float64(10+i), 1, 2))
	}
	for mode, want := range map[float64][]int{10: {2}, 309: {1, 1}, 400: {1, 1}} {
		m.took()
		runModal(t, s, modalRows(mode, 1, 2))
		if got := m.took(); !slices.Equal(got, want) {
			t.Errorf("mode %v: runs of %v rows, want %v", mode, got, want)
		}
	}
}

// TestSideValuesAtTheSameTime: sessions share what they know.
func TestSideValuesAtTheSameTime(t *testing.T) {
	sides := runs.NewSides([]int{1}, nil, modalRows(1, 50, 60), nil)
	var wg sync.WaitGroup
	for range 4 {
		s := runs.NewSession(&modal{}, modalInputs, []int{1}, nil).Verify(sides)
		wg.Go(func() {
			for i := range 100 {
				mode := float64(i % 7)
				runModal(t, s, append(modalRows(mode, 1, 2, 3), modalRows(float64((i+1)%7), 4, 5)...))
			}
		})
	}
	wg.Wait()
}

// scaledBy is a model that multiplies x by the length that a run has if the side input is 2.
type scaledBy struct{}

func (scaledBy) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		x, by := in[i].Item[0], 1.0
		if in[i].Item[1].Numbers()[0] == 2 {
			by = float64(x.Shape[0])
		}
		y := tensor.Tensor{Type: x.Type, Shape: slices.Clone(x.Shape)}
		for _, v := range x.Numbers() {
			y.Data = tensor.AppendFloat(y.Data, y.Type, v*by)
		}
		out[i].Outputs = tensor.Item{y}
	}
	return nil
}

// TestPaddingOfNewSideValues: padding was verified with one value, and may be wrong for another.
func TestPaddingOfNewSideValues(t *testing.T) {
	inputs := []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{-1}}, modalInputs[1]}
	pad := &runs.Padding{Fills: []runs.Fill{{Pad: true}, {}}, Buckets: []int64{4}, Cuts: []runs.Cut{{}}}
	s := runs.NewSession(scaledBy{}, inputs, []int{1}, pad).Verify(runs.NewSides([]int{1}, nil, nil, nil))
	row := func(mode float64, x ...float64) payload.Row {
		item := tensor.Item{{Type: tensor.Float32, Shape: []int64{int64(len(x))}}, number(mode)}
		for _, v := range x {
			item[0].Data = tensor.AppendFloat(item[0].Data, tensor.Float32, v)
		}
		return payload.Row{Item: item}
	}
	for range 3 {
		for mode, want := range map[float64]string{1: "[[3] [5 6]]", 2: "[[3] [10 12]]"} {
			out := make([]payload.Result, 2)
			if err := s.Run(t.Context(), []payload.Row{row(mode, 3), row(mode, 5, 6)}, out); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint([][]float64{out[0].Outputs[0].Numbers(), out[1].Outputs[0].Numbers()})
			if got != want {
				t.Errorf("mode %v: %s, want %s", mode, got, want)
			}
		}
	}
}

// TestKnownSideValuesAllocateNothing: a batch of a value that is known costs a hash.
func TestKnownSideValuesAllocateNothing(t *testing.T) {
	s := runs.NewSession(silent{}, modalInputs, []int{1}, nil).Verify(runs.NewSides([]int{1}, []runs.SideValue{{Values: []tensor.Tensor{number(1)}}}, nil, nil))
	in := modalRows(1, 1, 2, 3, 4)
	out := make([]payload.Result, len(in))
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Run(t.Context(), in, out); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch, want 0", n)
	}
}

// silent answers nothing.
type silent struct{}

func (silent) Run(context.Context, []payload.Row, []payload.Result) error { return nil }
