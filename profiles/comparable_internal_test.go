package profiles

import (
	"testing"

	"sweetspot/sweep/trial"
)

// A machine without GPUs is known to have none; of a remote one only what its server reports is known.
func TestGPUs(t *testing.T) {
	one := []GPU{{Name: "A", MemoryMB: trial.NumOf(4096)}}
	for _, c := range []struct {
		name string
		m    Machine
		want string
	}{
		{"local, none", Machine{}, orNone("")},
		{"local", Machine{GPUs: one}, "A 4096 MB"},
		{"remote, not reported", Machine{Remote: "host"}, notKnown},
		{"remote, reported", Machine{Remote: "host", GPUs: one}, "A 4096 MB"},
	} {
		if got := gpus(c.m); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
