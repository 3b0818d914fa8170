package main

import (
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/monitor"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// TestSoak is the soak of bench -quick: 15 s of load on four models, with all kinds of clients.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute: make test-long")
	}
	needLibrary(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	e := &env{self: self, budget: quick, seed: 2, cores: monitor.Limits().Cores, report: judge.NewReport(&out, goals(), false), stderr: t.Output()}
	e.report.Begin(judge.Run{Name: "soak", Mode: quick.mode, Seed: e.seed})
	if err := measureSoak(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.report.End(time.Second)
	var got []string
	for line := range strings.Lines(out.String()) {
		f := strings.Fields(line)
		if !strings.HasPrefix(line, "soak.") {
			continue
		}
		got = append(got, f[0])
		// There is too little load to judge the growth.
		if !strings.HasPrefix(f[0], "soak.growth") && (len(f) < 5 || f[1] != "0" || f[4] != "ok") {
			t.Error(line)
		}
	}
	want := []string{
		"soak.failed", "soak.lost", "soak.mixed-up", "soak.unclear", "soak.unaccounted",
		"soak.left.sessions", "soak.left.goroutines", "soak.left.descriptors", "soak.growth", "soak.growth.go", "soak.growth.native", "soak.growth.resident",
		"soak.sweep.lost", "soak.sweep.wrong-passes", "soak.sweep.damaged",
		"soak.left.processes", "soak.left.files", "soak.left.segments", "soak.left.ports",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	t.Log(out.String())
}

// A process that grows from 100 to 110 MB grows by 10 MB of 105.
func TestGrowthFigure(t *testing.T) {
	var steady, growing []float64
	for i := range 11 {
		steady = append(steady, 100+float64(i%2))
		growing = append(growing, 100+float64(i)+float64(i%2)/10)
	}
	if f := growthFigure("soak.growth", "memory", steady, time.Minute); f.Interval.Low > 0 || f.Interval.High < 0 {
		t.Errorf("a steady size grows by %v", *f.Interval)
	}
	if f := growthFigure("soak.growth", "memory", growing, time.Minute); math.Abs(f.Value-10/105.) > .001 || f.Interval.Low <= .09 {
		t.Errorf("a growing size grows by %v, want %v", *f.Interval, 10/105.)
	}
	if f := growthFigure("soak.growth", "memory", growing[:2], time.Minute); !math.IsNaN(f.Interval.High) {
		t.Errorf("two sizes have the interval %v", *f.Interval)
	}
}

// TestSweepCounts: what must not be in a sweep is counted.
func TestSweepCounts(t *testing.T) {
	broken := trial.Trial{Result: trial.Result{
		Counts:  trial.Counts{Sent: 10, OK: 8, Refused: 1},
		Verdict: trial.Verdict{Result: trial.Pass, ValueMS: trial.NumOf(12), LimitMS: 10},
	}}
	var c sweepCounts
	c.addSweep(session.Sweep{Trials: []trial.Trial{broken}}, filepath.Join(t.TempDir(), "none"))
	if want := (sweepCounts{sweeps: 1, trials: 1, requests: 10, lost: 1, wrongPasses: 1, damaged: 1}); c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
}

// TestReason: an error says what is wrong in a form that programs can read.
func TestReason(t *testing.T) {
	for _, tt := range []struct {
		a    soakAnswer
		want string
	}{
		{soakAnswer{status: 400, body: []byte(`{"code":400,"type":"Bad","message":"no"}`)}, ""},
		{soakAnswer{status: 400, body: []byte(`no`)}, `status 400 with the body "no"`},
		{soakAnswer{status: 400, body: []byte(`{"code":404,"type":"Bad","message":"no"}`)}, "status 400 with the error {Code:404 Type:Bad Message:no}"},
		{soakAnswer{status: 503, body: []byte(`{"code":503,"type":"Busy","message":"full"}`)}, "status 503 without Retry-After: full"},
	} {
		if got := tt.a.reason(); got != tt.want {
			t.Errorf("%d %s: %q, want %q", tt.a.status, tt.a.body, got, tt.want)
		}
	}
}

// TestLeftovers: a process, a file and a port that stay are found.
func TestLeftovers(t *testing.T) {
	l, err := newLeftovers()
	if err != nil {
		t.Fatal(err)
	}
	defer l.remove() //nolint:errcheck // of the test
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l.ports = []string{listener.Addr().String()}
	if err := os.WriteFile(filepath.Join(l.folder, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if l.files() != 1 || l.taken() != 1 {
		t.Errorf("%v files, %v ports, want 1 and 1", l.files(), l.taken())
	}
	if runtime.GOOS != "linux" {
		return
	}
	cmd := exec.Command("sleep", "60")
	cmd.Env = l.environ()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for l.processes() != 1 { // until it has its environment
		time.Sleep(time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if n := l.processes(); n != 0 {
		t.Errorf("%v processes, want 0", n)
	}
}

// Together the rates need twice the machine, although the rate of fast models is
// limited.
func TestSoakRates(t *testing.T) {
	capacities := []float64{10_000, 2_000, 100, 20}
	const maxRate = 300.
	rates, share := soakRates(capacities, maxRate), 0.
	for i, r := range rates {
		share += r / capacities[i]
	}
	if math.Abs(share-soakShare) > 1e-9 || rates[0] != maxRate || rates[1] != maxRate || rates[2] != rates[3]*5 {
		t.Errorf("rates %v of capacities %v need %v of the machine", rates, capacities, share)
	}
	if got := soakRates([]float64{10, 10}, maxRate); got[0] != 10 || got[1] != 10 {
		t.Errorf("%v, want 10 each", got)
	}
}
