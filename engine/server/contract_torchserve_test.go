package server_test

import (
	"archive/zip"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sweetspot/engine/torchservetest"
)

// wordHandler is the model of the contract for TorchServe.
const wordHandler = `from ts.utils.util import PredictionException


def handle(data, context):
    if data is None:
        return None
    out = []
    for i, row in enumerate(data):
        body = row.get("data")
        if body is None:
            body = row.get("body")
        text = body.decode() if isinstance(body, (bytes, bytearray)) else str(body)
        if text == "fail":
            raise PredictionException("the row failed", 500)
        context.set_response_content_type(i, "text/plain")
        out.append(text.upper())
    return out
`

// writeArchive writes an archive with one handler.
func writeArchive(t *testing.T, store, file, model, version, code string) {
	t.Helper()
	f, err := os.Create(filepath.Join(store, file))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal(map[string]any{"runtime": "python", "model": map[string]string{"modelName": model, "modelVersion": version, "handler": "handler.py"}})
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, text := range map[string]string{"MAR-INF/MANIFEST.json": string(manifest), "handler.py": code} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// startWords starts a TorchServe with the models of the contract.
func startWords(t *testing.T) *torchservetest.Server {
	t.Helper()
	torchservetest.Find(t)
	store := t.TempDir()
	writeArchive(t, store, "words.mar", "words", "1.0", wordHandler)
	writeArchive(t, store, "more.mar", "more", "1.0", wordHandler)
	writeArchive(t, store, "words-2.mar", "words", "2.0", wordHandler)
	writeArchive(t, store, "broken.mar", "broken", "1.0", "raise RuntimeError('no')\n")
	if err := os.WriteFile(filepath.Join(store, "notzip.mar"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := torchservetest.Start(t, torchservetest.Options{
		Config: "metrics_mode=prometheus\nload_models=words.mar\ndefault_workers_per_model=1\n", Store: store,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a guard
	defer cancel()
	if err := s.WaitReady(ctx, "words"); err != nil {
		t.Fatal(err)
	}
	return s
}

// A real TorchServe answers the calls of gRPC too, but for the differences that they list.
func TestRealTorchServeGRPC(t *testing.T) {
	s := startWords(t)
	runRPC(t, rpcContract, dial(t, s.GRPCInference, s.GRPCManagement), true)
}

// A real TorchServe answers the contract too, but for the differences that it lists.
func TestRealTorchServeContract(t *testing.T) {
	s := startWords(t)
	runContract(t, map[string]string{"inference": s.Inference, "management": s.Management, "metrics": s.Metrics}, true)
}
