package main

import "testing"

func TestParseRollup(t *testing.T) {
	const text = "00400000-7fff ---p 00000000 00:00 0    [rollup]\nRss:                1604 kB\nPss:                 703 kB\nPss_Dirty:           100 kB\n"
	if v, ok := parseRollup([]byte(text)); !ok || v != 703*1024 {
		t.Errorf("%v, %v; want 703 kB", v, ok)
	}
	for _, bad := range []string{"", "Rss: 1 kB\n", "Pss: -1 kB\n", "Pss: 12\n", "Pss: many kB\n"} {
		if v, ok := parseRollup([]byte(bad)); ok {
			t.Errorf("%q is %v, want unknown", bad, v)
		}
	}
}

func FuzzRollup(f *testing.F) {
	f.Add([]byte("Pss:                 703 kB\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, ok := parseRollup(text); ok && v < 0 {
			t.Errorf("%v bytes", v)
		}
	})
}
