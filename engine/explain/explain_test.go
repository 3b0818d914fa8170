package explain_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"sweetspot/engine/explain"
	"sweetspot/engine/tensor"
)

func value(typ tensor.Type, shape []int64, numbers ...float64) tensor.Tensor {
	t := tensor.Tensor{Type: typ, Shape: shape}
	for _, v := range numbers {
		if typ.IsFloat() {
			t.Data = tensor.AppendFloat(t.Data, typ, v)
		} else {
			t.Data = tensor.AppendInt(t.Data, typ, int64(v))
		}
	}
	return t
}

func spec(t tensor.Tensor) tensor.Spec { return tensor.Spec{Name: "x", Type: t.Type, Shape: t.Shape} }

// attributions explains a function of the input.
func attributions(t *testing.T, o explain.Options, x tensor.Tensor, f func(x []float64) float64) []float64 {
	t.Helper()
	p, err := o.Plan(spec(x), x)
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(x.Data)
	differences := make([]float64, p.Len())
	for k := range differences {
		changed := x
		changed.Data = make([]byte, len(x.Data))
		p.Perturb(changed.Data, x.Data, k)
		differences[k] = f(x.Numbers()) - f(changed.Numbers())
	}
	if !slices.Equal(before, x.Data) {
		t.Fatal("the input was changed")
	}
	return p.Attributions(differences)
}

// Attributions are those of Captum, for windows that overlap and that are cut off, and for masks.
func TestCaptum(t *testing.T) {
	text, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var reference struct {
		Cases []struct {
			Shape, Window, Stride, Mask []int64
			Baseline                    float64
			X, W, Attributions          []float64
		}
	}
	if err := json.Unmarshal(text, &reference); err != nil || len(reference.Cases) < 10 {
		t.Fatal(err, len(reference.Cases))
	}
	for i, c := range reference.Cases {
		o := explain.Options{Method: explain.Occlusion, Window: c.Window, Stride: c.Stride, Baseline: &c.Baseline}
		if c.Mask != nil {
			o = explain.Options{Method: explain.Ablation, Mask: c.Mask, Baseline: &c.Baseline}
		}
		got := attributions(t, o, value(tensor.Float64, c.Shape, c.X...), func(x []float64) float64 {
			sum := 0.0
			for i, v := range x {
				sum += math.Sin(c.W[i] * v)
			}
			return sum
		})
		for k, want := range c.Attributions {
			if math.Abs(got[k]-want) > 1e-6 { // Captum counts the windows of an element in FP32
				t.Errorf("case %d %v, element %d: %v, Captum says %v", i, c.Shape, k, got[k], want)
			}
		}
	}
}

// In a linear model the attribution of an element is its weight times its distance from the baseline.
func TestLinear(t *testing.T) {
	w, x, b := []float64{1, -2, 0, 4, 0.5, 3}, []float64{3, 1, 7, -1, 2, 0}, 0.5
	f := func(x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			sum += w[i] * v
		}
		return sum
	}
	for _, query := range []string{"baseline=.5", "baseline=.5&method=occlusion&window=1,1,1", "baseline=.5&method=ablation&mask=5,4,3,2,1,0"} {
		o, err := explain.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if query == "baseline=.5" {
			o.Method = explain.Ablation
		}
		for i, got := range attributions(t, o, value(tensor.Float32, []int64{3, 1, 2}, x...), f) {
			if want := w[i] * (x[i] - b); got != want {
				t.Errorf("%s: element %d: %v, want %v", query, i, got, want)
			}
		}
	}
	// All elements of a feature have what the whole feature adds.
	o, err := explain.Parse("features=channels")
	if err != nil {
		t.Fatal(err)
	}
	got := attributions(t, o, value(tensor.Float32, []int64{3, 1, 2}, x...), f)
	if want := []float64{1, 1, -4, -4, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("channels: %v, want %v", got, want)
	}
}

// The defaults for the shapes of inputs.
func TestDefaults(t *testing.T) {
	for _, tt := range []struct {
		shape []int64
		query string
		want  explain.Method
		grid  []int64
	}{
		{[]int64{3, 224, 224}, "", explain.Occlusion, []int64{1, 15, 15}},
		{[]int64{224, 200, 1}, "", explain.Occlusion, []int64{15, 16, 1}},
		{[]int64{5}, "", explain.Ablation, []int64{5}},
		{[]int64{}, "", explain.Ablation, []int64{}},
		{[]int64{6, 4}, "features=rows", explain.Ablation, []int64{6}},
		{[]int64{30, 40, 3}, "features=channels", explain.Ablation, []int64{3}},
		{[]int64{100, 9}, "method=occlusion", explain.Occlusion, []int64{16, 8}},
		{[]int64{10}, "window=4&stride=3", explain.Occlusion, []int64{3}},
	} {
		o, err := explain.Parse(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		x := value(tensor.Float32, tt.shape, make([]float64, tensor.Elements(tt.shape))...)
		p, err := o.Plan(spec(x), x)
		if err != nil {
			t.Errorf("%v %s: %v", tt.shape, tt.query, err)
			continue
		}
		if p.Method != tt.want || !slices.Equal(p.Grid, tt.grid) {
			t.Errorf("%v %s: %v %v, want %v %v", tt.shape, tt.query, p.Method, p.Grid, tt.want, tt.grid)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		query string
		typ   tensor.Type
		shape []int64
		want  string
	}{
		{"windw=3", 0, nil, `"windw" is not a parameter of explanations; they have answer, baseline, features`},
		{"window=1&window=2", 0, nil, "window is given 2 times"},
		{"window=0", 0, nil, "window: \"0\" is not a whole number from 1"},
		{"target=-1", 0, nil, "target: \"-1\" is not a whole number from 0"},
		{"baseline=NaN", 0, nil, "baseline: \"NaN\" is not a number"},
		{"method=lime", 0, nil, `method: "lime" is not one of default, ablation, occlusion`},
		{"method=ig", 0, nil, "need the gradients"},
		{"method=occlusion&features=rows", 0, nil, "features and mask are of method=ablation"},
		{"method=ablation&window=3", 0, nil, "window and stride are of method=occlusion"},
		{"stride=2", 0, nil, "a stride needs a window"},
		{"features=rows&mask=1", 0, nil, "a mask gives the features"},
		{"%zz", 0, nil, "the query"},

		{"window=3", tensor.Float32, []int64{2}, "the window [3] is larger than the input, whose shape is [2]"},
		{"window=2&stride=3", tensor.Float32, []int64{9}, "the stride [3] is larger than the window [2]"},
		{"window=2,2", tensor.Float32, []int64{9}, "need one number for each axis"},
		{"mask=0,1", tensor.Float32, []int64{3}, "the mask has 2 numbers, and the input of shape [3] has 3 elements"},
		{"features=channels", tensor.Float32, []int64{9}, "has no axis of channels"},
		{"features=rows", tensor.Float32, []int64{}, "one number without axes"},
		{"method=ablation", tensor.Float32, []int64{3, 64, 64}, "needs 12289 forward passes, and at most 4096 are allowed; use fewer features"},
		{"baseline=1e300", tensor.Float32, []int64{2}, "baseline 1e+300 is too large for FP32"},
		{"baseline=.5", tensor.Int64, []int64{2}, "baseline 0.5 is not a value of INT64"},
		{"baseline=300", tensor.Uint8, []int64{2}, "baseline 300 is not a value of UINT8"},
		{"baseline=-1", tensor.Uint64, []int64{2}, "baseline -1 is not a value of UINT64"},
		{"", tensor.Float32, []int64{0}, "it has no elements or too many"},
	} {
		o, err := explain.Parse(tt.query)
		if err == nil && tt.typ != tensor.Invalid {
			x := value(tt.typ, tt.shape, make([]float64, tensor.Elements(tt.shape))...)
			_, err = o.Plan(spec(x), x)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %v: %v, want %s", tt.query, tt.shape, err, tt.want)
		}
	}
}

func TestScore(t *testing.T) {
	out := value(tensor.Float32, []int64{1, 2, 2}, 1, 5, 3, 2)
	for _, tt := range []struct {
		target []int64
		want   float64
		err    string
	}{
		{nil, 5, ""},
		{[]int64{0, 1, 0}, 3, ""},
		{[]int64{1, 1}, 2, ""},
		{[]int64{1}, 0, "1 indices, and the output \"x\" of shape [1 2 2] needs 3"},
		{[]int64{0, 0, 2}, 0, "index 2, and axis 2 of the output \"x\" has 2 elements"},
		{[]int64{0, 0, 0, 0}, 0, "4 indices"},
	} {
		s, err := explain.Options{Target: tt.target}.Score(spec(out), out)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v: %v, want %s", tt.target, err, tt.err)
			}
			continue
		}
		if err != nil || s.Value != tt.want || len(s.Target) != 3 {
			t.Errorf("%v: %+v %v", tt.target, s, err)
		}
		if _, err := s.Difference(value(tensor.Float32, []int64{4}, 1, 2, 3, 4)); err == nil {
			t.Error("an output of another shape is compared")
		}
	}
	one := value(tensor.Float32, []int64{}, 7)
	if s, err := (explain.Options{Target: []int64{0}}).Score(spec(one), one); err != nil || s.Value != 7 {
		t.Errorf("of one number: %+v %v", s, err)
	}
}

// Whatever the query, a plan has features whose elements are in the input, and no panic.
func FuzzParse(f *testing.F) {
	for _, q := range []string{"", "method=occlusion&window=3,16,16&stride=3,8,8&target=5&baseline=0", "mask=0,1,1,2&answer=grid", "features=rows", "window=1,2,2&stride=2", "method=ig", "input=x&output=y"} {
		f.Add(q, byte(3), byte(4), byte(4))
	}
	f.Fuzz(func(t *testing.T, query string, a, b, c byte) {
		o, err := explain.Parse(query)
		if err != nil {
			return
		}
		shape := []int64{int64(a % 8), int64(b % 8), int64(c % 8)}[:a%4]
		x := value(tensor.Float32, shape, make([]float64, tensor.Elements(shape))...)
		if _, err := o.Score(spec(x), x); err != nil && o.Target == nil && len(x.Data) > 0 {
			t.Errorf("%q: no score of %v: %v", query, shape, err)
		}
		p, err := o.Plan(spec(x), x)
		if err != nil {
			return
		}
		dst := make([]byte, len(x.Data))
		for k := range p.Len() {
			p.Perturb(dst, x.Data, k)
		}
		if got := p.Attributions(make([]float64, p.Len())); len(got) != len(x.Data)/4 {
			t.Errorf("%q: %d attributions of %v", query, len(got), shape)
		}
	})
}

// A changed copy of a picture of 224 x 224 needs one small allocation; the result has 12 bytes for each element.
func BenchmarkOcclusion(b *testing.B) {
	x := value(tensor.Float32, []int64{3, 224, 224}, make([]float64, 3*224*224)...)
	p, err := explain.Options{}.Plan(spec(x), x)
	if err != nil {
		b.Fatal(err)
	}
	dst, differences := make([]byte, len(x.Data)), make([]float64, p.Len())
	b.Run("perturb", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			p.Perturb(dst, x.Data, i%p.Len())
		}
	})
	b.Run("attributions", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Attributions(differences)
		}
	})
}
