package main

import (
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
)

// testEnv is enough for processes of this program.
func testEnv(t *testing.T) *env {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &env{self: self, budget: tiny, cores: 2, stderr: t.Output()}
}

// The lead moves to where 1 of 3 sleeps ends before it has passed, and is left out while the loop was busy for too long.
func TestBareSpin(t *testing.T) {
	const us = time.Microsecond
	s := equalSpin
	for i := range 3000 {
		s = s.adjusted([]time.Duration{20 * us, 30 * us, 40 * us}[i%3])
	}
	if s.lead < 19*us || s.lead > 31*us {
		t.Errorf("lead %v after sleeps that end 20, 30 and 40 us late, want 20 to 30 us", s.lead)
	}
	if s.allowed(time.Second, 100*time.Second) != s.lead || s.allowed(time.Second, 99*time.Second) != 0 {
		t.Error("being busy for 1% of the time is allowed, and not more")
	}
	if got := wholeSpin.adjusted(us); got != wholeSpin || got.allowed(time.Second, time.Second) != wholeSpin.lead {
		t.Errorf("a fixed lead became %v", got)
	}
}

func TestShareOfLimit(t *testing.T) {
	goal := judge.Goal{Compare: judge.AtMost, Number: 1.1}
	for _, tt := range []struct {
		name      string
		interval  *stat.Interval
		disturbed bool
		want      judge.Status
	}{
		{"by its value", nil, false, judge.OK},
		{"by its interval", &stat.Interval{Value: .066, Low: .06, High: .074}, false, judge.Undecided},
		{"beside other programs", nil, true, judge.Undecided},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := shareOfLimit("x", judge.Figure{Value: .066, Unit: "ms", Interval: tt.interval}, .0625, tt.disturbed)
			if f.Status(goal) != tt.want || math.Abs(f.Value-1.056) > 1e-9 {
				t.Errorf("%v: %v, want 1.056: %v", f.Value, f.Status(goal), tt.want)
			}
		})
	}
}

// bareRequest has the bytes that the server of the load generator reads as one request.
func TestBareRequest(t *testing.T) {
	const want = "POST /work HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"x\":1}"
	if d := cmp.Diff(want, bareRequest("localhost", pathWork, "application/json", []byte(`{"x":1}`))); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
}

// The traffic goes on until the measurement ends, and an error of the measurement ends it too.
func TestEmptyTraffic(t *testing.T) {
	e := testEnv(t)
	tr, err := startEmptyTraffic(t.Context(), e, []load.Body{{Type: "text/plain", Data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	measured := errors.New("measured")
	for _, want := range []error{nil, measured} {
		err := tr.during(t.Context(), 200, func() error {
			time.Sleep(100 * time.Millisecond) // some of the traffic
			return want
		})
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if err := tr.server.stop(nil); err != nil {
		t.Error(err)
	}
}

// The limit of a model is the rate of its bare loops.
func TestServerLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a model and starts three processes")
	}
	needLibrary(t)
	m, err := writeModel(t.Context(), modelCNN, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var bodies []load.Body
	for _, b := range handler.Bodies(m.inputs, 2, 1) {
		bodies = append(bodies, loadBody(b))
	}
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize = 2, 4
	e := testEnv(t)
	l, err := openLimit(t.Context(), e, m, s, bodies, 50)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.block(t.Context(), 200*time.Millisecond)
	if err := l.close(err); err != nil {
		t.Fatal(err)
	}
	if !(got[metricRate] > 0) || !math.IsNaN(got[metricP99]) {
		t.Errorf("%v, want a rate and nothing else", got)
	}
}
