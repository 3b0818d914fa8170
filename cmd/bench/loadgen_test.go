package main

import (
	"bufio"
	"context"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
)

const millis = time.Millisecond

func TestLoadgen(t *testing.T) {
	want := []string{
		"loadgen.rate.error share <=0.0005", "loadgen.gaps.constant cv <=0.15", "loadgen.p50.floor ms <=0.03",
		"loadgen.gaps.poisson-off cv <=0.03", "loadgen.p99.stalled share <=0.01",
		"loadgen.cpu.1k-us us -", "loadgen.cpu.1k-bare ratio <=1.3", "loadgen.p50.bare ms -", "loadgen.p50.ratio ratio <=1",
		"loadgen.cpu.5k-us us -", "loadgen.cpu.5k-bare ratio <=1.2", "loadgen.rate.one-core /s >=40000",
	}
	if runtime.GOOS != "linux" {
		want = slices.DeleteFunc(want, func(line string) bool { return strings.Contains(line, "bare") || strings.Contains(line, "p50.ratio") })
	}
	t.Setenv("PATH", t.TempDir()) // no wrk2, whatever is installed
	lines := strings.Split(strings.TrimSpace(measure(t, "loadgen")), "\n")
	var got []string
	for _, l := range lines[1 : len(lines)-1] {
		f := strings.Fields(l)
		got = append(got, f[0]+" "+f[2]+" "+f[3])
		if strings.HasSuffix(f[0], "k-us") && !strings.HasSuffix(l, "no ratio: wrk2 is not installed)") {
			t.Errorf("%q does not contain why there is no ratio", l)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("figures (-want +got):\n%s", d)
	}
}

func TestLoadgenServerEnds(t *testing.T) {
	for name, stdin := range map[string]io.Reader{"by its stdin": strings.NewReader(""), "by its context": blocked{t.Context()}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			read, out := io.Pipe()
			ended := make(chan error, 1)
			go func() { ended <- runLoadgenServer(ctx, stdin, out) }()
			if _, err := bufio.NewReader(read).ReadBytes('\n'); err != nil {
				t.Fatal(err)
			}
			if name == "by its context" {
				cancel()
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// blocked is a stdin that stays open until the context ends.
type blocked struct{ ctx context.Context }

func (b blocked) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, io.EOF
}

func TestReadRequest(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		works      []bool
	}{
		{"none", "POST /none HTTP/1.1\r\nHost: x\r\n\r\n", []bool{false}},
		{"bodies", strings.Repeat("POST /work HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"x\":1}", 2), []bool{true, true}},
		{"cut", "POST /work HTTP/1.1\r\nContent-Length: 7\r\n\r\n{", nil},
		{"cut head", "GET /work HTTP/1.1\r\nHost", nil},
		{"no length", "GET /work HTTP/1.1\r\nContent-Length: x\r\n\r\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := bufio.NewReader(strings.NewReader(tt.text))
			var got []bool
			for {
				work, err := readRequest(in)
				if err != nil {
					break
				}
				got = append(got, work)
			}
			if d := cmp.Diff(tt.works, got); d != "" {
				t.Errorf("work (-want +got):\n%s", d)
			}
		})
	}
}

// Requests wait for the worker of the server during a stall, and the window is the
// time of the stall.
func TestStall(t *testing.T) {
	s := &oneWorker{arrivals: make([]int64, 0, 4)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.wg.Go(func() { s.accept(ln) })
	t.Cleanup(func() {
		_ = ln.Close()
		s.closeConns()
		s.wg.Wait()
	})
	began := make(chan struct{})
	stallErr := make(chan stallWindow, 1)
	go func() {
		close(began)
		stallErr <- s.stall()
	}()
	<-began
	for s.worker.TryLock() { // until the stall begins
		s.worker.Unlock()
	}
	res, err := load.Run(t.Context(), load.Config{
		Addr: ln.Addr().String(), Path: pathNone, Bodies: []load.Body{{Data: []byte("x")}}, Max: 1,
		Spec: load.Spec{Mode: load.Closed, Concurrency: 1},
	})
	answered := time.Now().UnixNano()
	w := <-stallErr
	s.worker.Lock()
	arrived := len(s.arrivals)
	s.worker.Unlock()
	if err != nil || len(res.Samples) != 1 || answered < w.End || arrived != 1 {
		t.Errorf("%d answers (%v), %d arrivals, answered %v after the stall; want one, after the stall", len(res.Samples), err,
			arrived, time.Duration(answered-w.End))
	}
	if length := time.Duration(w.End - w.Begin); length < stallTime {
		t.Errorf("stalled for %v, want %v", length, stallTime)
	}
}

// Of 2000 requests in 2 s, 200 wait for up to 200 ms, so the true P99 is the 20th
// longest wait.
func TestP99s(t *testing.T) {
	start := time.Unix(1000, 0)
	run := watchedRun{start: start}
	for i := range 2000 {
		run.Samples = append(run.Samples, load.Sample{Planned: time.Duration(i) * millis, Latency: time.Duration(i) * millis})
	}
	begin := start.Add(900 * millis)
	measured, trueP99 := p99s(run, []stallWindow{{begin.UnixNano(), begin.Add(200 * millis).UnixNano()}})
	if measured != 1979 || trueP99 != 180 {
		t.Errorf("P99 measured %v, true %v; want 1979 and 180", measured, trueP99)
	}
}

func TestStalledFigure(t *testing.T) {
	goal := judge.Goal{Compare: judge.AtMost, Number: .01}
	runs := func(undisturbed int, p99s ...float64) []stalledRun {
		var out []stalledRun
		for _, p := range p99s {
			out = append(out, stalledRun{p99: p, trueP99: 180, shortest: 200, longest: 200, undisturbed: undisturbed, blocks: 4})
		}
		return out
	}
	for _, tt := range []struct {
		name string
		runs []stalledRun
		want judge.Status
	}{
		{"good, with one bad run", runs(4, 180, 179, 300, 181, 180), judge.OK},
		{"too low", runs(4, 140, 179, 141, 142, 180), judge.FallsShort},
		{"bad on a busy machine", runs(1, 190, 190, 190, 190, 190), judge.Undecided},
		{"good on a busy machine", runs(1, 180, 180, 180, 190, 190), judge.OK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if f := stalledFigure(tt.runs); f.Status(goal) != tt.want {
				t.Errorf("%v (%v %v), want %v", f.Status(goal), f.Value, f.Detail, tt.want)
			}
		})
	}
}

// watched is a run with one block of 500 ms for each letter; f is a disturbed one.
func watched(letters string) watchedRun {
	var w watchedRun
	for i, l := range letters {
		b := sweep.Disturbance{From: time.Duration(i) * disturbanceBlock, To: time.Duration(i+1) * disturbanceBlock}
		if l == 'f' {
			b.Foreign = 1
		} else {
			w.undisturbed++
		}
		w.blocks = append(w.blocks, b)
	}
	return w
}

func TestGapVariation(t *testing.T) {
	arrive := func(gap func(i int) time.Duration) (out []time.Duration) {
		for i, at := 0, time.Duration(0); at < 3*time.Second; i++ {
			out = append(out, at)
			at += gap(i)
		}
		return out
	}
	uneven := func(i int) time.Duration { return time.Duration(5+10*(i%2)) * millis } // mean 10, sd 5
	for _, tt := range []struct {
		name     string
		blocks   string
		arrivals []time.Duration
		want     float64
	}{
		{"even", "......", arrive(func(int) time.Duration { return 10 * millis }), 0},
		{"uneven", "......", arrive(uneven), .5},
		{"uneven in a disturbed block", ".....f", arrive(func(i int) time.Duration {
			if i > 250 {
				return uneven(i)
			}
			return 10 * millis
		}), 0},
		{"too few undisturbed blocks: all are used", "..ffff", arrive(uneven), .5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cv, _ := observedRun{watchedRun: watched(tt.blocks), arrivals: tt.arrivals}.gapVariation()
			if math.Abs(cv-tt.want) > .01 {
				t.Errorf("cv %v, want %v", cv, tt.want)
			}
		})
	}
	if got := rateOf([]time.Duration{0, 10 * millis, 30 * millis}); math.Abs(got-200.0/3) > 1e-9 {
		t.Errorf("rate %v, want 66.7", got)
	}
}

func TestOnTimeRates(t *testing.T) {
	w := watched(".f....")
	for i := range 250 { // 10 ms apart, until 2.5 s
		s := load.Sample{Planned: time.Duration(i) * 10 * millis}
		if i < 10 {
			s.Lag = 2 * millis
		}
		w.Samples = append(w.Samples, s)
	}
	if d := cmp.Diff([]float64{80, 100, 100, 100}, w.onTimeRates(2500*millis)); d != "" {
		t.Errorf("rates (-want +got):\n%s", d)
	}
}

func TestWrk2Requests(t *testing.T) {
	const output = "Running 2s test @ http://127.0.0.1:1/work\n  1 threads and 32 connections\n  9996 requests in 2.00s, 390.47KB read\n"
	if n, err := wrk2Requests([]byte(output)); n != 9996 || err != nil {
		t.Errorf("%d, %v; want 9996", n, err)
	}
	if _, err := wrk2Requests([]byte("unable to connect")); err == nil {
		t.Error("no error without a number of requests")
	}
}

func TestCostRatio(t *testing.T) {
	goal := judge.Goal{Compare: judge.AtMost, Number: 1.2}
	c := cost{ours: []float64{60, 61, 90}, wrk2: []float64{60, 59, 60}, undisturbed: 6, blocks: 12}
	if f := c.ratio("x"); f.Status(goal) != judge.OK || math.Abs(f.Value-61./60) > 1e-9 {
		t.Errorf("%v %v, want ok and the ratio of medians", f.Value, f.Status(goal))
	}
	c.undisturbed = 5
	if f := c.ratio("x"); f.Status(goal) != judge.Undecided {
		t.Errorf("on a busy machine %v, want undecided", f.Status(goal))
	}
}
