package check_test

import (
	"bytes"
	"strings"
	"testing"

	"sweetspot/engine/config/check"
)

// FuzzRun checks that any bytes give a report or an error, that each finding names a line of
// the file, and that the fixes end, change only what they say and break no file.
func FuzzRun(f *testing.F) {
	for _, b := range readBroken(f) {
		f.Add(b.name, b.data)
	}
	f.Add("model-config.yaml", []byte("a: &x {b: *x}\nbatchSize: !!int \"8\"\n<<: *x\n"))
	f.Add("config.pbtxt", []byte("a < b: [1, 'x' \"y\"] >; c { d: -inf }"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		r, err := check.Run(name, data, check.Options{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), name) {
				t.Fatalf("error %q does not name the file", err)
			}
			return
		}
		lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 1
		for _, finding := range r.Findings {
			if finding.Line < 1 || finding.Line > lines {
				t.Fatalf("%v: line %d of %d", finding, finding.Line, lines)
			}
			if finding.Does == "" {
				t.Fatalf("%v says nothing", finding)
			}
		}
		fixed, n, err := check.Fix(name, data, check.Options{Kind: r.Kind})
		if err != nil {
			t.Fatalf("Fix: %v", err)
		}
		if n == 0 && !bytes.Equal(fixed, data) {
			t.Fatal("no fix, and the file has changed")
		}
		after, err := check.Run(name, fixed, check.Options{Kind: r.Kind})
		if err != nil {
			t.Fatalf("the fixed file: %v", err)
		}
		if r.Starts() && !after.Starts() {
			t.Fatalf("the server took the file and refuses the fixed one:\n%s\n%q", after.Lines(), fixed)
		}
	})
}
