package catalog_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph/builtin"
)

// modelFile returns the bytes of an ONNX file.
func modelFile(t *testing.T) []byte {
	t.Helper()
	for _, m := range builtin.Models() {
		if m.Name == "mlp" {
			b, err := m.Build()
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	t.Fatal("no mlp")
	return nil
}

// A request may name a model of the store, a built-in one and nothing else of the machine.
func TestStore(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "store")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"outside.onnx", "store/one.onnx", "store/sub/two=2.onnx"} {
		if err := os.WriteFile(filepath.Join(root, name), modelFile(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "text.onnx"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := catalog.Store{Dir: dir}
	for _, tt := range []struct{ url, name, want string }{
		{"one.onnx", "", "one"},
		{filepath.Join(dir, "one.onnx"), "", "one"},
		{"one.onnx", "other", "other"},
		{"sub/two=2.onnx", "", "two_2"},
		{"sub/two=2.onnx", "two", "two"},
		{"/elsewhere/store/one.onnx", "", "one"},
		{"elsewhere/one.onnx", "mine", "mine"},
		{"builtin:mlp", "", "mlp"},
		{"builtin:mlp", "mine", "mine"},
		{"sim:animated-drawings", "", "animated-drawings"},
	} {
		m, err := s.Open(t.Context(), tt.url, tt.name)
		if err != nil || m.Name != tt.want || m.Source != tt.url {
			t.Errorf("Open(%s, %s) = %+v, %v", tt.url, tt.name, m, err)
		}
	}
	for _, tt := range []struct {
		url, name string
		found     bool // it is in the store, but no model
		want      string
	}{
		{"none.onnx", "", false, "model not found at: none.onnx"},
		{"../outside.onnx", "", false, "relative path is not allowed in url: ../outside.onnx"},
		{"sub/../../outside.onnx", "", false, "relative path is not allowed"},
		{`sub\..\..\outside.onnx`, "", false, "relative path is not allowed"},
		{filepath.Join(root, "outside.onnx"), "", false, "is not the name of a file or folder in the model store"},
		{".", "", false, "model not found at: ."},
		{"/", "", false, "is not the name of a file or folder in the model store"},
		{"", "", false, "is not the name of a file or folder in the model store"},
		{"x=" + filepath.Join(root, "outside.onnx"), "", false, "model not found at"},
		{"file://" + filepath.Join(root, "outside.onnx"), "", false, "does not match any allowed URL(s)"},
		{"file:" + filepath.Join(root, "outside.onnx"), "", false, "does not match any allowed URL(s)"},
		{"http://127.0.0.1:9/one.onnx", "", false, "does not match any allowed URL(s)"},
		{"HTTP://127.0.0.1:9/one.onnx", "", false, "does not match any allowed URL(s)"},
		{"gopher://127.0.0.1:9/one.onnx", "", false, "does not match any allowed URL(s)"},
		{"sim:" + filepath.Join(root, "table.csv"), "", false, "model not found at: sim:"},
		{"text.onnx", "", true, "text.onnx: the file is text"},
		{"one.onnx", "a/b", true, `"a/b" is not a model name; use letters, digits, _ . and -, such as a_b`},
		{"one.onnx", "..", true, "is not a model name"},
	} {
		_, err := s.Open(t.Context(), tt.url, tt.name)
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, catalog.ErrNotInStore) == tt.found || strings.Contains(err.Error(), dir) {
			t.Errorf("Open(%s, %s) = %v, want %s", tt.url, tt.name, err, tt.want)
		}
	}
	t.Chdir(root)
	for _, relative := range []string{"store", "./store/", "sub/../store"} { // which the paths in errors do not begin with
		_, err := catalog.Store{Dir: relative}.Open(t.Context(), "text.onnx", "")
		if err == nil || !strings.HasPrefix(err.Error(), "text.onnx: the file is text") {
			t.Errorf("from the store %s: %v, want text.onnx: ...", relative, err)
		}
	}
	if _, err := (catalog.Store{}).Open(t.Context(), "one.onnx", ""); err == nil || !strings.Contains(err.Error(), "--model-store") {
		t.Errorf("without a store: %v", err)
	}
}

// Only URLs that are allowed are asked for, also after a redirect; a file of the store is never
// replaced, and a failed download leaves none.
func TestDownload(t *testing.T) {
	var asked atomic.Int64
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/ok/m.onnx", "/secret/m.onnx":
			_, _ = w.Write(modelFile(t))
		case "/ok/moved.onnx":
			http.Redirect(w, r, server.URL+"/secret/m.onnx", http.StatusFound)
		case "/ok/huge.onnx":
			_, _ = w.Write(make([]byte, 1<<20))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	allowed, err := catalog.ParseAllowed("https://example\\.com/.*, " + regexp.QuoteMeta(server.URL) + "/ok/.*")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := catalog.Store{Dir: dir, Allowed: allowed, MaxBytes: 900 << 10}
	for _, tt := range []struct {
		path, want string
		asks       int64
	}{
		{"/secret/m.onnx", "does not match any allowed URL(s)", 0},
		{"/ok/../secret/m.onnx", "relative path is not allowed", 0},
		{"/ok/", "failed to download", 1},
		{"/ok/none.onnx", "the answer was 404 Not Found", 1},
		{"/ok/moved.onnx", "which is not allowed", 1},
		{"/ok/huge.onnx", "it has more than 921600 bytes", 1},
		{"/ok/m.onnx", "", 1},
		{"/ok/m.onnx", "model file already exists m.onnx", 0},
	} {
		asked.Store(0)
		m, err := s.Open(t.Context(), server.URL+tt.path, "")
		if tt.want == "" {
			if err != nil || m.Name != "m" || m.Source != server.URL+tt.path {
				t.Errorf("%s: %+v, %v", tt.path, m, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.path, err, tt.want)
		}
		if n := asked.Load(); n != tt.asks {
			t.Errorf("%s: asked %d times, want %d", tt.path, n, tt.asks)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != "m.onnx" {
		t.Errorf("files %v, %v", files, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ctx, server.URL+"/ok/late.onnx", ""); err == nil {
		t.Error("a cancelled download succeeded")
	}
}

// An expression matches a whole URL.
func TestParseAllowed(t *testing.T) {
	all, err := catalog.ParseAllowed("http://a/.*,,  https://b ")
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	for url, want := range map[string]bool{"http://a/x": true, "HTTP://A/x": true, "http://b/?http://a/x": false, "https://b": true, "https://bc": false} {
		if got := all[0].MatchString(url) || all[1].MatchString(url); got != want {
			t.Errorf("%s: %v, want %v", url, got, want)
		}
	}
	if _, err := catalog.ParseAllowed("a("); err == nil {
		t.Error("no error")
	}
}
