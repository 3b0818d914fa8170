package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/backend/simulated"
	"sweetspot/engine/catalog"
)

func TestSimulated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my gpu.csv")
	table := "workers,device,precision,batch,ms,spread,source\n1,gpu,fp16,1,5,,\n"
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ arg, name, source string }{
		{"sim:animated-drawings", "animated-drawings", "sim:animated-drawings"},
		{"paper=sim:animated-drawings", "paper", "sim:animated-drawings"},
		{"sim:" + path, "my_gpu", "sim:" + path},
	} {
		m, err := catalog.Open(t.Context(), tt.arg, catalog.Options{})
		if err != nil {
			t.Errorf("Open(%q): %v", tt.arg, err)
			continue
		}
		if m.Name != tt.name || m.Source != tt.source || m.Backend != simulated.Name || !m.BatchAxis || len(m.SHA256) != 64 {
			t.Errorf("Open(%q) = %q from %q, backend %q, batch axis %v", tt.arg, m.Name, m.Source, m.Backend, m.BatchAxis)
		}
		if !catalog.IsSimulated(tt.arg) {
			t.Errorf("IsSimulated(%q) = false", tt.arg)
		}
	}
	for arg, want := range map[string]string{
		"sim:zebra":       `sim:zebra: no service-time table "zebra" is built in; there is animated-drawings; a table of your own is sim:PATH.csv`,
		"sim:nowhere.csv": "sim:nowhere.csv: open nowhere.csv",
	} {
		if _, err := catalog.Open(t.Context(), arg, catalog.Options{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Open(%q): %v, want %s", arg, err, want)
		}
	}
	if _, _, err := catalog.OpenSimulated("builtin:mlp"); err == nil || catalog.IsSimulated("builtin:mlp") {
		t.Error("builtin:mlp is taken for a simulated model")
	}
}
