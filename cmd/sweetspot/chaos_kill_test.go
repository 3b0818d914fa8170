//go:build linux

package main

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sweetspot/profiles"
)

// TestChaosKillParent: after kill -9 of a sweep at any moment its engine ends, its profile is whole up to the last
// line, and it can be resumed.
func TestChaosKillParent(t *testing.T) {
	eachSeed(t, func(t *testing.T, f *faulty) {
		f.sweep()
		f.waitFor(f.rng.IntN(5), time.Second)
		children := f.children()
		if err := f.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		f.wait(children, 128+int(syscall.SIGKILL))
		p := f.check()
		if p.State() != profiles.Interrupted {
			t.Errorf("the profile is %s, want interrupted", p.State())
		}
		f.resume(p)
	})
}

// TestChaosKillEngine: after kill -9 of the engine the sweep says so, starts it again, goes on and finds a setting. A trial
// in which it died is recorded as failed.
func TestChaosKillEngine(t *testing.T) {
	eachSeed(t, func(t *testing.T, f *faulty) {
		f.sweep()
		var all []int
		times := 1 + f.rng.IntN(2)
		for i := range times {
			f.waitFor(1+2*i, 300*time.Millisecond)
			for _, pid := range f.children() {
				all = append(all, pid)
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
					t.Fatal(err)
				}
			}
		}
		f.wait(all, exitYes)
		p := f.check()
		if n := died(p); n != times || p.State() != profiles.Done || len(p.Choices) == 0 {
			t.Errorf("%d deaths of %d in the profile, which is %s with %d choices", n, times, p.State(), len(p.Choices))
		}
		if !strings.Contains(f.stderr.String(), "engine died") {
			t.Errorf("nobody is told that the engine died:\n%s", f.stderr.String())
		}
	})
}

// TestChaosStalledEngine: an engine that stops for seconds, as under a debugger or in a frozen container, makes the trial
// slow, but the sweep goes on, and the trial keeps no promise that it did not keep.
func TestChaosStalledEngine(t *testing.T) {
	eachSeed(t, func(t *testing.T, f *faulty) {
		f.sweep("--sla", "1s", "--percentile", "99")
		f.waitFor(1, 300*time.Millisecond)
		children := f.children()
		stall := 1500*time.Millisecond + time.Duration(f.rng.Int64N(int64(2*time.Second)))
		if err := syscall.Kill(children[0], syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(stall)
		if err := syscall.Kill(children[0], syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		_ = f.cmd.Wait()
		if code := f.cmd.ProcessState.ExitCode(); code != exitYes && code != exitNo && code != exitCannotTell {
			t.Errorf("exit code %d\n%s", code, f.stderr.String())
		}
		p := f.check()
		if p.State() != profiles.Done || died(p) > 0 {
			t.Errorf("the profile is %s with %d deaths", p.State(), died(p))
		}
	})
}

// TestChaosSignals: a signal in a sweep ends it with its exit code, and a second one at once. The profile is whole, and
// has the exit code if there was time to write it.
func TestChaosSignals(t *testing.T) {
	for _, c := range []struct {
		name    string
		signals []syscall.Signal
		code    int
	}{
		{"HUP", []syscall.Signal{syscall.SIGHUP}, 129},
		{"TERM", []syscall.Signal{syscall.SIGTERM}, 143},
		{"TERM twice", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, 143},
		{"INT, then HUP", []syscall.Signal{syscall.SIGINT, syscall.SIGHUP}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachSeed(t, func(t *testing.T, f *faulty) {
				f.sweep()
				f.waitFor(f.rng.IntN(4), 500*time.Millisecond)
				children := f.children()
				for _, s := range c.signals {
					_ = f.cmd.Process.Signal(s) // it may have ended after the first
				}
				want := c.code
				if want == 0 { // the first to be handled decides
					_ = f.cmd.Wait()
					if want = f.cmd.ProcessState.ExitCode(); want != 129 && want != 130 {
						t.Errorf("exit code %d, want 129 or 130", want)
					}
				}
				f.wait(children, want)
				p := f.check()
				if p.End != nil && p.End.Exit != 129 && p.End.Exit != 130 && p.End.Exit != 143 || p.End == nil && len(c.signals) == 1 {
					t.Errorf("the end of the profile is %+v", p.End)
				}
				f.resume(p)
			})
		})
	}
}

// TestChaosOutputClosed: a reader of the output that ends first, such as head, ends the sweep as every program, by SIGPIPE. Its
// engine ends too, and what was measured can be resumed.
func TestChaosOutputClosed(t *testing.T) {
	eachSeed(t, func(t *testing.T, f *faulty) {
		f.cmd = f.command("sim:ten.csv", "--sweep=plan.yaml", "--out", "results", "--json=lines", "-q")
		f.cmd.Stderr = &f.stderr
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		f.cmd.Stdout = write
		f.start()
		_ = write.Close()
		if _, err := io.ReadFull(read, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		f.waitFor(1+f.rng.IntN(2), 200*time.Millisecond)
		children := f.children()
		_ = read.Close()
		f.wait(children, 128+int(syscall.SIGPIPE))
		f.resume(f.check())
	})
}

// TestChaosTerminalGone: the end of the terminal ends the workbench and a sweep on it with exit code 129 and with their engines.
func TestChaosTerminalGone(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts the workbench twice")
	}
	for name, args := range map[string][]string{"workbench": {"sim:ten.csv"}, "sweep": {"sim:ten.csv", "--sweep=plan.yaml", "--out", "results"}} {
		t.Run(name, func(t *testing.T) {
			f := newFaulty(t, 0)
			s := startInFolder(t, f.dir, 100, 30, "sweetspot", args...)
			f.cmd = s.cmd
			if name == "sweep" {
				f.waitFor(1, 100*time.Millisecond)
			} else {
				s.waitFor("serving")
			}
			children := f.children()
			_ = s.slave.Close()
			_ = s.tty.Close() // the kernel hangs up
			f.wait(children, 129)
			if name == "sweep" {
				f.resume(f.check())
			}
		})
	}
}
