package load_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep/load"
)

func TestPlanConstant(t *testing.T) {
	plan := load.Plan(open(1000), 7, 10*time.Second, 0)
	if len(plan) != 10000 {
		t.Fatalf("%d requests at 1000/s for 10 s, want 10000", len(plan))
	}
	if plan[0] < 0 || plan[0] >= time.Millisecond {
		t.Errorf("phase %v, want below a gap of 1 ms", plan[0])
	}
	for i, at := range plan {
		if off := at - plan[0] - time.Duration(i)*time.Millisecond; off < -1 || off > 1 {
			t.Fatalf("request %d is %v off its place, want at most 1 ns", i, off)
		}
	}
	if other := load.Plan(open(1000), 8, time.Second, 0); other[0] == plan[0] {
		t.Error("two seeds start at the same phase")
	}
}

// A ramp plans as many requests as the integral of its rate.
func TestPlanRamp(t *testing.T) {
	for _, s := range []load.Spec{ramp(10, 100, 30*time.Second), ramp(100, 10, 30*time.Second), ramp(1000, 1000, 2*time.Second), ramp(.001, 2000, time.Second)} {
		plan := load.Plan(s, 7, time.Hour, 0)
		if total := (s.From + s.To) / 2 * s.Over.Seconds(); math.Abs(float64(len(plan))-total) > 1 {
			t.Errorf("%v: %d requests, want %g", s, len(plan), total)
		}
		for i, at := range plan {
			x := at.Seconds()
			due := s.From*x + (s.To-s.From)/s.Over.Seconds()*x*x/2
			if off := due - float64(i); at < 0 || at >= s.Over || off < 0 || off > 1 {
				t.Fatalf("%v: request %d is at %v, when %.3f are due", s, i, at, due)
			}
		}
		if half := load.Plan(s, 7, s.Over/2, 0); !slices.Equal(half, plan[:len(half)]) || half[len(half)-1] >= s.Over/2 {
			t.Errorf("%v: the plan of its first half differs", s)
		}
		if some := load.Plan(s, 7, time.Hour, 10); !slices.Equal(some, plan[:10]) {
			t.Errorf("%v: the plan of its first 10 requests differs", s)
		}
	}
}

// A Poisson ramp has about as many requests in each half as the integral of its rate.
func TestPlanRampPoisson(t *testing.T) {
	s := ramp(1000, 3000, 100*time.Second)
	s.Arrivals = load.Poisson
	plan := load.Plan(s, 7, time.Hour, 0)
	half, _ := slices.BinarySearch(plan, 50*time.Second)
	for _, c := range []struct{ got, want float64 }{{float64(half), 75_000}, {float64(len(plan) - half), 125_000}} {
		if math.Abs(c.got-c.want) > 4*math.Sqrt(c.want) {
			t.Errorf("%g requests in a half, want %g within 4 deviations", c.got, c.want)
		}
	}
	if !slices.IsSorted(plan) {
		t.Error("the plan is not in order")
	}
}

func TestPlanPoisson(t *testing.T) {
	s := load.Spec{Mode: load.Open, Rate: 1000, Arrivals: load.Poisson}
	plan := load.Plan(s, 7, 100*time.Second, 0)
	if n := float64(len(plan)); math.Abs(n-100_000) > 4*math.Sqrt(100_000) {
		t.Errorf("%g requests, want 100000 within 4 deviations", n)
	}
	if !slices.IsSorted(plan) || plan[len(plan)-1] >= 100*time.Second {
		t.Error("want ascending times below the limit")
	}
	// Exponential intervals: the standard deviation is the mean, and e^-1 are above it.
	var sum, squares, above float64
	for i := 1; i < len(plan); i++ {
		g := (plan[i] - plan[i-1]).Seconds() * 1000
		sum, squares = sum+g, squares+g*g
		if g > 1 {
			above++
		}
	}
	n := float64(len(plan) - 1)
	cv := math.Sqrt(squares/n-sum/n*sum/n) / (sum / n)
	if math.Abs(cv-1) > .02 || math.Abs(above/n-math.Exp(-1)) > .01 {
		t.Errorf("intervals have a coefficient of variation of %.3f, %.3f above the mean, want 1 and .368", cv, above/n)
	}
}

func TestPlanBounds(t *testing.T) {
	s := load.Spec{Mode: load.Open, Rate: 50, Arrivals: load.Poisson}
	full := load.Plan(s, 3, 4*time.Second, 0)
	if d := cmp.Diff(full, load.Plan(s, 3, 4*time.Second, 0)); d != "" {
		t.Errorf("the same seed gave another plan:\n%s", d)
	}
	if d := cmp.Diff(full[:20], load.Plan(s, 3, 4*time.Second, 20)); d != "" {
		t.Errorf("at most 20 (-start of the full plan +got):\n%s", d)
	}
	if got := load.Plan(s, 3, 0, 0); got[len(got)-1] < 50*time.Second || got[len(got)-1] >= time.Minute {
		t.Errorf("without a limit it ends at %v, want just below 60 s", got[len(got)-1])
	}
	for _, none := range []load.Spec{closed(3), ramp(0, 1, time.Second), ramp(1, 1, 0), {Mode: load.Trace, File: "x"}, open(0), open(-1), open(math.NaN())} {
		if got := load.Plan(none, 1, time.Second, 0); got != nil {
			t.Errorf("Plan(%v) = %d times, want none", none, len(got))
		}
	}
}

func TestParseTrace(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name, text string
		want       []time.Duration
	}{
		{"seconds", "0\n0.0125\n.5\n.5\n", []time.Duration{0, 12500 * time.Microsecond, 500 * ms, 500 * ms}},
		{"named, from later on", "seconds\r\n100\r\n102\r\n", []time.Duration{0, 2 * time.Second}},
		{"ms", "# from the log\n\nms\n0\n1.5\n1e3", []time.Duration{0, 1500 * time.Microsecond, time.Second}},
		{"a day", "0\n86400", []time.Duration{0, 24 * time.Hour}},
	}
	for _, c := range tests {
		got, err := load.ParseTrace(strings.NewReader(c.text))
		if d := cmp.Diff(c.want, got); err != nil || d != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", c.name, err, d)
		}
	}
}

func TestParseTraceErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "no requests: want one offset in seconds per line"},
		{"head only", "ms\n# nothing\n", "no requests"},
		{"word", "1\nsoon\n", `line 2: offset "soon": want a number such as 0.25`},
		{"late head", "1\nms\n", `line 2: offset "ms"`},
		{"two heads", "ms\nseconds\n1\n", `line 2: offset "seconds"`},
		{"two columns", "1,2\n", `line 1: "1,2": want one column of offsets`},
		{"falling", "# a\n2\n1.5\n", "line 3: 1.5 is below the previous offset: want ascending offsets"},
		{"negative", "-1\n", "line 1: offset -1: want 0 to 24h0m0s"},
		{"epoch", "1763806500.25\n", "line 1: offset 1763806500.25: want 0 to 24h0m0s"},
		{"not a number", "NaN\n", "line 1: offset NaN"},
		{"infinite", "1\nInf\n", "line 2: offset Inf"},
		{"long line", "1\n" + strings.Repeat("2", 70000), "line 2: bufio.Scanner: token too long"},
	}
	for _, c := range tests {
		if _, err := load.ParseTrace(strings.NewReader(c.text)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: ParseTrace = %v, want %q", c.name, err, c.want)
		}
	}
}

// TestIdentify checks that a trace is identified by its bytes, and that a changed file is an
// error.
func TestIdentify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("100\n120.5\n")
	named := load.Spec{Mode: load.Trace, File: path}
	first, err := load.Identify(named)
	if err != nil || first.Over != 20500*time.Millisecond || len(first.SHA256) != 64 {
		t.Fatalf("Identify = %+v, %v", first, err)
	}
	if again, err := load.Identify(first); err != nil || again != first {
		t.Errorf("Identify again = %+v, %v, want the same", again, err)
	}
	write("100\n110\n120.5\n") // as long
	if other, err := load.Identify(named); err != nil || other == first || other.Over != first.Over {
		t.Errorf("another trace of that name = %+v, %v, want it to differ from %+v in its hash", other, err, first)
	}
	const want = "the file has changed"
	if _, err := load.Identify(first); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Identify of a file that changed = %v, want %q", err, want)
	}
	if _, err := load.ReadTrace(first); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("ReadTrace of a file that changed = %v, want %q", err, want)
	}
	if got, err := load.Identify(open(3)); err != nil || got != open(3) {
		t.Errorf("Identify of an open load = %+v, %v, want it unchanged", got, err)
	}
}

func FuzzParseTrace(f *testing.F) {
	for _, s := range []string{"0\n1\n", "ms\n1.5\n", "seconds\n# x\n\n2e-3\n", "1,2", "-0", "0x1p-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plan, err := load.ParseTrace(strings.NewReader(text))
		if err != nil {
			if plan != nil || err.Error() != "no requests: want one offset in seconds per line" && !strings.HasPrefix(err.Error(), "line ") {
				t.Fatalf("ParseTrace(%q) = %v, %v, want a line and no plan", text, plan, err)
			}
			return
		}
		// An accepted plan round-trips through nanoseconds.
		var b strings.Builder
		for _, at := range plan {
			fmt.Fprintf(&b, "%d.%09d\n", at/time.Second, at%time.Second)
		}
		again, err := load.ParseTrace(strings.NewReader(b.String()))
		if d := cmp.Diff(plan, again); err != nil || d != "" {
			t.Errorf("%q written out: %v (-first +again):\n%s", text, err, d)
		}
		if !slices.IsSorted(plan) || plan[0] != 0 {
			t.Errorf("ParseTrace(%q) = %v, want ascending from 0", text, plan)
		}
	})
}
