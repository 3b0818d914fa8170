package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/cmd/bench/judge"
	rules "sweetspot/engine/batching"
	"sweetspot/engine/monitor"
	"sweetspot/sweep/load"
)

// TestMain makes the test binary usable as the processes that sets start.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && commands()[os.Args[1]] != nil || len(os.Args) > 2 && argCommands()[os.Args[1]] != nil {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// tiny is too short for valid figures, but long enough to run all of the code. Its
// limit never applies, because go test has one.
var tiny = budget{"tests", time.Hour, 4, 4, 10 * time.Millisecond, 64}

// measure runs a set with the tiny budget and returns what it printed.
func measure(t *testing.T, name string) string {
	t.Helper()
	sets, err := findSets([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	e := &env{self: self, budget: tiny, seed: 1, cores: monitor.Limits().Cores, report: judge.NewReport(&out, goals(), false), stderr: t.Output()}
	if err := errors.Join(e.measure(t.Context(), sets), e.report.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCommand(t *testing.T) {
	var names, listed []string
	for _, b := range benches() {
		names, listed = append(names, b.name), append(listed, fmt.Sprintf("%-17s %s\n", b.name, b.about))
	}
	for _, tt := range []struct {
		name string
		args string
		code int
		out  string
		err  string // its beginning
	}{
		{"list", "list", 0, strings.Join(listed, ""), ""},
		{"nothing", "", 1, "", "bench: nothing to measure; name a set, such as: bench overhead, or see: bench list\n"},
		{"misspelt", "batching overhed", 1, "", "bench: \"overhed\": no set of figures of that name; did you mean overhead?\n"},
		{"unknown", "-full -json zebra", 1, "", "bench: \"zebra\": no set of figures of that name; known: " + strings.Join(names, ", ") + "\n"},
		{"both modes", "overhead -quick -full", 1, "", "bench: -quick and -full exclude each other; leave one out\n"},
		{"no parts", "overhead -only cnn", 1, "", "bench: -only cnn: overhead has no parts that can be measured alone\n"},
		{"part unknown", "carry -only cnn,mpl", 1, "", "bench: -only: carry has no part \"mpl\"; it has: mlp, cnn\n"},
		{"flag unknown", "overhead -fast", 1, "", "flag provided but not defined: -fast\n"},
		{"help", "-h", 0, "", "usage: bench NAME..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs strings.Builder
			code := run(t.Context(), strings.Fields(tt.args), strings.NewReader(""), &out, &errs)
			if code != tt.code || out.String() != tt.out || !strings.HasPrefix(errs.String(), tt.err) {
				t.Errorf("code %d, out %q, err %q; want %d, %q, %q...", code, out.String(), errs.String(), tt.code, tt.out, tt.err)
			}
		})
	}
}

func TestParse(t *testing.T) {
	got, err := parse(strings.Fields("batching -full overhead -json -seed 9"), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	want := options{names: []string{"batching", "overhead"}, full: true, json: true, seed: 9}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(options{})); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

func TestListJSON(t *testing.T) {
	var out strings.Builder
	if code := run(t.Context(), []string{"list", "-json"}, nil, &out, t.Output()); code != 0 {
		t.Fatalf("code %d", code)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || len(got) != len(benches()) {
		t.Errorf("%q: %v; want %d sets", out.String(), err, len(benches()))
	}
}

func TestLimit(t *testing.T) {
	e := &env{budget: budget{limit: time.Nanosecond}}
	blocked := bench{name: "blocked", run: func(ctx context.Context, _ *env) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	err := e.runWithLimit(t.Context(), blocked)
	if err == nil || !strings.HasPrefix(err.Error(), "not done after 1ns: ") {
		t.Errorf("error %v", err)
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	e := &env{self: "/dev/null", stderr: io.Discard}
	if _, err := startServer(t.Context(), e); err == nil || !strings.HasPrefix(err.Error(), "start server: ") {
		t.Errorf("error %v", err)
	}
}

// The server exits without an error when its stdin ends.
func TestServerEndsWithStdin(t *testing.T) {
	in, parent := io.Pipe()
	read, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- runOverheadServer(t.Context(), in, out) }()
	var a addrs
	if err := json.NewDecoder(read).Decode(&a); err != nil {
		t.Fatal(err)
	}
	if _, err := send(t.Context(), a.Predict, modelWait, 256, 2, time.Second, 10); err != nil {
		t.Error(err)
	}
	_, err := send(t.Context(), a.Predict, "no-such-model", 256, 1, time.Second, 3)
	if err == nil || !strings.HasPrefix(err.Error(), "no-such-model: 3 of 3 requests failed: status map[404:3]") {
		t.Errorf("error %v", err)
	}
	if err := parent.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestBatchMean(t *testing.T) {
	var f batchMean
	f.add([]load.Sample{{Batch: 3}, {Batch: 3}, {Batch: 3}, {Batch: 1}, {Batch: 0}}) // two batches, and an empty handler
	if got := f.mean(); math.Abs(got-2) > 1e-9 {
		t.Errorf("mean batch %v, want 2", got)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		in   []time.Duration
		want float64
	}{
		{nil, 0},
		{[]time.Duration{5000}, 5},
		{[]time.Duration{9000, 1000, 4000}, 4},
		{[]time.Duration{9000, 1000, 4000, 2000}, 2}, // rank ceil(n/2)
	} {
		if got := medianUS(tt.in); got != tt.want {
			t.Errorf("median of %v = %v, want %v", tt.in, got, tt.want)
		}
	}
}

// A batch of b takes b+2 steps of the worker and b steps of the next requests.
func TestStepper(t *testing.T) {
	for _, rule := range []rules.Rule{rules.Eager, rules.TorchServe} {
		s := newStepper(rules.Config{Rule: rule, Size: 8, Delay: time.Millisecond})
		before := s.steps
		s.run(100)
		if got, want := s.steps-before, int64(100*(8+2+8)); got != want || s.col.Queued() != 16 || s.col.Open() != 0 {
			t.Errorf("rule %d: %d steps, want %d; %d queued, want 16; %d open, want 0", rule, got, want, s.col.Queued(), s.col.Open())
		}
	}
}
