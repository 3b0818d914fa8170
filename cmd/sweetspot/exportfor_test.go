//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/torchservetest"
)

// TestExportForErrors: what the choice for a TorchServe needs, and nothing is written without it.
func TestExportForErrors(t *testing.T) {
	r, swept := newRemote(t), filepath.Join(t.TempDir(), "swept")
	if out, messages, code := r.run("sim:animated-drawings", "--sweep", "--target", "virtual", "--workers", "1", "--batch-size", "1,2", "--device", "cpu", "--sla", "60s", "--out", swept); code == exitError {
		t.Fatal(out, messages)
	}
	if _, messages, code := r.run("export", swept, "--target", "http://127.0.0.1:9"); code != exitError || !strings.Contains(messages, "of a simulated device") {
		t.Errorf("a virtual device: exit %d, %s", code, messages)
	}
	profile := filepath.Join(swept, "profile.jsonl")
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(profile, bytes.ReplaceAll(text, []byte("virtual device"), []byte("onnxruntime 1.0 cpu")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, messages, code := r.run("export", swept, "--target", "http://127.0.0.1:9"); code != exitError || !strings.Contains(messages, "hint: make the sweep on the machine") {
		t.Errorf("another machine: exit %d, %s", code, messages)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{swept, "--target", "local"}, "write: --target http://127.0.0.1:8081"},
		{[]string{swept, "--target", "http://ts.example.test:8081"}, "hint: add --yes"},
		{[]string{swept, "--target", "http://127.0.0.1:9", "--inference", "http://127.0.0.1:9"}, "--input FILE"},
	} {
		_, messages, code := r.run(append([]string{"export", "--force"}, c.args...)...)
		if code != exitError || !strings.Contains(messages, c.want) {
			t.Errorf("%q: exit %d, %s", c.args, code, messages)
		}
	}
}

// TestRealTorchServeChoice chooses for a real TorchServe from a sweep of our engine, and measures the choice with
// the command that the export prints.
func TestRealTorchServeChoice(t *testing.T) {
	torchservetest.Find(t)
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	model, err := filepath.Abs("../../testdata/bodies/scale.onnx")
	if err != nil {
		t.Fatal(err)
	}
	body := filepath.Join(filepath.Dir(model), "four.json")
	dir, store := t.TempDir(), t.TempDir()
	run := func(args ...string) (string, int) {
		cmd := exec.Command(path, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir+"/data", "XDG_STATE_HOME="+dir+"/state")
		out, err := cmd.CombinedOutput()
		return string(out), exitCode(err)
	}
	if out, code := run("archive", model, "--to", filepath.Join(store, "scale.mar")); code != 0 {
		t.Fatal(out)
	}
	out, code := run(model, "--sweep", "--input", body, "--workers", "1,2", "--batch-size", "1,4,8", "--batch-delay", "1,10", "--sla", "2s", "--percentile", "50",
		"--concurrency", "10", "--budget", "30s", "--out", "swept")
	if code != exitYes {
		t.Fatal(code, out)
	}
	s, err := torchservetest.Start(t, torchservetest.Options{Store: store, Config: "load_models=scale=scale.mar\nmodels={\"scale\":{\"1.0\":{\"minWorkers\":1,\"maxWorkers\":1,\"batchSize\":2,\"maxBatchDelay\":20}}}\n"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReady(t.Context(), "scale"); err != nil {
		t.Fatal(err)
	}
	before := described(t, s.Management)
	out, code = run("export", "swept", "--target", s.Management, "--inference", s.Inference, "--input", body, "--to", "config.properties")
	t.Log(out)
	if code != exitCannotTell || described(t, s.Management) != before {
		t.Fatalf("exit %d, in force %s, before %s", code, described(t, s.Management), before)
	}
	contains(t, "export", out, "ms for a batch and", "predicted for it", "not measured on that TorchServe yet")
	text, err := os.ReadFile(filepath.Join(dir, "config.properties"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "config.properties", string(text), "Not measured on TorchServe", "Predicted for a running TorchServe")
	var command []string
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "# sweetspot scale "); ok {
			command = strings.Fields(rest)
		}
	}
	if len(command) == 0 {
		t.Fatalf("no command in %s", text)
	}
	for i, word := range command {
		command[i] = map[string]string{"http://127.0.0.1:8081": s.Management, "BODY": body}[word]
		if command[i] == "" {
			command[i] = word
		}
	}
	out, code = run(append([]string{"scale"}, append(command, "--inference", s.Inference, "--out", "there")...)...)
	t.Log(out)
	if code != exitYes {
		t.Errorf("the command: exit %d", code)
	}
	if text, err = os.ReadFile(filepath.Join(dir, "there", "config.properties")); err != nil || strings.Contains(string(text), "Not measured on TorchServe") {
		t.Errorf("what was measured there: %v\n%s", err, text)
	}
}
