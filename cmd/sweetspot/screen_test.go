//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/monitor"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
	"sweetspot/tui/tuitest"
)

// screen is the program on a pseudo terminal, with a terminal emulator that reads it.
type screen struct {
	t     *testing.T
	dir   string
	cmd   *exec.Cmd
	tty   *os.File
	slave *os.File
	raw   bytes.Buffer // all output, guarded by mu
	cast  []castEvent  // the same with its times, and the keys; guarded by mu
	mu    sync.Mutex
	vt    *tuitest.Emulator
	fresh *tuitest.Emulator // reads the same since it was made; nil for none
	keys  int
	done  chan struct{}
}

// openScreen starts the program with args on a terminal of w columns and h rows.
func openScreen(t *testing.T, w, h int, args ...string) *screen {
	t.Helper()
	return startOnScreen(t, w, h, "sweetspot", args...) // installed by testscript.Main
}

// startOnScreen starts any program there, in an empty folder.
func startOnScreen(t *testing.T, w, h int, name string, args ...string) *screen {
	t.Helper()
	return startInFolder(t, t.TempDir(), w, h, name, args...)
}

// startInFolder starts any program there, in this folder.
func startInFolder(t *testing.T, dir string, w, h int, name string, args ...string) *screen {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, dir: dir, vt: tuitest.NewEmulator(w, h), done: make(chan struct{})}
	s.tty, s.slave, err = pty.Open()
	if err != nil {
		t.Skipf("no pseudo terminal: %v", err)
	}
	if err := pty.Setsize(s.tty, &pty.Winsize{Rows: uint16(h), Cols: uint16(w)}); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(path, args...)
	s.cmd.Dir = s.dir
	s.cmd.Env = append(os.Environ(), "TERM=xterm-256color", "HOME="+s.dir, "XDG_CACHE_HOME="+cache,
		"XDG_DATA_HOME="+s.dir+"/data", "XDG_STATE_HOME="+s.dir+"/state", ortlib.EnvVar+"="+lib.Path)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.slave, s.slave, s.slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.read()
	t.Cleanup(s.close)
	return s
}

// read copies the output to the emulator until the terminal is closed.
func (s *screen) read() {
	defer close(s.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := s.tty.Read(buf)
		s.mu.Lock()
		s.raw.Write(buf[:n])
		s.cast = append(s.cast, castEvent{time.Now(), "o", string(buf[:n])})
		_, _ = s.vt.Write(buf[:n])
		if s.fresh != nil {
			_, _ = s.fresh.Write(buf[:n])
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) close() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.slave.Close()
	s.tty.Close()
	<-s.done
}

// text returns the text on the screen.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vt.String()
}

// press sends keys and counts them.
func (s *screen) press(keys ...string) {
	s.t.Helper()
	for _, k := range keys {
		s.keys++
		s.mu.Lock()
		s.cast = append(s.cast, castEvent{time.Now(), "i", k})
		s.mu.Unlock()
		if _, err := s.tty.WriteString(k); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // a person does not type faster
	}
}

// waitFor waits until want is on the screen.
func (s *screen) waitFor(want string) {
	s.t.Helper()
	if !s.appears(want, hang) {
		s.t.Fatalf("%q is not on the screen:\n%s", want, s.text())
	}
}

// appears waits until want is on the screen, at most for the timeout.
func (s *screen) appears(want string, timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	for !strings.Contains(s.text(), want) {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(50 * time.Millisecond)
	}
	return true
}

// waitUnlessBusy is waitFor for a text that depends on the speed of the machine, such as the
// verdict of a promise in milliseconds.
func (s *screen) waitUnlessBusy(want string) {
	s.t.Helper()
	pids := append(childrenOf(s.cmd.Process.Pid), s.cmd.Process.Pid)
	var samplers []*monitor.Sampler
	for _, pid := range pids {
		w := monitor.NewSampler(pid)
		w.Sample()
		samplers = append(samplers, w)
	}
	if s.appears(want, 2*time.Minute) {
		return
	}
	own, last := 0.0, monitor.Host{}
	for _, w := range samplers {
		last = w.Sample()
		cpu, _ := last.CPUPercent.Get()
		own += cpu
	}
	skipIfBusy(s.t, last, own, fmt.Sprintf("%q is not on the screen", want))
	s.t.Fatalf("%q is not on the screen:\n%s", want, s.text())
}

// skipIfBusy skips the rest of the test, which cannot continue for the given reason, if other
// processes used the cores meanwhile. own is the CPU use of the tested program, in percent
// of one core.
func skipIfBusy(t *testing.T, machine monitor.Host, own float64, why string) {
	t.Helper()
	busy, _ := machine.BusyPercent.Get()
	steal, _ := machine.StealPercent.Get()
	if foreign := busy + steal - own/float64(runtime.NumCPU()); foreign > 10 {
		t.Skipf("%s, and other processes used %.0f%% of the machine", why, foreign)
	}
}

// waitForEnd waits for the end of the program and returns its exit code, -1 after a signal.
func (s *screen) waitForEnd() int {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		return 0
	case <-time.After(hang):
		s.t.Fatalf("it does not end:\n%s", s.text())
		return 0
	}
}

// checkRestored fails unless the terminal is restored: normal screen, visible cursor, no raw mode.
func (s *screen) checkRestored() {
	s.t.Helper()
	const leave = "\x1b[?1049l"
	deadline := time.Now().Add(hang)
	for {
		s.mu.Lock()
		raw := s.raw.String()
		s.mu.Unlock()
		normal := strings.LastIndex(raw, leave) > strings.LastIndex(raw, "\x1b[?1049h")
		cursor := strings.LastIndex(raw, "\x1b[?25h") > strings.LastIndex(raw, "\x1b[?25l")
		if normal && cursor && !isRaw(s.slave) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not restored: normal screen %v, visible cursor %v, raw mode %v", normal, cursor, isRaw(s.slave))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// isRaw reports whether the terminal is in raw mode: then setting raw mode changes nothing.
func isRaw(tty *os.File) bool {
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return false
	}
	if _, err := term.MakeRaw(int(tty.Fd())); err != nil {
		return false
	}
	now, _ := term.GetState(int(tty.Fd()))
	_ = term.Restore(int(tty.Fd()), before)
	return *before == *now
}

// checkEnded fails if one of these processes keeps running.
func (s *screen) checkEnded(children []int) {
	s.t.Helper()
	deadline := time.Now().Add(hang)
	for _, pid := range children {
		for alive(pid) {
			if time.Now().After(deadline) {
				s.t.Fatalf("process %d still runs", pid)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

const (
	down  = "\x1b[B"
	right = "\x1b[C"
	enter = "\r"
)

// TestMainJobOnScreen: from a cold start to a setting that keeps the promise and to an
// exported config.properties, with the hints on the screen and at most 8 keys. The
// promise is between the latencies of this machine at batch sizes 1 and 32, so that its
// speed has no effect.
func TestMainJobOnScreen(t *testing.T) {
	limit := limitBetween(t, 1, 32)
	s := openScreen(t, 120, 36, "--sla="+limit.String(), fmt.Sprintf("--concurrency=%d", clients))
	s.waitUnlessBusy("FAIL") // the load of the machine may have changed since the limit was measured
	s.press(down, "=", "3", "2", enter, enter)
	s.waitUnlessBusy("PASS")
	s.press("e")
	s.waitFor("enter writes")
	s.press(enter)
	s.waitFor("exported to config.properties")
	if s.keys > 8 {
		t.Errorf("it took %d keys, want at most 8", s.keys)
	}
	data, err := os.ReadFile(filepath.Join(s.dir, "config.properties"))
	if err != nil || !bytes.Contains(data, []byte(`"batchSize": 32`)) {
		t.Errorf("config.properties: %v\n%s", err, data)
	}
	for _, line := range []string{"refused             0", "failed              0", "timeout             0"} {
		if !strings.Contains(s.text(), line) {
			t.Errorf("no %q on the screen:\n%s", line, s.text())
		}
	}
	children := childrenOf(s.cmd.Process.Pid)
	s.press("Q")
	if code := s.waitForEnd(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.checkRestored()
	s.checkEnded(children)
	// The last frame and below it the summary are on the normal screen.
	s.waitFor("written     ")
	s.mu.Lock()
	raw := s.raw.String()
	s.mu.Unlock()
	if left := raw[strings.LastIndex(raw, "\x1b[?1049l"):]; !strings.Contains(left, "Throughput /s") || strings.Index(left, "Throughput /s") > strings.Index(left, "written     ") {
		t.Errorf("the last frame is not above the summary: %q", left)
	}
}

// clients is the number of clients of TestMainJobOnScreen. They fill two batches of the large
// batch size, because a batch that is not full waits for its delay. With them the latencies
// at the two batch sizes differ much on any machine, also with the race detector.
const clients = 64

// limitBetween returns a limit that the default model breaks at the slow batch size and keeps
// at the fast one, under a closed load: 0.7 times the median of the slow one, whose
// latencies vary little. So the tail of the fast one has as much room as possible.
func limitBetween(t *testing.T, slow, fast int) time.Duration {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("version: 1\nmodel: builtin:mlp-wide\nsla: {limit: 10s}\nload: {concurrency: %d}\n"+
		"knobs: {batch_size: [%d, %d]}\nstrategy: grid\ntrial: {duration: 3s}\nbudget: {time: 1m}\n", clients, slow, fast)
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sweep := exec.Command("sweetspot", "--sweep="+filepath.Join(dir, "plan.yaml"), "--out="+dir, "-q")
	sweep.Env = append(os.Environ(), "XDG_DATA_HOME="+dir+"/data", "XDG_STATE_HOME="+dir+"/state")
	sampler, start := monitor.NewSampler(os.Getpid()), time.Now()
	sampler.Sample()
	const cannotTell = 3 // the sweep may be undecided because of noise; its figures are used
	if out, err := sweep.CombinedOutput(); err != nil && sweep.ProcessState.ExitCode() != cannotTell {
		t.Fatalf("%v\n%s", err, out)
	}
	prof, err := profiles.Open(dir, filepath.Join(dir, "profile.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	p50, p99 := map[int]float64{}, map[int]float64{}
	for _, tr := range prof.Trials {
		if tr.Role == trial.RoleLoad {
			p50[tr.Settings.BatchSize], p99[tr.Settings.BatchSize] = tr.Latency.P50.Value.Or(0), tr.Latency.P99.Value.Or(0)
		}
	}
	limit := .7 * p50[slow]
	if p99[fast] == 0 || limit < 1.25*p99[fast] {
		why := fmt.Sprintf("%.1f ms at batch size %d, P99 %.1f ms at %d: too similar for a verdict on the live screen", p50[slow], slow, p99[fast], fast)
		own := sweep.ProcessState.UserTime() + sweep.ProcessState.SystemTime() // with its engine
		skipIfBusy(t, sampler.Sample(), 100*own.Seconds()/time.Since(start).Seconds(), why)
		t.Skip(why)
	}
	return time.Duration(limit * float64(time.Millisecond)).Round(time.Millisecond)
}

// TestQuitDuringSweep: after many changes of the size the screen is right. Quitting asks for confirmation, keeps the
// profile, prints the command that resumes it, and ends all processes.
func TestQuitDuringSweep(t *testing.T) {
	t.Parallel()
	s := openScreen(t, 80, 24)
	s.waitForOne("FAIL", "PASS") // a verdict, whatever the machine does
	s.press("s")
	s.waitFor("Takes over your load of 10 clients")
	s.press(enter)
	s.waitFor("ETA")
	s.storm(80, 24)
	s.press("1", "3", "2") // parts of lines change
	s.waitFor("[2 Sweep]")
	s.checkCells()
	children := childrenOf(s.cmd.Process.Pid)
	s.press("q")
	s.waitFor("resume")
	s.press("y")
	s.waitForEnd()
	s.checkRestored()
	s.checkEnded(children)
	s.waitFor("--resume")
	files, _ := filepath.Glob(filepath.Join(s.dir, "data/sweetspot/profiles/*.jsonl"))
	if len(files) != 1 {
		t.Fatalf("profiles: %v", files)
	}
	data, _ := os.ReadFile(files[0])
	if !bytes.Contains(data, []byte(`"t":"end"`)) || !bytes.Contains(data, []byte(`"stopped"`)) {
		t.Errorf("the profile is not stopped:\n%s", data)
	}
}

// TestTerminalIsRestored: the terminal is restored after each way in which the program can end.
func TestTerminalIsRestored(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(s *screen)
		code int
	}{
		{"ctrl+c", func(s *screen) { s.press("\x03") }, 130},
		{"TERM", func(s *screen) { _ = s.cmd.Process.Signal(syscall.SIGTERM) }, 143},
		{"HUP", func(s *screen) { _ = s.cmd.Process.Signal(syscall.SIGHUP) }, 129},
		{"a crash", func(s *screen) { _ = s.cmd.Process.Signal(syscall.SIGQUIT) }, 2}, // a Go program ends as after a panic
		{"KILL", func(s *screen) { _ = s.cmd.Process.Signal(syscall.SIGKILL) }, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := openScreen(t, 100, 30, "builtin:mlp", "--sla=1s")
			s.waitFor("serving")
			children := childrenOf(s.cmd.Process.Pid)
			tc.end(s)
			if code := s.waitForEnd(); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			s.checkRestored()
			s.checkEnded(children)
		})
	}
}

// TestSmallAndColourless: a terminal that is too small shows the required size, and with
// NO_COLOR there is no colour.
func TestSmallAndColourless(t *testing.T) {
	t.Setenv("NO_COLOR", "yes")
	s := openScreen(t, 39, 9, "builtin:mlp", "--sla=1s")
	s.waitFor("40 x 10")
	s.resize(80, 24)
	s.waitFor("serving")
	s.waitFor("P99 ms")
	s.mu.Lock()
	raw := s.raw.String()
	s.mu.Unlock()
	for _, colour := range []string{"\x1b[31m", "\x1b[91m", "\x1b[38;", "\x1b[48;"} {
		if strings.Contains(raw, colour) {
			t.Errorf("%q was written with NO_COLOR", colour)
		}
	}
	s.press("q")
	s.waitForEnd()
}
