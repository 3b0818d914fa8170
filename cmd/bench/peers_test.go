package main

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

func TestBatchOfOne(t *testing.T) {
	got, err := batchOfOne([]byte{0, 0, 128, 63, 0, 0, 0, 192}, "x")
	if err != nil || string(got) != `{"x":[[1,-2]]}` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := batchOfOne([]byte{1, 2, 3}, "x"); err == nil {
		t.Error("3 bytes are no FP32 numbers")
	}
}

func TestWithoutChoice(t *testing.T) {
	run := func(batch int, rate, p99 float64, failed string) trial.Trial {
		r := trial.Trial{Settings: knob.Settings{BatchSize: batch}}
		r.Error = failed
		if failed == "" {
			r.Throughput.Value, r.Latency.P99.Value = trial.NumOf(rate), trial.NumOf(p99)
		}
		return r
	}
	for _, tt := range []struct {
		name string
		all  []trial.Trial
		want int // batch size; 0 is nothing
	}{
		{"the highest rate within the limit", []trial.Trial{run(1, 900, 60, ""), run(2, 100, 10, ""), run(3, 300, 40, ""), run(4, 200, 5, "")}, 3},
		{"the lowest P99 above it", []trial.Trial{run(1, 900, 90, ""), run(2, 100, 70, ""), run(3, 300, 80, "")}, 2},
		{"no failed ones", []trial.Trial{run(1, 0, 0, "port in use"), run(2, 100, 70, "")}, 2},
		{"only failed ones", []trial.Trial{run(1, 0, 0, "port in use")}, 0},
	} {
		got := withoutChoice(tt.all, 50*time.Millisecond)
		switch {
		case tt.want == 0 && (got.settings != nil || !strings.Contains(got.note, "port in use")):
			t.Errorf("%s: %v %q", tt.name, got.settings, got.note)
		case tt.want > 0 && (got.settings == nil || got.settings.BatchSize != tt.want):
			t.Errorf("%s: %v, want batch size %d", tt.name, got.settings, tt.want)
		}
	}
}

func TestPromiseOf(t *testing.T) {
	for want, p99 := range map[string]stat.Interval{
		"keeps the promise":                  {Value: 40, Low: 30, High: 50},
		"breaks the promise":                 {Value: 60, Low: 51, High: 70},
		"keeps or breaks the promise, which": {Value: 49, Low: 30, High: 51},
		"keeps or breaks":                    {Value: 10, Low: math.NaN(), High: math.NaN()},
	} {
		if got, keeps := promiseOf(p99, 50*time.Millisecond); !strings.HasPrefix(got, want) || keeps != (want == "keeps the promise") {
			t.Errorf("%+v %s (%v), want %q", p99, got, keeps, want)
		}
	}
}

// A peer that is not installed has all figures, undecided, with the reason.
func TestPeerAbsent(t *testing.T) {
	t.Setenv(peersVariable, t.TempDir())
	var out strings.Builder
	s := &peerSet{e: &env{report: judge.NewReport(&out, goals(), false), stderr: io.Discard}}
	s.e.report.Begin(judge.Run{Name: "peers"})
	for _, p := range peerServers(tiny.peers()) {
		if _, ok := p.(pythonPeer); !ok {
			continue
		}
		tuned, err := s.tuneOne(t.Context(), p)
		if err != nil || tuned.settings != nil || !strings.Contains(tuned.why, "make peers") {
			t.Fatalf("%s: %+v, %v", p.name(), tuned, err)
		}
		s.addAbsent(tuned)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3*len(peerMetrics) {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for _, l := range lines {
		f := strings.Fields(l)
		if f[1] != "n/a" || f[3] != "-" && f[4] != "undecided" || !strings.Contains(l, "absent: not installed") {
			t.Errorf("line %q", l)
		}
	}
}

// TestPeerServers starts each installed server, whose answers are those of this program.
func TestPeerServers(t *testing.T) {
	if os.Getenv(peersVariable) == "" {
		t.Skip("needs LitServe, mosec and BentoML: make test-peers installs them and runs this test")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &peerSet{e: &env{self: self, budget: tiny, seed: 1, stderr: t.Output()}, budget: tiny.peers(), dir: dir}
	if s.model, err = writeModel(t.Context(), modelSmall, dir); err != nil {
		t.Fatal(err)
	}
	if s.bodies, err = jsonBodies(s.model, 8, 1); err != nil {
		t.Fatal(err)
	}
	if err := writePeerFiles(dir); err != nil {
		t.Fatal(err)
	}
	var want []float64
	for _, p := range peerServers(s.budget) {
		var k knob.Settings
		switch p := p.(type) {
		case torchServePeer:
			continue // TestRealTorchServe has it
		case ourServer:
			k = knob.Default(knob.Eager)
		case pythonPeer:
			for name, values := range p.knobs {
				if err := k.Set(name, values); err != nil {
					t.Fatal(err)
				}
			}
		}
		c, stop, err := p.start(t.Context(), s, k)
		if err != nil {
			t.Fatalf("%s: %v", p.name(), err)
		}
		c.settle()
		c.load.Max = 400
		if _, err := c.block(t.Context(), time.Minute); err != nil {
			t.Error(err)
		}
		got := numbersOf(t, t.Context(), "http://"+c.load.Addr+c.load.Path, s.bodies[0].Data)
		if want == nil {
			want = got
		}
		if len(got) != 10 || len(want) != 10 {
			t.Fatalf("%s: answer %v, want 10 numbers", p.name(), got)
		}
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-4 {
				t.Errorf("%s: answer %v, want %v", p.name(), got, want)
				break
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// numbersOf returns the numbers of an answer, however nested.
func numbersOf(t *testing.T, ctx context.Context, at string, body []byte) (out []float64) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var v any
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case float64:
			out = append(out, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	return out
}
