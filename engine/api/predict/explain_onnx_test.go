package predict_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
)

// detectorSide is the side of the detector's picture, and patch where its patch begins and how large it is.
const (
	detectorSide = 16
	patchAt      = 8
	patchSide    = 4
)

// patchDetector has two classes: the score of class 1 is the sum over the pixels of a patch, and that of class 0 is 0.
func patchDetector(b *builder.Builder) {
	const pixels = detectorSide * detectorSide
	weights := make([]float32, 2*pixels)
	for y := patchAt; y < patchAt+patchSide; y++ {
		for x := patchAt; x < patchAt+patchSide; x++ {
			weights[2*(y*detectorSide+x)+1] = 1
		}
	}
	float := onnxpb.TensorProto_FLOAT
	batch := onnxgraph.Open("N")
	in := b.Input("x", float, append([]onnxgraph.Dim{batch}, onnxgraph.Fixed(1, detectorSide, detectorSide)...)...)
	flat := b.Op("Flatten", []string{in}, onnxpb.AttrInt("axis", 1))
	b.Output("y", b.Op("MatMul", []string{flat, b.Floats(weights, pixels, 2)}), float, batch, onnxgraph.Dim{Size: 2})
}

// loadDetector serves the patch detector on ONNX Runtime; without its library the test is skipped.
func loadDetector(t testing.TB) *predict.Predictor {
	t.Helper()
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skip(err)
	}
	backend, err := onnx.New(lib.Path, runtime.NumCPU(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b := builder.New("detector", 1)
	patchDetector(b)
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := catalog.Open(t.Context(), path, catalog.Options{Probe: backend})
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{m.Backend: backend}, Cores: 2})
	c := config(100)
	c.BatchSize = 8
	if err := e.Load(t.Context(), m, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(t.Context()); err != nil {
			t.Log(err)
		}
	})
	return predict.New(e)
}

// picture is a body of pixels of this brightness.
func pixels(v float64) payload.Body {
	row := "[" + strings.TrimSuffix(strings.Repeat(fmt.Sprint(v)+",", detectorSide), ",") + "]"
	return payload.Body{Type: "application/json", Data: []byte("[[" + strings.TrimSuffix(strings.Repeat(row+",", detectorSide), ",") + "]]")}
}

// inPatch reports whether the pixels [y, y+size) x [x, x+size) have one of the patch.
func inPatch(y, x, size int) bool {
	in := func(v int) bool { return v+size > patchAt && v < patchAt+patchSide }
	return in(y) && in(x)
}

// Of a picture for a detector of a patch, the patch has the whole attribution, by ablation of pixels as by occlusion of
// windows, whose pixels share what their windows hide.
func TestExplainPatch(t *testing.T) {
	p := loadDetector(t)
	for _, tt := range []struct {
		query string
		size  int     // of the feature of a pixel, at a multiple of itself
		want  float64 // attribution of a pixel in the patch
	}{
		{"method=ablation", 1, 0.5},
		{"method=ablation&baseline=-1.5", 1, 2},
		{"window=1,4,4&stride=1,4,4", 4, 8},
		{"window=1,2,2&stride=1,2,2&target=1", 2, 2},
		{"target=0", 1, 0},
	} {
		r, err := explainOnce(t.Context(), p, tt.query, pixels(0.5))
		var got [1][detectorSide][detectorSide]float64
		if err == nil {
			err = json.Unmarshal(r.Body, &got)
		}
		if err != nil {
			t.Errorf("%s: %v", tt.query, err)
			continue
		}
		for y, line := range got[0] {
			for x, v := range line {
				want := 0.0
				if inPatch(y-y%tt.size, x-x%tt.size, tt.size) {
					want = tt.want
				}
				if math.Abs(v-want) > 1e-5 {
					t.Errorf("%s: pixel %d, %d: %v, want %v", tt.query, y, x, v, want)
				}
			}
		}
	}
	// Windows that overlap: a pixel has the mean of what its windows hide of the patch.
	r, err := explainOnce(t.Context(), p, "window=1,4,4&stride=1,2,2&answer=grid&target=1", pixels(1))
	var got struct{ Grid [1][7][7]float64 }
	if err == nil {
		err = json.Unmarshal(r.Body, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	for y, line := range got.Grid[0] {
		for x, v := range line {
			if want := hidden(2*y) * hidden(2*x); math.Abs(v-want) > 1e-5 {
				t.Errorf("window %d, %d hides %v of the patch, want %v", y, x, v, want)
			}
		}
	}
}

// hidden returns how many rows of the patch a window of 4 rows from y on hides.
func hidden(y int) float64 {
	return float64(max(0, min(y+4, patchAt+patchSide)-max(y, patchAt)))
}

// An explanation of 257 forward passes, in batches of 8.
func BenchmarkExplain(b *testing.B) {
	p := loadDetector(b)
	body := pixels(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := explainOnce(b.Context(), p, "method=ablation", body); err != nil {
			b.Fatal(err)
		}
	}
}
