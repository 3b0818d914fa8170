//go:build unix

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// The commands of the page on the Open Inference Protocol answer what it says.
func TestOIPPage(t *testing.T) { checkPage(t, "open-inference-protocol.md", 7) }

// halfModel returns two numbers of FP16 as they are.
func halfModel(t *testing.T) []byte {
	b := builder.New("half", 1)
	x := b.Input("x", onnxpb.TensorProto_FLOAT16, batchOf, onnxgraph.Dim{Size: 2})
	b.Output("y", b.Op("Identity", []string{x}), onnxpb.TensorProto_FLOAT16, batchOf, onnxgraph.Dim{Size: 2})
	return modelBytes(t, b)
}

// TestOIPClient asks the server with Triton's client in Python, with a key, over HTTP and gRPC.
func TestOIPClient(t *testing.T) {
	venv := os.Getenv("SWEETSPOT_OIP_CLIENT")
	if venv == "" {
		t.Skip("needs Triton's client in Python: make test-oip-client installs it and runs this test")
	}
	dir := t.TempDir()
	args := []string{filepath.Join(dir, "half.onnx")}
	if err := os.WriteFile(args[0], halfModel(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"scale.onnx", "pair.onnx", "words.onnx"} {
		path, err := filepath.Abs(filepath.Join(bodiesFolder, name))
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	address, _, printed := startServerIn(t, dir, args...)
	rpc, _ := grpcAddresses(t, printed)
	var keys struct {
		Inference struct{ Key string }
	}
	data, err := os.ReadFile(filepath.Join(dir, "key_file.json"))
	if err == nil {
		err = json.Unmarshal(data, &keys)
	}
	if err != nil {
		t.Fatal(err)
	}
	for script, at := range map[string]string{"client.py": strings.TrimPrefix(address, "http://"), "client_grpc.py": rpc} {
		out, err := exec.CommandContext(t.Context(), filepath.Join(venv, "bin", "python"), "testdata/oip/"+script, at, keys.Inference.Key).CombinedOutput()
		if err != nil || string(out) != "ok\n" {
			t.Errorf("%s: %v:\n%s", script, err, out)
		}
	}
}
