//go:build unix

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/sweep/trial"
)

// TestPeerLitServe sweeps a LitServe server by the plan of docs/targets.md: batches of one miss the promise by
// far, and no trial has an error.
func TestPeerLitServe(t *testing.T) {
	venv := peers(t)
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(path, "--sweep", "--plan", "litserve.yaml", "--budget", "0s", "--requests", "400", "--json", "-q")
	cmd.Dir = filepath.Join("..", "..", "testdata", "command")
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(venv, "bin")+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_STATE_HOME="+dir)
	out, err := cmd.Output()
	if code := exitCode(err); code != exitYes && code != exitCannotTell {
		t.Fatalf("exit %d: %s", code, out)
	}
	for _, r := range trialsOf(t, out) {
		t.Logf("trial %d: %v, %v/s, %s %s", r.N, r.Settings, r.Throughput.Value, r.Verdict.Label(), r.Error)
		if r.Error != "" || strings.Contains(r.Settings.String(), "max_batch_size 1") != (r.Verdict.Label() == "FAIL") {
			t.Errorf("trial %d: %v is %s, error %q", r.N, r.Settings, r.Verdict.Label(), r.Error)
		}
	}
}

// peers returns the virtual environment with the Python servers, or skips the test.
func peers(t *testing.T) string {
	t.Helper()
	venv := os.Getenv("SWEETSPOT_PEERS")
	if venv == "" {
		t.Skip("needs LitServe and others: make test-peers installs them and runs this test")
	}
	return venv
}

// trialsOf returns the trials of a result in JSON.
func trialsOf(t *testing.T, out []byte) []trial.Trial {
	t.Helper()
	var res struct {
		Trials []trial.Trial `json:"trials"`
	}
	if err := json.Unmarshal(out, &res); err != nil || len(res.Trials) < 4 {
		t.Fatalf("%v: %s", err, out)
	}
	return res.Trials
}
