//go:build unix && !race

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/sweep/trial"
)

// bertLike writes a model with BERT's inputs and outputs: one layer of attention of width 8
// over a vocabulary of 30,522 tokens.
func bertLike(t *testing.T) string {
	t.Helper()
	const ints, floats, width = onnxpb.TensorProto_INT64, onnxpb.TensorProto_FLOAT, 8
	n, s := onnxgraph.Open("batch_size"), onnxgraph.Open("sequence_length")
	b := builder.New("bert", 1)
	ids := b.Input("input_ids", ints, n, s)
	mask := b.Input("attention_mask", ints, n, s)
	types := b.Input("token_type_ids", ints, n, s)
	embed := func(size int64, in string) string { return b.Op("Gather", []string{b.Random(.5, size, width), in}) }
	x := b.Op("Add", []string{embed(30522, ids), embed(2, types)})
	hidden := b.Op("Sub", []string{b.Floats([]float32{1}), b.Op("Cast", []string{mask}, onnxpb.AttrInt("to", int64(floats)))})
	bias := b.Op("Unsqueeze", []string{b.Op("Mul", []string{hidden, b.Floats([]float32{-1e4})}), b.Ints([]int64{1}, 1)})
	scores := b.Op("MatMul", []string{x, b.Op("Transpose", []string{x}, onnxpb.AttrInts("perm", 0, 2, 1))})
	weights := b.Op("Softmax", []string{b.Op("Add", []string{scores, bias})}, onnxpb.AttrInt("axis", -1))
	y := b.Op("MatMul", []string{weights, x})
	first := b.Op("Gather", []string{y, b.Ints([]int64{0})}, onnxpb.AttrInt("axis", 1))
	b.Output("last_hidden_state", y, floats, n, s, onnxgraph.Dim{Size: width})
	b.Output("pooler_output", first, floats, n, onnxgraph.Dim{Size: width})
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bert.onnx")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// texts returns the bodies of testdata/texts.
func texts(t *testing.T) [][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/texts/*.json")
	if err != nil || len(files) != 24 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	out := make([][]byte, len(files))
	for i, f := range files {
		if out[i], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// bertAnswer is an answer in JSON.
type bertAnswer struct {
	Hidden [][]float64 `json:"last_hidden_state"`
	Pooled []float64   `json:"pooler_output"`
}

func askBERT(address string, body []byte) (a bertAnswer, err error) {
	res, err := http.Post(address+"/predictions/bert", "application/json", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, data)
	}
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	return a, err
}

// TestServeTexts serves a model with BERT's inputs without --shape: texts of all lengths are
// answered, in batches and padded as each alone.
func TestServeTexts(t *testing.T) {
	t.Parallel()
	path, bodies := bertLike(t), texts(t)
	alone := make([]bertAnswer, len(bodies))
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"alone", []string{"--batch-size=1"}},
		{"equal shapes", []string{"--batch-size=8", "--batch-delay=5ms"}},
		{"longest", []string{"--batch-size=8", "--batch-delay=5ms", "--pad=input_ids=0,attention_mask=0"}},
		{"buckets", []string{"--batch-size=8", "--batch-delay=5ms", "--pad=input_ids=0", "--buckets=8-64*2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address, _ := startServer(t, append([]string{path, "--disable-token-auth"}, tc.args...)...)
			var wg sync.WaitGroup
			for i, body := range bodies {
				wg.Go(func() {
					var in struct {
						IDs []int64 `json:"input_ids"`
					}
					if err := json.Unmarshal(body, &in); err != nil {
						t.Error(err)
					}
					got, err := askBERT(address, body)
					if err != nil {
						t.Errorf("text %d: %v", i+1, err)
						return
					}
					if len(got.Hidden) != len(in.IDs) || len(got.Pooled) != 8 {
						t.Errorf("text %d of %d tokens: an answer of %d tokens, pooled %d", i+1, len(in.IDs), len(got.Hidden), len(got.Pooled))
						return
					}
					if tc.name == "alone" {
						alone[i] = got
						return
					}
					if d := got.difference(alone[i]); d > 1e-4 {
						t.Errorf("text %d differs by %g from its answer alone", i+1, d)
					}
				})
			}
			wg.Wait()
		})
	}
}

// difference is the largest difference of two answers of the same size.
func (a bertAnswer) difference(b bertAnswer) float64 {
	largest := 0.0
	for i, row := range append(a.Hidden, a.Pooled) {
		other := b.Pooled
		if i < len(b.Hidden) {
			other = b.Hidden[i]
		}
		for j, v := range row {
			largest = max(largest, math.Abs(v-other[j]))
		}
	}
	return largest
}

// TestSweepTexts sweeps the same model with the folder as bodies, without --shape.
func TestSweepTexts(t *testing.T) {
	t.Parallel()
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	model, home := bertLike(t), t.TempDir()
	input, err := filepath.Abs("testdata/texts")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args        []string
		split, pads bool
	}{
		"equal shapes": {nil, true, false},
		"padded":       {[]string{"--pad=input_ids=0,attention_mask=0,token_type_ids=0"}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{
				model, "--sweep", "--strategy=grid", "--workers=1", "--batch-size=8", "--batch-delay=1ms", "--input=" + input,
				"--sla=10s", "--percentile=50", "--requests=1500", "--budget=0", "--json", "-q",
			}, tc.args...)
			cmd := exec.Command("sweetspot", args...)
			cmd.Dir = home
			cmd.Env = append(os.Environ(), ortlib.EnvVar+"="+lib.Path, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_STATE_HOME="+home)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			data, err := cmd.Output()
			var out struct {
				Trials []trial.Trial `json:"trials"`
			}
			if code := exitCode(err); json.Unmarshal(data, &out) != nil || len(out.Trials) == 0 || code == exitError {
				t.Fatalf("exit %d: %s%s", code, data, stderr.String())
			}
			answered := 0
			for _, tr := range out.Trials {
				answered += tr.Counts.OK // 0 if all the requests of a short trial were its warm-up
				if tr.Counts.Failed+tr.Counts.Refused+tr.Counts.Timeout > 0 || tr.Lengths == nil {
					t.Fatalf("trial %d: %+v, lengths %v", tr.N, tr.Counts, tr.Lengths)
				}
				if split := tr.Lengths.Split.Or(-1); (split > 0) != tc.split {
					t.Errorf("trial %d: %v of the batches were split, want some: %t", tr.N, split, tc.split)
				}
				if share := tr.Lengths.Padding.Or(-1); (share > 0) != tc.pads {
					t.Errorf("trial %d: padding is %v of the work, want some: %t", tr.N, share, tc.pads)
				}
			}
			if answered == 0 {
				t.Error("no trial has an answer")
			}
		})
	}
}
