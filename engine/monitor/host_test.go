package monitor

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exactly lets cmp compare Readings.
func exactly() cmp.Option { return cmp.AllowUnexported(Reading{}) }

func at(seconds float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestBetween(t *testing.T) {
	proc := func(cpu float64) process {
		return process{cpu: time.Duration(cpu * float64(time.Second)), rss: Of(100), peak: Of(200), started: 7}
	}
	a := counters{at: at(0), process: proc(1), machine: machine{10, 1, 1, 100}, hasMachine: true}
	host := func(cpu, busy, irq, steal Reading) Host {
		return Host{
			At: at(2), CPUPercent: cpu, RSSBytes: Of(100), PeakRSSBytes: Of(200),
			BusyPercent: busy, IRQPercent: irq, StealPercent: steal,
		}
	}
	reborn := proc(5)
	reborn.started = 8
	cases := []struct {
		name string
		b    counters
		want Host
	}{
		{"two busy cores", counters{at: at(2), process: proc(5), machine: machine{60, 6, 6, 200}, hasMachine: true}, host(Of(200), Of(50), Of(5), Of(5))},
		{"idle is 0 and not n/a", counters{at: at(2), process: proc(1), machine: machine{10, 1, 1, 200}, hasMachine: true}, host(Of(0), Of(0), Of(0), Of(0))},
		{"no machine", counters{at: at(2), process: proc(1)}, host(Of(0), Reading{}, Reading{}, Reading{})},
		{"another process", counters{at: at(2), process: reborn}, host(Reading{}, Reading{}, Reading{}, Reading{})},
		{"time ran backwards", counters{at: at(2), process: proc(.5), machine: machine{5, 0, 1, 200}, hasMachine: true}, host(Reading{}, Of(0), Of(0), Of(0))},
		{"gone", counters{at: at(2), err: errEnded}, Host{At: at(2), Reason: "the process has ended"}},
		{"too soon", counters{at: at(.05), process: proc(9)}, Host{At: at(.05), RSSBytes: Of(100), PeakRSSBytes: Of(200)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, usageBetween(a, c.b), exactly()); d != "" {
				t.Errorf("usageBetween (-want +got):\n%s", d)
			}
		})
	}
}

// Samples in quick succession do not shorten the interval of the next sample.
func TestSamplerKeepsInterval(t *testing.T) {
	s := NewSampler(1)
	feed := func(sec, cpu float64) Reading {
		return s.next(counters{at: at(sec), process: process{cpu: time.Duration(cpu * 1e9)}}).CPUPercent
	}
	steps := []struct {
		sec, cpu float64
		want     Reading
	}{{0, 1, Reading{}}, {.06, 1.06, Reading{}}, {.12, 1.12, Of(100)}, {1.12, 1.62, Of(50)}}
	for _, st := range steps {
		got := feed(st.sec, st.cpu)
		v, ok := got.Get()
		want, wantOK := st.want.Get()
		if ok != wantOK || math.Abs(v-want) > 1e-6 {
			t.Errorf("at %gs: %v, want %v", st.sec, got, st.want)
		}
	}
}

func TestSamplerReadsThisProcess(t *testing.T) {
	s := NewSampler(os.Getpid())
	s.Sample()
	for begin := s.last.process.cpu; s.read(time.Now()).process.cpu-begin < 20*time.Millisecond || time.Since(s.last.at) < minInterval; {
		// burn CPU time until the kernel has counted it
	}
	h := s.Sample()
	if h.Reason != "" {
		t.Fatal(h.Reason)
	}
	if v, ok := h.CPUPercent.Get(); !ok || v <= 0 {
		t.Errorf("CPU %v, want more than 0", h.CPUPercent)
	}
	rss, ok := h.RSSBytes.Get()
	if !ok || rss < 1<<20 {
		t.Errorf("RSS %v, want above 1 MB", h.RSSBytes)
	}
	if busy, ok := h.BusyPercent.Get(); !ok || busy <= 0 || busy > 100 {
		t.Errorf("machine %v, want 0-100", h.BusyPercent)
	}
}

func TestSamplerOfAnEndedProcess(t *testing.T) {
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	h := NewSampler(c.Process.Pid).Sample()
	if h.Reason != "the process has ended" || h.RSSBytes != (Reading{}) {
		t.Errorf("sample of an ended process: %+v", h)
	}
}

func TestReadingJSON(t *testing.T) {
	type pair struct{ A, B Reading }
	in := pair{A: Of(1.5)}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"A":1.5,"B":null}` {
		t.Fatalf("Marshal = %s, %v", b, err)
	}
	out := pair{B: Of(3)}
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("Unmarshal = %+v, %v", out, err)
	}
	if json.Unmarshal([]byte(`"x"`), &out.A) == nil {
		t.Error("a string is no reading")
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if Of(v) != (Reading{}) {
			t.Errorf("Of(%g) is a figure", v)
		}
	}
	if got := Of(12.4).String() + " " + (Reading{}).String(); got != "12 n/a" {
		t.Errorf("String = %q", got)
	}
}
