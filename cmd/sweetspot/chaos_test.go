//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// chaosSeeds is how many times each fault is injected, at other moments each time: `make chaos` raises it.
var chaosSeeds = flag.Int("seeds", 2, "number of seeds of the tests with faults")

// The device of these tests is simulated in real time, so that no ONNX Runtime is needed. A batch of 1 takes 10 ms. The promise is on
// the median, so that a slow machine has no effect.
const (
	chaosDevice = "workers,device,precision,batch,ms,spread,source\n1,cpu,fp32,1,10,,\n1,cpu,fp32,8,20,,\n"
	chaosPlan   = `version: 1
sla: {percentile: 50, limit: 10s}
load: {mode: closed, concurrency: 4}
knobs:
  workers: 1
  batch_size: [2, 3, 4, 6, 8]
  batch_delay_ms: 1
strategy: grid
trial: {requests: 400}
budget: {time: 0s}
`
)

// faulty is a sweep into which a test injects faults.
type faulty struct {
	t              *testing.T
	dir, profile   string
	cmd            *exec.Cmd
	stdout, stderr lockedBuffer
	rng            *rand.Rand
}

// lockedBuffer is a buffer that one goroutine writes and others read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// eachSeed runs a test with faults at moments that follow from a seed.
func eachSeed(t *testing.T, test func(t *testing.T, f *faulty)) {
	t.Helper()
	if testing.Short() {
		t.Skip("seconds for each seed: make chaos, make test-long")
	}
	for seed := range *chaosSeeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			test(t, newFaulty(t, uint64(seed)))
		})
	}
}

func newFaulty(t *testing.T, seed uint64) *faulty {
	t.Helper()
	f := &faulty{t: t, dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 23))}
	f.profile = filepath.Join(f.dir, "results", profiles.FileName)
	for name, text := range map[string]string{"ten.csv": chaosDevice, "plan.yaml": chaosPlan} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// command is the program, with its folders in that of the test.
func (f *faulty) command(args ...string) *exec.Cmd {
	f.t.Helper()
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		f.t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Dir = f.dir
	c.Env = append(os.Environ(), "HOME="+f.dir, "XDG_DATA_HOME="+f.dir+"/data", "XDG_STATE_HOME="+f.dir+"/state", "XDG_CACHE_HOME="+f.dir+"/cache")
	return c
}

// sweep starts a sweep of the plan. More arguments may be given.
func (f *faulty) sweep(more ...string) {
	f.t.Helper()
	f.cmd = f.command(append([]string{"sim:ten.csv", "--sweep=plan.yaml", "--out", "results"}, more...)...)
	f.cmd.Stdout, f.cmd.Stderr = &f.stdout, &f.stderr
	f.start()
}

func (f *faulty) start() {
	f.t.Helper()
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = f.cmd.Process.Kill() })
}

// waitFor waits until the profile has a number of trials, and then for up to most more.
func (f *faulty) waitFor(trials int, most time.Duration) {
	f.t.Helper()
	for deadline := time.Now().Add(hang); ; time.Sleep(5 * time.Millisecond) {
		data, _ := os.ReadFile(f.profile)
		if bytes.Count(data, []byte(`{"t":"trial"`)) >= trials && bytes.Contains(data, []byte("\n")) {
			break
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("no %d trials; stderr:\n%s", trials, f.stderr.String())
		}
	}
	time.Sleep(time.Duration(f.rng.Int64N(int64(most))))
}

// children waits for the engine child, which may be starting, and returns it.
func (f *faulty) children() []int {
	f.t.Helper()
	for deadline := time.Now().Add(hang); ; time.Sleep(5 * time.Millisecond) {
		if pids := childrenOf(f.cmd.Process.Pid); len(pids) > 0 {
			return pids
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("the sweep has no engine child; stderr:\n%s", f.stderr.String())
		}
	}
}

// wait waits for the end of the sweep, which must have this exit code or be ended by this signal, and for that
// of its children.
func (f *faulty) wait(children []int, want int) {
	f.t.Helper()
	timer := time.AfterFunc(hang, func() { _ = f.cmd.Process.Kill() })
	defer timer.Stop()
	_ = f.cmd.Wait()
	code := f.cmd.ProcessState.ExitCode()
	if s, ok := f.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		code = 128 + int(s.Signal())
	}
	if code != want {
		f.t.Errorf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", code, want, f.stdout.String(), f.stderr.String())
	}
	for deadline := time.Now().Add(hang); ; time.Sleep(10 * time.Millisecond) {
		left := 0
		for _, pid := range children {
			if alive(pid) {
				left++
			}
		}
		switch {
		case left == 0:
			return
		case time.Now().After(deadline):
			f.t.Fatalf("%d children of the sweep still run", left)
		}
	}
}

// check reads the profile. All of its lines must be whole but for the last one, each request of a trial must have one
// outcome, and no trial may pass with an error or beyond its promise.
func (f *faulty) check() *profiles.Profile {
	f.t.Helper()
	data, err := os.ReadFile(f.profile)
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := profiles.Decode("profile", data)
	if err != nil {
		f.t.Fatal(err)
	}
	torn := 0
	if !bytes.HasSuffix(data, []byte("\n")) {
		torn = 1
	}
	if len(p.Warnings) > torn {
		f.t.Errorf("damaged lines: %q", p.Warnings)
	}
	for _, r := range p.Trials {
		n := r.Counts
		if r.Error == "" && n.Sent != n.OK+n.Refused+n.Failed+n.Timeout {
			f.t.Errorf("trial %d: the outcomes of %d requests are %+v", r.N, n.Sent, n)
		}
		v := r.Verdict
		if v.Result == trial.Pass && (r.Error != "" || v.ValueMS.Or(0) > v.LimitMS || n.OK < n.Sent) {
			f.t.Errorf("trial %d passes with %+v, error %q, %+v", r.N, v, r.Error, n)
		}
	}
	return p
}

// resume resumes the sweep, which must end well with all that was recorded.
func (f *faulty) resume(before *profiles.Profile) {
	f.t.Helper()
	out, err := f.command("--sweep", "--resume="+f.profile, "--out", "more").CombinedOutput()
	if err != nil {
		f.t.Fatalf("resume: %v\n%s", err, out)
	}
	f.profile = filepath.Join(f.dir, "more", profiles.FileName)
	p := f.check()
	if p.State() != profiles.Done || len(p.Choices) == 0 || len(p.Trials) < 6 { // 5 points and a validation
		f.t.Errorf("the resumed sweep is %s with %d trials and %d choices", p.State(), len(p.Trials), len(p.Choices))
	}
	for i, r := range before.Trials {
		if i >= len(p.Trials) || p.Trials[i].Settings != r.Settings {
			f.t.Errorf("trial %d was lost", r.N)
		}
	}
}

// died counts the events that say that the engine died.
func died(p *profiles.Profile) (n int) {
	for _, e := range p.Events {
		if strings.Contains(e.What, "engine died") {
			n++
		}
	}
	return n
}
