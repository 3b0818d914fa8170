package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkLimits are the longest times of tools/gpu/check.py, in seconds, as the tool itself has them.
type checkLimits struct {
	Steps                 map[string]float64
	Grace, Reserve, Limit float64
}

// gpuCheck is the folder of the tool. Without Python the test is skipped.
func gpuCheck(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("there is no python3")
	}
	dir, err := filepath.Abs(filepath.Join("..", "..", "tools", "gpu"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestGPUCheckLimits checks that the steps of the check on a GPU sum to less than ten minutes, also if each uses up its limit.
func TestGPUCheckLimits(t *testing.T) {
	c := exec.Command("python3", "-B", "-c", `import check, json
print(json.dumps({"Steps": check.LIMITS, "Grace": check.GRACE, "Reserve": check.RESERVE, "Limit": check.LIMIT}))`)
	c.Dir = gpuCheck(t)
	out, err := c.CombinedOutput()
	var l checkLimits
	if err != nil || json.Unmarshal(out, &l) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sum := l.Reserve
	for name, s := range l.Steps {
		sum += s
		if s < 3*l.Grace {
			t.Errorf("%s has %g s, of which ending takes %g", name, s, l.Grace)
		}
	}
	if sum != l.Limit || l.Limit > 570 || l.Reserve < 5 || len(l.Steps) < 9 {
		t.Errorf("the limits of %d steps and the reserve of %g s sum to %g s, the limit is %g s; want at most 570", len(l.Steps), l.Reserve, sum, l.Limit)
	}
}

// TestGPUCheckHangs runs the check on a GPU with a program that never ends and ignores that it is asked to: each step must end by
// its own limit, the results must be written, and nothing may be left.
func TestGPUCheckHangs(t *testing.T) {
	dir, tool := t.TempDir(), filepath.Join(gpuCheck(t), "check.py")
	stub, pids := filepath.Join(dir, "stub"), filepath.Join(dir, "pids")
	text := "#!/bin/sh\ntrap '' TERM\necho $$ >>" + pids + "\ncase $1 in version) echo '{\"onnxruntime\": {\"library\": \"x\"}}'; exit;; esac\n" +
		"case $2 in webgpu) echo '{\"provider\": \"webgpu\", \"usable\": true, \"half\": true}'; exit;; esac\nwhile :; do sleep 1; done\n"
	if err := os.WriteFile(stub, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "-B", tool, "--sweetspot", stub, "--out", filepath.Join(dir, "out"), "--limit", "12").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	results, err := os.ReadFile(filepath.Join(dir, "out", "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Steps []struct{ Name, State, Reason string }
	}
	if err := json.Unmarshal(results, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Steps) != 9 {
		t.Errorf("%d steps, want 9:\n%s", len(r.Steps), out)
	}
	for _, s := range r.Steps {
		if s.Name != "providers" && (s.State == "ran" || s.Reason == "") {
			t.Errorf("%s: %s (%s)", s.Name, s.State, s.Reason)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "out", "page.md"))
	if err != nil || !strings.Contains(string(page), "| live | ") {
		t.Errorf("page: %v\n%s", err, page)
	}
	started, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for pid := range strings.FieldsSeq(string(started)) {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if _, state, _ := strings.Cut(string(stat), ") "); err == nil && !strings.HasPrefix(state, "Z") { // Z has ended
			t.Errorf("process %s is left: %s", pid, stat)
		}
	}
}
