//go:build unix

package command_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/target/command"
	"sweetspot/sweep/target/process"
	"sweetspot/sweep/trial"
)

// memoryRecording is a Recording in memory.
type memoryRecording struct{}

func (memoryRecording) Trial(trial.Trial) error           { return nil }
func (memoryRecording) Probe(trial.Probe) error           { return nil }
func (memoryRecording) Event(trial.Event) error           { return nil }
func (memoryRecording) Choice(trial.Choice) error         { return nil }
func (memoryRecording) Operators(trial.Operators) error   { return nil }
func (memoryRecording) ID() string                        { return "note" }
func (memoryRecording) Path() string                      { return "" }
func (memoryRecording) End(session.SweepState, int) error { return nil }

// runSweep asks for a P50 within 150 ms at 20 clients, which batches of one miss by far.
func runSweep(t *testing.T, p plan.Plan, d sweep.Target) session.Sweep {
	t.Helper()
	p.SLA = trial.SLA{Percentile: 50, Limit: 150 * time.Millisecond}
	p.Loads = []load.Spec{{Concurrency: 20}}
	p.Budget.Time, p.Trial.Duration = 0, 1500*time.Millisecond
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	w := session.Sweeper{Plan: p, Target: d, Record: func(sweep.Info, plan.Plan) (session.Recording, error) { return memoryRecording{}, nil }}
	st, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range st.Trials {
		t.Logf("trial %d, %s: %v, %d requests, %s: %s %s", r.N, r.Role, r.Settings, r.Counts.Sent, r.Verdict.Label(), r.Verdict.Why, r.Error)
	}
	return st
}

// TestSweep: each strategy sweeps a server over its knobs; auto has no probes.
func TestSweep(t *testing.T) {
	all := []string{"grid", "climb", "auto"}
	if testing.Short() {
		all = all[2:]
	}
	for _, strategy := range all {
		t.Run(strategy, func(t *testing.T) {
			p := serverPlan()
			p.Strategy, p.Knobs["instances"] = strategy, "2"
			st := runSweep(t, p, open(t, p))
			settings := map[knob.OwnValues]bool{}
			for _, r := range st.Trials {
				settings[r.Settings.Own] = true
				if r.Error != "" || r.Role == trial.RoleProbe || r.Settings.Has(knob.BatchSize) || r.Use.CPUPercent.OK() {
					t.Errorf("trial %d: error %q, settings %v", r.N, r.Error, r.Settings)
				}
			}
			if len(settings) != 2 {
				t.Errorf("the settings %v were tried, want two", settings)
			}
			if st.Choice != nil && st.Choice.Settings.Own != "instances=2 max_batch_size=8" {
				t.Errorf("choice %v, want batches of 8", st.Choice.Settings)
			}
			for _, r := range st.Trials {
				if r.Settings.Get("max_batch_size") == "1" && r.Verdict.Result == trial.Pass {
					t.Errorf("batches of one passed: %s", r.Verdict.Why)
				}
			}
		})
	}
}

// TestFailures: each kind of failure costs its trial, and the sweep goes on.
func TestFailures(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	p := serverPlan("-mode", "{mode}")
	p.Server.Env = map[string]string{"TAKEN_PORT": port}
	p.Strategy = "grid"
	p.Knobs = map[knob.Name]string{"mode": "ok,flag,memory,crash,load,port", "instances": "2", "max_batch_size": "8"}
	st := runSweep(t, p, open(t, p))
	want := map[string]string{
		"ok": "", "flag": "an argument is refused: exit status 2 before it was ready; last lines: ", "memory": "out of memory: killed before it was ready",
		"crash": "the server ended: exit status 3 before it was ready; last lines: loading | no such model: cat",
		"load":  "the server ended: exit status 7 under load; last lines: panic: too many requests", "port": "port in use: exit status 1",
	}
	for _, r := range st.Trials {
		mode := r.Settings.Get("mode")
		if text := want[mode]; r.Role != trial.RoleValidation && (text == "" != (r.Error == "") || !strings.HasPrefix(r.Error, text)) {
			t.Errorf("mode %s: %q, want %q", mode, r.Error, text)
		}
		if mode != "ok" && r.Verdict.Result != trial.Fail {
			t.Errorf("mode %s: %s", mode, r.Verdict.Label())
		}
	}
	if len(st.Trials) < len(want) {
		t.Errorf("%d trials, want at least %d", len(st.Trials), len(want))
	}
}

// TestOpenFails: what is wrong with the first settings is an error of Open.
func TestOpenFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name   string
		change func(*plan.Plan)
		kind   process.Failure
		want   string
	}{
		{"never ready", func(p *plan.Plan) {
			p.Server.Command, p.Server.Ready.Within = append(p.Server.Command, "-mode", "never"), 300*time.Millisecond
		}, process.NeverReady, "not ready within 300ms: Get "},
		{"no such program", func(p *plan.Plan) { p.Server.Command[0] = "/no/such/program" }, process.NotFound, "no such file"},
		{"another server answers", func(p *plan.Plan) { p.Server.Ready.URL = "http://" + taken.Addr().String() }, process.PortTaken, "another program listens on 127.0.0.1:"},
		{"wrong path", func(p *plan.Plan) { p.Server.Request.URL += "x" }, "", "answered with 404 Not Found"},
		{"no template", func(p *plan.Plan) { p.Server.Files = map[string]string{"f": "/no/such/file"} }, "", "server: files: f: open /no/such/file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serverPlan()
			c.change(&p)
			d, err := command.Open(t.Context(), config(p))
			if err == nil {
				d.Close(t.Context())
				t.Fatal("it was opened")
			}
			failure, ok := errors.AsType[*process.StartError](err)
			if ok != (c.kind != "") || ok && failure.Kind != c.kind || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s with %q", err, c.kind, c.want)
			}
		})
	}
}

// TestApply: a knob of a call is changed in the running server, others by a new start, and after
// a failure the settings before it are in force.
func TestApply(t *testing.T) {
	p := serverPlan("-mode", "{mode}")
	p.Knobs["mode"] = "ok,crash"
	p.Server.Live[0].Body = `{"instances":2,"max_batch_size":{max_batch_size}}`
	address := withAddress(t, &p)
	d := open(t, p)
	if got := knobsOf(t, address); got != "instances=2 max_batch_size=1" { // the start, then the call
		t.Errorf("after Open %s", got)
	}
	apply := func(own knob.OwnValues) (sweep.Applied, error) { return d.Apply(t.Context(), knob.Settings{Own: own}) }
	done, err := apply("instances=1 max_batch_size=8 mode=ok")
	if err != nil || len(done.Steps) != 1 || done.Steps[0].What != "call" || knobsOf(t, address) != "instances=2 max_batch_size=8" {
		t.Errorf("a call: %+v, %v, in force %s", done, err, knobsOf(t, address))
	}
	done, err = apply("instances=2 max_batch_size=8 mode=ok")
	if err != nil || len(done.Steps) != 2 || done.Steps[1].What != "start" || knobsOf(t, address) != "instances=2 max_batch_size=8" {
		t.Errorf("a new start: %+v, %v", done, err)
	}
	if _, err := apply("instances=2 max_batch_size=8 mode=crash"); err == nil {
		t.Error("a crash was applied")
	}
	if info, err := d.Info(t.Context()); err != nil || info.Current.Own != "instances=2 max_batch_size=8 mode=ok" {
		t.Errorf("after a failure %v, %v", info.Current, err)
	}
	m := sweep.Measurement{
		Load: load.Spec{Concurrency: 2}, SLA: trial.SLA{Percentile: 50, Limit: time.Minute}, Max: 20, Time: time.Minute,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	}
	if _, err := d.Measure(t.Context(), m); err != nil || knobsOf(t, address) != "instances=2 max_batch_size=8" {
		t.Errorf("a load after a failure: %v, in force %s", err, knobsOf(t, address))
	}
	if _, err := apply("instances=9 max_batch_size=8 mode=ok"); err == nil || !strings.Contains(err.Error(), "instances: 9 is outside 1-2") {
		t.Errorf("nine instances: %v", err)
	}
}

// TestFiles: a config file is a template.
func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.json")
	if err := os.WriteFile(path, []byte(`{"instances": {instances}, "max_batch_size": {max_batch_size}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serverPlan("-config", "{config}")
	p.Server.Files = map[string]string{"config": path}
	p.Server.Command, p.Server.Live = append(p.Server.Command[:4:4], p.Server.Command[8:]...), nil
	address := withAddress(t, &p)
	d := open(t, p)
	if _, err := d.Apply(t.Context(), knob.Settings{Own: "instances=2 max_batch_size=8"}); err != nil || knobsOf(t, address) != "instances=2 max_batch_size=8" {
		t.Errorf("in force %s, %v", knobsOf(t, address), err)
	}
	p.Knobs["other"] = "1,2"
	if _, err := command.Open(t.Context(), config(p)); err == nil || !strings.Contains(err.Error(), "knobs: other: the server does not get it") {
		t.Errorf("a knob that no file has: %v", err)
	}
}

// TestLive: changes under live load lose no request.
func TestLive(t *testing.T) {
	p := serverPlan()
	p.Server.Live = nil // every change is a new start
	d := open(t, p)
	var ok, failed atomic.Int64
	ended := make(chan error, 1)
	go func() {
		ended <- d.Live(t.Context(), load.Spec{Concurrency: 4}, func(all []load.Sample) {
			for _, s := range all {
				if s.Status == 200 {
					ok.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}()
	for _, own := range []knob.OwnValues{"instances=2 max_batch_size=8", "instances=1 max_batch_size=8", "instances=2 max_batch_size=1"} {
		for more := ok.Load() + 20; ok.Load() < more; {
			select {
			case err := <-ended:
				t.Fatalf("the live load ended: %v", err)
			case <-time.After(10 * time.Millisecond):
			}
		}
		if _, err := d.Apply(t.Context(), knob.Settings{Own: own}); err != nil {
			t.Fatal(err)
		}
	}
	if failed.Load() > 0 {
		t.Errorf("%d requests failed, %d were answered", failed.Load(), ok.Load())
	}
}

// TestNoOrphans: Close ends all processes of the server, also one in a session of its own, and so
// does the end of this program by kill -9.
func TestNoOrphans(t *testing.T) {
	t.Run("close", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "pids")
		d := open(t, serverPlan("-pids", file))
		all := pidsIn(t, file)
		if !exists(all[0]) || !exists(all[1]) {
			t.Fatalf("the processes %v do not exist", all)
		}
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		waitEnded(t, all)
	})
	t.Run("kill", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "pids")
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, "hold", file)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if line != "open\n" {
			t.Errorf("%q, %v", line, err)
		}
		all := pidsIn(t, file)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		waitEnded(t, all)
	})
}

func pidsIn(t *testing.T, file string) []int {
	t.Helper()
	text, err := os.ReadFile(file)
	all := make([]int, 2)
	if err == nil {
		_, err = fmt.Sscan(string(text), &all[0], &all[1])
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }

// waitEnded waits until the processes have ended, and fails after a minute.
func waitEnded(t *testing.T, all []int) {
	t.Helper()
	for begin := time.Now(); exists(all[0]) || exists(all[1]); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("of %v some still exist", all)
		}
	}
}
