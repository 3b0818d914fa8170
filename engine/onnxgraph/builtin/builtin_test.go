package builtin_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builtin"
	"sweetspot/engine/onnxgraph/onnxpb"
)

const (
	float32s = onnxpb.TensorProto_FLOAT
)

var export = flag.String("export", "", "write the built-in models to this folder, for ../testdata/reference.py")

// Profiles of one model are compared by its sum, so it never changes.
func TestModels(t *testing.T) {
	sums := map[string]string{
		"detector":  "f8fd4e23264c4359f770f26c8f30961cff49edd1a18b570c12d8bfb9b3d8838a",
		"encoder":   "ca7b1292e2c3859ef1bf39c930c3c94efb832693a43363e01353826d19c9d682",
		"keypoints": "37e2ef474ce80a2f98c7f48fea019d46024e2c072d6b13e5af21ee3f1e96566e",
		"mlp":       "c7562b8fec8b23d936c1c649031b94c26be9ab59ca1273d43b83987cbf05fef0",
		"mlp-wide":  "05db2628d572295fcf7d256c7f8dc8f7293c7dcc49e0216d21b8cc81a1b9c120",
		"resnet18":  "1520de35f7917ab2ae7ea82e77baf81deed8bba7f9ca724282e9b7dbfa689d58",
	}
	all := builtin.Models()
	if len(all) != len(sums) {
		t.Errorf("%d models, want %d", len(all), len(sums))
	}
	for _, b := range all {
		t.Run(b.Name, func(t *testing.T) {
			data, err := b.Build()
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != sums[b.Name] {
				t.Errorf("sha256 %x, want %s", sum, sums[b.Name])
			}
			if *export != "" {
				if err := os.WriteFile(filepath.Join(*export, b.Name+".onnx"), data, 0o600); err != nil {
					t.Error(err)
				}
			}
			if got := floatsIn(t, data); got != b.Parameters {
				t.Errorf("%d parameters are documented, the file holds %d", b.Parameters, got)
			}
			info, err := onnxgraph.Inspect(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			for _, in := range info.Inputs {
				if d := in.Dims[0]; d.Name != "N" {
					t.Errorf("the first dimension of input %s is %v, want N", in.Name, d)
				}
				if in.Name == "input_ids" && in.Range == nil {
					t.Errorf("input %s has no legal range", in.Name)
				}
			}
		})
	}
}

// floatsIn counts the FP32 numbers of a model's constants.
func floatsIn(t *testing.T, data []byte) (n int64) {
	for _, c := range parse(t, data).GetGraph().GetInitializer() {
		if c.GetDataType() == int32(float32s) {
			n += int64(len(c.GetRawData()) / 4)
		}
	}
	return n
}

func parse(t testing.TB, data []byte) *onnxpb.ModelProto {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestModelsPage compares the table of docs/models.md with the models.
func TestModelsPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "models.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, " | "); len(cells) > 5 {
			rows[strings.Trim(cells[0], "| `")] = cells
		}
	}
	for _, b := range builtin.Models() {
		work := thousands(b.FLOPs)
		if b.FLOPsPerRow > 0 {
			work += " + " + thousands(b.FLOPsPerRow) + " per row"
		}
		cells := rows[b.Name]
		if len(cells) < 5 || cells[3] != thousands(b.Parameters) || cells[4] != work {
			t.Errorf("docs/models.md says %v of %s, want %s and %s", cells, b.Name, thousands(b.Parameters), work)
		}
	}
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
