package monitor

import (
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	rest := " S 1 2 3 0 -1 4194304 101 0 0 0 250 50 30 20 20 0 1 0 87626 3133440 390"
	cases := []struct {
		name, in string
		cpu      time.Duration
		started  uint64
		bad      string
	}{
		{"plain", "7223 (cat)" + rest, 3 * time.Second, 87626, ""},
		{"evil name", "7223 (a) R 9 (b)" + rest, 3 * time.Second, 87626, ""},
		{"empty", "", 0, 0, "0 fields"},
		{"cut", "7223 (cat) S 1 2", 0, 0, "3 fields"},
		{"no number", "7223 (cat)" + strings.Replace(rest, "250", "x", 1), 0, 0, "field 14"},
		{"negative", "7223 (cat)" + strings.Replace(rest, " 50 ", " -50 ", 1), 0, 0, "field 15"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cpu, waited, started, err := parseStat([]byte(c.in))
			if c.bad != "" {
				if err == nil || !strings.Contains(err.Error(), c.bad) {
					t.Fatalf("parseStat: error %v, want one with %q", err, c.bad)
				}
				return
			}
			if err != nil || cpu != c.cpu || waited != 500*time.Millisecond || started != c.started {
				t.Errorf("parseStat = %v, %v, %d, %v; want %v, 500ms, %d", cpu, waited, started, err, c.cpu, c.started)
			}
		})
	}
}

func TestParseStatus(t *testing.T) {
	rss, peak := parseStatus([]byte("Name:\tcat\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"))
	if rss != Of(1<<20) || peak != Of(2<<20) {
		t.Errorf("rss %v, peak %v", rss, peak)
	}
	for _, in := range []string{"", "Name:\tzombie\nState:\tZ", "VmRSS: 12", "VmRSS: -1 kB", "VmRSS: 99999999999999999999 kB"} {
		if rss, _ := parseStatus([]byte(in)); rss != (Reading{}) {
			t.Errorf("parseStatus(%q) = %v, want n/a", in, rss)
		}
	}
}

func TestParseMachine(t *testing.T) {
	m, err := parseMachine([]byte("cpu  100 1 20 1000 30 2 3 40 7 8\ncpu0 1 2 3\n"))
	if want := (machine{busy: 126, irq: 5, steal: 40, total: 1196}); err != nil || m != want {
		t.Errorf("parseMachine = %+v, %v; want %+v", m, err, want)
	}
	if m, err := parseMachine([]byte("cpu 1 2 3 4")); err != nil || m.total != 10 {
		t.Errorf("an old kernel's line: %+v, %v", m, err)
	}
	for _, in := range []string{"", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3", "cpu 1 2 3 x 5"} {
		if _, err := parseMachine([]byte(in)); err == nil {
			t.Errorf("parseMachine(%q) gave no error", in)
		}
	}
}

func TestParseMemory(t *testing.T) {
	if got := parseMemory([]byte("MemTotal:       24000000 kB\nMemFree: 1 kB\n")); got != Of(24e6*1024) {
		t.Errorf("parseMemory = %v", got)
	}
	if got := parseMemory([]byte("MemFree: 1 kB")); got != (Reading{}) {
		t.Errorf("parseMemory without a total = %v, want n/a", got)
	}
}

func FuzzProcfs(f *testing.F) {
	f.Add([]byte("7223 (cat) S 1 2 3 0 -1 4194304 101 0 0 0 18446744073709551615 5 0 0 20 0 1 0 87626 3133440 390"))
	f.Add([]byte("cpu  5144 0 2570 166426 456 0 63 25 0 0\n"))
	f.Add([]byte("VmRSS:\t 1732 kB\nVmHWM:\t 1 kB\nMemTotal: 3 kB"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if cpu, waited, _, err := parseStat(b); err == nil && (cpu < 0 || waited < 0) {
			t.Errorf("negative CPU time %v, %v", cpu, waited)
		}
		if m, err := parseMachine(b); err == nil && m.busy+m.steal > m.total*(1+1e-9) {
			t.Errorf("more busy than there is time: %+v", m)
		}
		rss, peak := parseStatus(b)
		for _, r := range []Reading{rss, peak, parseMemory(b)} {
			if v, ok := r.Get(); ok && v < 0 {
				t.Errorf("negative memory %g", v)
			}
		}
	})
}
