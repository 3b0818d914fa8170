package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		"sim:zebra":       `sim:zebra: no service-time table "zebra" is built in; there is animated-drawings; for your own table use sim:PATH.csv`,
		"sim:nowhere.csv": "sim:nowhere.csv: open nowhere.csv",
	} {
		if _, err := catalog.Open(t.Context(), arg, catalog.Options{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Open(%q): %v, want %s", arg, err, want)
		}
	}
	if _, _, err := catalog.OpenSimulated("builtin:mlp"); err == nil || catalog.IsSimulated("builtin:mlp") {
		t.Error("builtin:mlp is treated as a simulated model")
	}
}

// A simulated model has the places of its table and its study.
func TestSimulatedPlaces(t *testing.T) {
	m, _, err := catalog.OpenSimulated("paper=sim:animated-drawings")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m.Places); got != "[{cpu fp32 16} {cpu fp16 16} {gpu fp32 16} {gpu fp16 16}]" {
		t.Errorf("Places = %s", got)
	}
	if s, ok := catalog.StudyOf("paper=sim:animated-drawings"); !ok || s.Limit != 100*time.Millisecond {
		t.Errorf("StudyOf = %+v, %v", s, ok)
	}
	for _, arg := range []string{"builtin:mlp", "sim:zebra", "sim:own.csv"} {
		if _, ok := catalog.StudyOf(arg); ok {
			t.Errorf("StudyOf(%s) has one", arg)
		}
	}
}
