package python

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"sweetspot/engine"
	"sweetspot/engine/cores"
	"sweetspot/engine/knob"
)

// coresOf returns the cores of every thread of a process; those of the threads must be equal.
func coresOf(t *testing.T, pid int) []int {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("the threads of %d: %v", pid, err)
	}
	var all []int
	for i, e := range threads {
		tid, err := strconv.Atoi(e.Name())
		var set unix.CPUSet
		if err == nil {
			err = unix.SchedGetaffinity(tid, &set)
		}
		if err != nil {
			t.Fatal(err)
		}
		var one []int
		for c := range len(set) * 64 {
			if set.IsSet(c) {
				one = append(one, c)
			}
		}
		if i > 0 && !cmp.Equal(one, all) {
			t.Errorf("a thread of %d has the cores %v, another one %v", pid, one, all)
		}
		all = one
	}
	return all
}

// Pinned workers run on cores of their own. Those of a worker that ends are used again, also after a change of the option.
func TestPin(t *testing.T) {
	allowed, err := cores.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	if len(allowed) < 2 {
		t.Skip("needs two cores")
	}
	b, m := peerBackend(t), peerModel(t, "good.py", "a: b\n")
	open := func(pin bool, threads int) engine.Session {
		t.Helper()
		c := settings(1, 1)
		c.Pin, c.Threads = pin, threads
		s, err := b.Open(t.Context(), m, c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	check := func(s engine.Session, want []int) {
		t.Helper()
		if got := coresOf(t, s.(*session).PID()); !cmp.Equal(got, want) {
			t.Errorf("the worker has the cores %v, want %v", got, want)
		}
	}
	first, second, free := open(true, 1), open(true, 1), open(false, 1)
	check(first, allowed[:1])
	check(second, allowed[1:2])
	check(free, allowed)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(true, 1)
	check(again, allowed[:1])
	for _, s := range []engine.Session{second, free, again} {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	two := open(true, 2)
	check(two, allowed[:2])
	if err := two.Close(); err != nil {
		t.Error(err)
	}
	if got := b.pins.Threads(allowed[0]) + b.pins.Threads(allowed[1]); got != 0 {
		t.Errorf("%d threads are pinned after the end of all workers", got)
	}
}

// More pinned threads than cores are refused.
func TestPinTooMany(t *testing.T) {
	allowed, err := cores.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	c := settings(len(allowed)+1, 1)
	c.Options = knob.Options{Rule: knob.Eager, Pin: true}
	want := fmt.Sprintf("options: pin: %d workers of 1 threads need %[1]d cores, and this process may use %d", len(allowed)+1, min(8, len(allowed)))
	if err := peerBackend(t).Check(nil, c); err == nil || err.Error() != want {
		t.Errorf("%v, want %q", err, want)
	}
}
