//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// described returns what a server has in force.
func described(t *testing.T, management string) string {
	t.Helper()
	resp, err := http.Get(management + "/models/scale")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var all []struct {
		Min   int     `json:"minWorkers"`
		Max   int     `json:"maxWorkers"`
		Batch int     `json:"batchSize"`
		Delay float64 `json:"maxBatchDelay"`
	}
	if err := json.Unmarshal(text, &all); err != nil || len(all) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	return fmt.Sprintf("%+v", all[0])
}

// TestTorchServeTarget sweeps our own server by its management API, as a TorchServe: the result is a
// config.properties, and what was in force is restored at the end and after Ctrl-C.
func TestTorchServeTarget(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("../../testdata/bodies")
	if err != nil {
		t.Fatal(err)
	}
	inference, management := startServer(t, filepath.Join(folder, "scale.onnx"), "--disable-token-auth", "--rule", "torchserve", "--batch-delay", "1", "--workers", "2")
	before := described(t, management)
	dir := t.TempDir()
	args := []string{
		"--sweep", "--target", management, "--inference", inference, "--input", filepath.Join(folder, "four.json"),
		"--percentile", "50", "--sla", "1s", "--concurrency", "4", "--workers", "1,3", "--strategy", "grid",
	}
	command := func(more ...string) *exec.Cmd {
		path, err := exec.LookPath("sweetspot") // installed by testscript.Main
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, append(args, more...)...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_STATE_HOME="+dir+"/state")
		return cmd
	}
	out, err := command("--requests", "600", "--budget", "0s", "--out", filepath.Join(dir, "a")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, "sweep", string(out), "TorchServe", "best: ", "validated", "config.properties ")
	properties, err := os.ReadFile(filepath.Join(dir, "a", "config.properties"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "export", string(properties), `"scale"`, "does not report its threads and precision")
	if got := described(t, management); got != before {
		t.Errorf("after the sweep %s, before %s", got, before)
	}

	both := command()
	both.Args = []string{both.Path, "profiles", "compare", filepath.Join(dir, "a"), filepath.Join(dir, "a"), "--measure", "--choice", "--pairs", "6", "--block", "500ms", "--target", management, "--inference", inference, "--input", filepath.Join(folder, "four.json")}
	if out, err := both.CombinedOutput(); exitCode(err) == exitError || described(t, management) != before {
		t.Errorf("compare --measure: %v, in force %s, before %s\n%s", err, described(t, management), before, out)
	}

	cmd := command("--budget", "10m", "--requests", "100000000")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); described(t, management) == before; time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > hang {
			_ = cmd.Process.Kill()
			t.Fatalf("the sweep changes nothing: %s", stderr.String())
		}
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	if code := exitCode(cmd.Wait()); code != 130 || described(t, management) != before {
		t.Errorf("after Ctrl-C: exit %d, in force %s, before %s\n%s", code, described(t, management), before, stderr.String())
	}

	killed := command("--budget", "10m", "--requests", "100000000")
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); described(t, management) == before && time.Since(begin) < hang; {
		time.Sleep(20 * time.Millisecond)
	}
	_ = killed.Process.Kill()
	_ = killed.Wait()
	restore := command()
	restore.Args = []string{restore.Path, "restore"}
	if out, err := restore.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "restored "+management+": scale: ") || described(t, management) != before {
		t.Errorf("restore: %v, %s; in force %s, before %s", err, out, described(t, management), before)
	}
}

// TestTorchServeFlags: a server elsewhere gets no request without --yes, and wrong flags are named.
func TestTorchServeFlags(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "key_file.json")
	if err := os.WriteFile(keys, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRemote(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--target", "http://ts.example.test:8081"}, "http://ts.example.test:8081 is not on this machine\nhint: add --yes"},
		{[]string{"--target", "http://127.0.0.1:8081", "--inference", "http://ts.example.test:8080"}, "hint: add --yes"},
		{[]string{"--target", "http://127.0.0.1:1", "--header", "a"}, `--header: "a" is not NAME: VALUE`},
		{[]string{"--target", "http://127.0.0.1:1", "--key-file", keys}, "there is no management and inference key"},
		{[]string{"--target", "http://127.0.0.1:1", "--ca", keys}, "has no certificate in PEM"},
		{[]string{"--target", "http://127.0.0.1:1", "--max-rate", "-1"}, "--max-rate: -1: want 0 for no limit"},
		{[]string{"--target", "http://127.0.0.1:1"}, "--input FILE"},
		{[]string{"--target", "http://127.0.0.1:9", "--input", keys}, "give it with --inference URL"},
	} {
		_, messages, code := r.run(append([]string{"--sweep"}, c.args...)...)
		if code != exitError || !strings.Contains(messages, c.want) {
			t.Errorf("%q: exit %d, %s", c.args, code, messages)
		}
	}
}
