//go:build unix

package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/torchserve"
	"sweetspot/sweep/trial"
)

// archiveFolder makes an archive of the model scale, as a folder, and returns its path.
func archiveFolder(t *testing.T) string {
	t.Helper()
	return filepath.Join(writeFiles(t, map[string]string{
		"scale/scale.onnx":            scaleFile(t),
		"scale/MAR-INF/MANIFEST.json": `{"model": {"modelName": "scale", "modelVersion": "1.0", "serializedFile": "scale.onnx"}}`,
	}), "scale")
}

// serveAsTorchServe makes a program torchserve, which is our own server with the flags and files of TorchServe, and returns its
// path. It writes its process ID to the file pid beside it.
func serveAsTorchServe(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "torchserve")
	text := "#!/bin/sh\necho $$ > " + dir + "/pid\nshift 3 # --start --foreground --ncs\nexec sweetspot serve --metrics-mode log \"$@\"\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// waitForEnd waits until the process in a file has ended.
func waitForEnd(t *testing.T, pidFile string) {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > hang {
			t.Fatalf("the server %d is still there", pid)
		}
	}
}

// TestStartedTorchServe: --target torchserve starts a server for an archive, sweeps it, and ends it; also when it is killed.
func TestStartedTorchServe(t *testing.T) {
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	program, dir := serveAsTorchServe(t), t.TempDir()
	command := func(more ...string) *exec.Cmd {
		cmd := exec.Command(path, append([]string{
			archiveFolder(t), "--target", "torchserve", "--torchserve", program, "--input", "../../testdata/bodies/four.json", "--sweep", "--strategy", "grid",
			"--percentile", "50", "--sla", "10s", "--concurrency", "2", "--batch-delay", "2", "--out", filepath.Join(dir, "out"), "--force",
		}, more...)...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_STATE_HOME="+dir+"/state", ortlib.EnvVar+"="+lib.Path)
		return cmd
	}
	out, err := command("--workers", "1", "--batch-size", "1,2", "--requests", "2000", "--budget", "40s").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, "sweep", string(out), "TorchServe", "best: ", "validated", "config.properties ")
	waitForEnd(t, filepath.Join(filepath.Dir(program), "pid"))
	left, err := filepath.Glob(filepath.Join(dir, "sweetspot-torchserve-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %q, %v", left, err)
	}
	refuses := filepath.Join(writeFiles(t, map[string]string{"torchserve": "#!/bin/sh\necho torchserve: error: unrecognized arguments: --enable-model-api >&2\nexit 2\n"}), "torchserve")
	if err := os.Chmod(refuses, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err = command("--torchserve", refuses).CombinedOutput()
	if want := "an argument is refused: exit status 2 before it was ready; last lines: torchserve: error: unrecognized"; exitCode(err) != exitError || !strings.Contains(string(out), want) {
		t.Errorf("%v: %s, want %q", err, out, want)
	}
	if testing.Short() {
		return
	}
	cmd := command("--workers", "1-2", "--requests", "100000000", "--budget", "10m")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stderr); lines.Scan() && !strings.HasPrefix(lines.Text(), "promise "); { // the server runs then
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	waitForEnd(t, filepath.Join(filepath.Dir(program), "pid"))
}

// TestStartTorchServeErrors: what is missing is said in words, before anything starts.
func TestStartTorchServeErrors(t *testing.T) {
	r := newRemote(t)
	empty := t.TempDir()
	t.Setenv("PATH", empty)
	r.env = append(r.env, "XDG_CACHE_HOME="+empty)
	model, body := archiveFolder(t), "../../testdata/bodies/four.json"
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "TorchServe needs an archive of the model\nhint: write: sweetspot MODEL.mar"},
		{[]string{"../../testdata/bodies/scale.onnx"}, "scale.onnx is no archive (.mar, .tar.gz, or a folder with MAR-INF/MANIFEST.json), which TorchServe needs\nhint: pack it: sweetspot archive"},
		{[]string{model, "--input", body}, "there is no torchserve: neither in PATH nor where make torchserve puts it\nhint: install it: make torchserve"},
		{[]string{model, "--input", body, "--metrics", "logs"}, "--metrics has no effect on target torchserve\nhint: leave it out; it is for --target http://, https://"},
		{[]string{model, "--input", body, "--torchserve", "/no/such"}, "--torchserve: "},
		{[]string{model, "--input", body, "--torchserve", empty}, "bin/torchserve"},
	} {
		_, messages, code := r.run(append([]string{"--sweep", "--target", "torchserve"}, c.args...)...)
		if code != exitError || !strings.Contains(messages, c.want) {
			t.Errorf("%q: exit %d, %s", c.args, code, messages)
		}
	}
}

// TestStartedTorchServeRestarts: a server that has ended is started again, with the settings that were in force.
func TestStartedTorchServeRestarts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server twice: make test-long runs it")
	}
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	program := serveAsTorchServe(t)
	start := knob.Default(knob.TorchServe)
	d, err := torchserve.Start(t.Context(), torchserve.Config{Bodies: []load.Body{{Type: "application/json", Data: []byte("[1, 2, 3, 4]")}}}, torchserve.Local{
		Program: program, Archive: archiveFolder(t), Start: start, Supervisor: []string{path, "supervise"}, Env: append(os.Environ(), ortlib.EnvVar+"="+lib.Path),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(t.Context())
	info, err := d.Info(t.Context())
	if err != nil || info.Current.Workers != start.Workers || info.Current.BatchSize != start.BatchSize || info.Current.QueueSize != start.QueueSize {
		t.Errorf("started with %v, want %v; %v", info.Current, start, err)
	}
	want := info.Current
	want.Workers, want.BatchSize = 2, 4
	if _, err := d.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(program), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m := sweep.Measurement{
		Load: load.Spec{Concurrency: 1}, SLA: trial.SLA{Percentile: 50, Limit: time.Minute}, Max: 50,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	}
	var r trial.Result
	for begin := time.Now(); r.Counts.OK == 0; { // the end of the process is known a moment after it
		if r, err = d.Measure(t.Context(), m); err != nil && time.Since(begin) > hang {
			t.Fatal(err)
		}
	}
	if info, err := d.Info(t.Context()); err != nil || info.Current != want {
		t.Errorf("after the restart %v, %v; want %v", info.Current, err, want)
	}
}
