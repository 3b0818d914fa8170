package onnx

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/cores"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// threadCores returns the cores of each thread of this process that are in force.
func threadCores(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	allowed := regexp.MustCompile(`(?m)^Cpus_allowed_list:\s*(\S+)$`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has just ended
		}
		if m := allowed.FindSubmatch(b); m != nil {
			out[f] = string(m[1])
		}
	}
	return out
}

// waitPinned waits until want threads have been pinned to a core since before. The runtime's
// threads pin themselves after they have started.
func waitPinned(t *testing.T, before map[string]string, core string, want int) {
	t.Helper()
	n := 0
	for range 300 { // a guard
		n = 0
		for thread, cores := range threadCores(t) {
			if cores == core && before[thread] != core {
				n++
			}
		}
		if n == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("%d more threads on core %s, want %d", n, core, want)
}

// TestPinnedThreads checks the cores that the system has in force for the threads of sessions.
func TestPinnedThreads(t *testing.T) {
	all, err := cores.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		t.Skip("one core: no group differs from it")
	}
	m := layers(t, 3, 32, 32)
	items := samples(m, 4)
	want := singles(t, open(t, m, config(4)), items)
	c := config(4)
	c.Pin, c.Workers, c.Threads = true, 2, 1
	b := backend(t)
	for i := range 2 {
		before := threadCores(t)
		s, err := b.Open(t.Context(), m, c)
		if err != nil {
			t.Fatal(err)
		}
		for k, got := range run(t, s, items...) {
			if !same(got, want[k]) {
				t.Errorf("item %d differs", k)
			}
		}
		waitPinned(t, before, fmt.Sprint(all[i]), 1)
		defer s.Close() //nolint:errcheck // the cores of the next one differ while it is open
	}
}

// TestPinnedPool checks that the runtime's own threads are pinned too, and that the cores are free at the end.
func TestPinnedPool(t *testing.T) {
	all, err := cores.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		t.Skip("one core: no group differs from it")
	}
	last := all[len(all)-1]
	core := fmt.Sprint(last)
	before := threadCores(t)
	c := config(1)
	c.Pin, c.Threads = true, 2
	m := layers(t, 3, 32, 32)
	p, err := newPlan(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := backend(t)
	s := newSession(p, c, b.log)
	// Two threads on one core: a machine with two cores has no group of two that differs from all.
	if s.pinned, err = startPinned([]int{last, last}); err != nil {
		t.Fatal(err)
	}
	s.pins = &cores.Pins{}
	s.pins.Take([]int{last, last}, 2)
	if err := b.loadSession(s, m, c, ""); err != nil {
		t.Fatal(err)
	}
	waitPinned(t, before, core, 2) // the caller's and the runtime's
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := s.pins.Threads(last); n != 0 {
		t.Errorf("%d threads are still counted", n)
	}
}

func TestPinRefuses(t *testing.T) {
	b := &Backend{cores: 1}
	for want, change := range map[string]func(*knob.Config){
		"2 workers of 1 threads need 2 cores, and this process may use 1": func(c *knob.Config) { c.Workers = 2 },
		"has no cores of its own":            func(c *knob.Config) { c.Session = "shared" },
		"cannot pin the threads of inter_op": func(c *knob.Config) { c.InterOp = 2 },
	} {
		c := config(1)
		c.Pin, c.Workers, c.Threads = true, 1, 1
		change(&c)
		if err := b.checkSettings(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	c := config(1)
	c.Pin, c.Workers, c.Threads, c.Session = true, 1, 1, "own"
	if err := b.checkSettings(c); err != nil {
		t.Error(err)
	}
	if isShared(c) {
		t.Error("a pinned session is shared")
	}
}

// TestPinnedPanic checks that a panic on the session's thread is the caller's, and that the thread
// runs the next batch.
func TestPinnedPanic(t *testing.T) {
	all, err := cores.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	p, err := startPinned(all[:1])
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	func() {
		defer func() {
			if got := recover(); got != "broken" {
				t.Errorf("recovered %v", got)
			}
		}()
		_ = p.call(func(*state, []payload.Row, []payload.Result) error { panic("broken") }, nil, nil, nil)
	}()
	if err := p.call(func(*state, []payload.Row, []payload.Result) error { return context.Canceled }, nil, nil, nil); err != context.Canceled {
		t.Errorf("the run after it: %v", err)
	}
}
