//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// unfinishedProfile creates a profile with one trial.
func unfinishedProfile(t *testing.T) (*profiles.Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "unfinished.jsonl")
	w, err := profiles.Create(path, profiles.Header{
		ID: "20261122T091500Z-7f3a", Kind: profiles.Sweep, Created: time.Now(), Tool: "sweetspot test",
		Model: profiles.Model{Name: "zebra", Version: "1.0", Source: "zebra.onnx", BatchAxis: new(true)},
		SLA:   &trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond},
	}, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	addTrial(t, w, 1)
	return w, path
}

// addTrial records trial n, with batch size n.
func addTrial(t *testing.T, w *profiles.Writer, n int) {
	t.Helper()
	s := knob.Default(knob.TorchServe)
	s.BatchSize = n
	exact := func(v float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(v), High: trial.NumOf(v)}
	}
	r := trial.Result{
		Seconds: 5, Counts: trial.Counts{Sent: 1000, OK: 1000}, Throughput: exact(100 * float64(n)), Latency: trial.Latencies{P99: exact(12)},
		Verdict: trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 20, ValueMS: trial.NumOf(12)},
	}
	err := w.Trial(trial.Trial{
		N: n, At: time.Now(), Role: trial.RoleLoad, Settings: s, Options: knob.Options{Rule: knob.TorchServe},
		Load: load.Spec{Concurrency: 10}, Result: r,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFollowUnfinishedProfile: new trials appear on the screen, no key changes the profile,
// its end is shown, and the terminal is restored.
func TestFollowUnfinishedProfile(t *testing.T) {
	w, path := unfinishedProfile(t)
	s := openScreen(t, 100, 30, "--follow="+path)
	s.waitFor("following, read-only")
	s.waitFor("running, 1 trial")
	addTrial(t, w, 2)
	s.waitFor("running, 2 trials")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.press("s", "p", "X", "y", "R", "r", "1", enter, "u", "]", " ")
	addTrial(t, w, 3) // when this is on the screen, the effects of the keys would be too
	s.waitFor("running, 3 trials")
	s.waitFor("following, read-only")
	after, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(after, before) || bytes.Count(after, []byte("\n")) != bytes.Count(before, []byte("\n"))+1 {
		t.Errorf("the profile differs from what its writer wrote: %v\n%s", err, after)
	}
	if err := w.End(profiles.Done, 0); err != nil {
		t.Fatal(err)
	}
	s.waitFor("done, 3 trials")
	s.press("e")
	s.waitFor("enter writes")
	s.press(enter)
	s.waitFor("exported to config.properties")
	data, err := os.ReadFile(filepath.Join(s.dir, "config.properties"))
	if err != nil || !bytes.Contains(data, []byte(`"batchSize": 3`)) {
		t.Errorf("config.properties: %v\n%s", err, data)
	}
	s.press("q")
	if code := s.waitForEnd(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.checkRestored()
}

// TestFollowInterruptedProfile: an incomplete last line is ignored with a warning, and the
// terminal is restored after a signal.
func TestFollowInterruptedProfile(t *testing.T) {
	w, path := unfinishedProfile(t)
	addTrial(t, w, 2)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)-40], 0o600); err != nil {
		t.Fatal(err)
	}
	s := openScreen(t, 80, 24, "--follow="+path)
	s.waitFor("interrupted; to resume: sweetspot --sweep --resume=20261122T091500Z-7f3a")
	s.waitFor("aborted, 1 trial")
	s.press("!")
	s.waitFor("line 3: incomplete; ignored")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.waitForEnd(); code != 143 {
		t.Errorf("exit code %d", code)
	}
	s.checkRestored()
}

// TestFollowError: an error that ends following is on the screen.
func TestFollowError(t *testing.T) {
	_, path := unfinishedProfile(t)
	p, err := profiles.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{}
	_ = f.read(p)
	f.fail(os.ErrPermission)
	s := f.Snapshot()
	if s.Sweep.State != session.Failed || s.Sweep.Problem != os.ErrPermission.Error() || len(s.Messages) != 1 {
		t.Errorf("%v, %q, messages %v", s.Sweep.State, s.Sweep.Problem, s.Messages)
	}
}

// TestFollowedPath: last is the profile that is being written, also if a newer one has ended.
func TestFollowedPath(t *testing.T) {
	data := t.TempDir()
	a := &app{env: parseEnviron([]string{"XDG_DATA_HOME=" + data, "HOME=" + data})}
	dir := a.env.profileDir()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	create := func(id string, age time.Duration) *profiles.Writer {
		t.Helper()
		w, err := profiles.Create(profiles.Path(dir, id), profiles.Header{
			ID: id, Kind: profiles.Sweep, Created: time.Now().Add(-age), Tool: "sweetspot test", Model: profiles.Model{Name: "m", Version: "1.0"},
			SLA: &trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond},
		}, profiles.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		return w
	}
	const older, newer = "20261122T091500Z-7f3a", "20261122T101500Z-7f3b"
	running, ended := create(older, time.Hour), create(newer, time.Minute)
	if err := ended.End(profiles.Stopped, 0); err != nil {
		t.Fatal(err)
	}
	check := func(what, want string) {
		t.Helper()
		if got, err := a.followedPath(profiles.Last); err != nil || got != profiles.Path(dir, want) {
			t.Errorf("%s: %s, %v; want %s", what, got, err, want)
		}
	}
	check("an older one runs", older)
	if err := running.End(profiles.Done, 0); err != nil {
		t.Fatal(err)
	}
	check("none runs", newer)
}

// TestModelErrorOnShell: an error of the model's path or of its engine is on the shell, with exit code
// 1; that of the path before any screen opens.
func TestModelErrorOnShell(t *testing.T) {
	s := openScreen(t, 80, 24, "missing.onnx")
	code := s.waitForEnd()
	s.waitFor("missing.onnx: no such file or folder")
	if s.mu.Lock(); code != 1 || bytes.Contains(s.raw.Bytes(), []byte("\x1b[?1049h")) {
		t.Errorf("exit code %d, output %q", code, s.raw.String())
	}
	s.mu.Unlock()
	s = openScreen(t, 80, 24, "builtin:mlp-wide", "--device", "gpu:77")
	if code := s.waitForEnd(); code != 1 {
		t.Errorf("a device that is not there: exit code %d\n%s", code, s.text())
	}
	s.waitFor("sweetspot: ")
	s.checkRestored()
}
