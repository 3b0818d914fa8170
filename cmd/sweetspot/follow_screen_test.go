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

// growingProfile begins a profile with one trial.
func growingProfile(t *testing.T) (*profiles.Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "growing.jsonl")
	w, err := profiles.Create(path, profiles.Header{
		ID: "20261122T091500Z-7f3a", Kind: profiles.Sweep, Created: time.Now(), Tool: "sweetspot test",
		Model: profiles.Model{Name: "zebra", Version: "1.0", Source: "zebra.onnx", BatchAxis: true},
		SLA:   &trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond},
	}, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	grow(t, w, 1)
	return w, path
}

// grow records trial n, at batch size n.
func grow(t *testing.T, w *profiles.Writer, n int) {
	t.Helper()
	s := knob.Default(knob.TorchServe)
	s.BatchSize = n
	at := func(v float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(v), High: trial.NumOf(v)}
	}
	r := trial.Result{
		Seconds: 5, Counts: trial.Counts{Sent: 1000, OK: 1000}, Throughput: at(100 * float64(n)), Latency: trial.Latencies{P99: at(12)},
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

// TestFollowAGrowingProfile: new trials come onto the screen, no key changes the
// profile, its end is seen, and the terminal is given back.
func TestFollowAGrowingProfile(t *testing.T) {
	w, path := growingProfile(t)
	s := openScreen(t, 100, 30, "--follow="+path)
	s.see("following, read-only")
	s.see("running, 1 trial")
	grow(t, w, 2)
	s.see("running, 2 trials")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.press("s", "p", "X", "y", "R", "r", "1", enter, "u", "]", " ")
	grow(t, w, 3) // what the keys led to is on the screen by the time that this is
	s.see("running, 3 trials")
	s.see("following, read-only")
	after, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(after, before) || bytes.Count(after, []byte("\n")) != bytes.Count(before, []byte("\n"))+1 {
		t.Errorf("the profile is not what its writer wrote: %v\n%s", err, after)
	}
	if err := w.End(profiles.Done, 0); err != nil {
		t.Fatal(err)
	}
	s.see("done, 3 trials")
	s.press("e")
	s.see("exported to config.properties")
	data, err := os.ReadFile(filepath.Join(s.dir, "config.properties"))
	if err != nil || !bytes.Contains(data, []byte(`"batchSize": 3`)) {
		t.Errorf("config.properties: %v\n%s", err, data)
	}
	s.press("q")
	if code := s.ended(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.restored()
}

// TestFollowAnInterruptedProfile: a torn end is dropped and said, and a signal
// gives the terminal back.
func TestFollowAnInterruptedProfile(t *testing.T) {
	w, path := growingProfile(t)
	grow(t, w, 2)
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
	s.see("interrupted; go on: sweetspot --sweep --resume=20261122T091500Z-7f3a")
	s.see("aborted, 1 trial")
	s.press("!")
	s.see("line 3: torn; dropped")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := s.ended(); code != 143 {
		t.Errorf("exit code %d", code)
	}
	s.restored()
}

// TestFollowerOfALostProfile: why it is followed no longer is on the screen.
func TestFollowerOfALostProfile(t *testing.T) {
	_, path := growingProfile(t)
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
