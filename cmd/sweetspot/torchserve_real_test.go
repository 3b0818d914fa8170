//go:build unix

package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/torchservetest"
)

// realServer starts a real TorchServe with the model scale, and returns it with a function that makes
// a command of this program for it.
func realServer(t *testing.T, config string) (*torchservetest.Server, func(args ...string) *exec.Cmd) {
	t.Helper()
	torchservetest.Find(t)
	store, dir := t.TempDir(), t.TempDir()
	torchservetest.Archive(t, store, "scale", "1.0", "")
	if err := os.Rename(filepath.Join(store, "scale"), filepath.Join(store, "scale.mar")); err != nil {
		t.Fatal(err)
	}
	s, err := torchservetest.Start(t, torchservetest.Options{Store: store, Config: config})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReady(t.Context(), "scale"); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	return s, func(args ...string) *exec.Cmd {
		cmd := exec.Command(path, args...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_STATE_HOME="+dir+"/state")
		return cmd
	}
}

// sweepArgs returns the arguments of a sweep of a server.
func sweepArgs(s *torchservetest.Server, more ...string) []string {
	return append([]string{
		"--sweep", "--target", s.Management, "--inference", s.Inference, "--input", "../../testdata/bodies/four.json", "--strategy", "grid",
		"--percentile", "50", "--sla", "1s", "--concurrency", "4", "--workers", "1-2", "--batch-size", "1,4", "--batch-delay", "2",
	}, more...)
}

// TestRealTorchServeSweep sweeps a real TorchServe, and a fresh one that is started with the written
// config.properties has these settings.
func TestRealTorchServeSweep(t *testing.T) {
	s, command := realServer(t, "load_models=scale=scale.mar\n")
	before := described(t, s.Management)
	out := t.TempDir()
	text, err := command(sweepArgs(s, "--budget", "0s", "--requests", "600", "--out", out)...).CombinedOutput()
	t.Logf("%s", text)
	if err != nil {
		t.Fatal(err)
	}
	if got := described(t, s.Management); got != before {
		t.Errorf("after the sweep %s, before %s", got, before)
	}
	properties, err := os.ReadFile(filepath.Join(out, "config.properties"))
	if err != nil {
		t.Fatal(err)
	}
	fresh, _ := realServer(t, string(properties))
	all, err := fresh.Describe(t.Context(), "scale")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a fresh TorchServe: %s", described(t, fresh.Management))
	for key, name := range map[string]string{"minWorkers": `"minWorkers": `, "maxWorkers": `"maxWorkers": `, "batchSize": `"batchSize": `, "maxBatchDelay": `"maxBatchDelay": `} {
		_, rest, ok := strings.Cut(string(properties), name)
		value, _, _ := strings.Cut(rest, ",")
		if got := all[0][key]; !ok || value != number(got) {
			t.Errorf("%s: the file has %q, the fresh server %v", key, value, got)
		}
	}
}

// number returns a whole number of JSON as text.
func number(v any) string {
	n, ok := v.(float64)
	if !ok {
		return ""
	}
	return strconv.Itoa(int(n))
}

// TestRealTorchServeKilled kills sweeps of a real TorchServe at seeded times. Each time the next run
// restores what was in force.
func TestRealTorchServeKilled(t *testing.T) {
	s, command := realServer(t, "load_models=scale=scale.mar\nmodels={\"scale\":{\"1.0\":{\"minWorkers\":1,\"maxWorkers\":1,\"batchSize\":2,\"maxBatchDelay\":20}}}\n")
	before := described(t, s.Management)
	random := rand.New(rand.NewPCG(1, 2))
	changed := 0
	for n := range 20 {
		cmd := command(sweepArgs(s, "--budget", "10m", "--requests", "300", "-q")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(6000)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		text, err := command("restore").CombinedOutput()
		if strings.HasPrefix(string(text), "restored ") {
			changed++
		}
		if got := described(t, s.Management); err != nil || got != before {
			t.Fatalf("kill %d: %v, %s; in force %s, before %s", n, err, text, got, before)
		}
	}
	t.Logf("%d of 20 kills were during a change or after one", changed)
	if changed == 0 {
		t.Error("no kill came after a change")
	}
}
