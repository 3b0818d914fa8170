package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"sweetspot/engine/cores"
)

// TestRealTorchServePythonPinned serves a handler with pinned workers: each, with all its threads, has a core of its own, and so has the one
// that replaces a worker that was killed.
func TestRealTorchServePythonPinned(t *testing.T) {
	store := pythonStore(t)
	allowed, err := cores.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	if len(allowed) < 2 {
		t.Skip("needs two cores")
	}
	url, management := startServer(t, filepath.Join(store, "precision"), "--disable-token-auth", "--workers", "2", "--pin")
	want := []string{fmt.Sprint(allowed[:1]), fmt.Sprint(allowed[1:2])}
	check := func() []int {
		t.Helper()
		pids := waitWorkers(t, management, "precision", 2)
		for range pids { // torch starts its threads with the first batch
			predictOnce(t, url+"/predictions/precision", "application/json", []byte("[1, 2, 3, 4]"))
		}
		var got []string
		for _, pid := range pids {
			got = append(got, threadCores(t, pid)...)
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("the threads of the workers have the cores %v, want %v", got, want)
		}
		return pids
	}
	pids := check()
	if err := unix.Kill(pids[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for slices.Contains(workersOf(t, management, "precision"), pids[0]) && t.Context().Err() == nil {
	}
	check()
}

// threadCores returns the cores of each thread of a process.
func threadCores(t *testing.T, pid int) []string {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range threads {
		tid, err := strconv.Atoi(e.Name())
		var set unix.CPUSet
		if err == nil {
			err = unix.SchedGetaffinity(tid, &set)
		}
		if err != nil {
			t.Fatal(err)
		}
		var of []int
		for c := range len(set) * 64 {
			if set.IsSet(c) {
				of = append(of, c)
			}
		}
		out = append(out, fmt.Sprint(of))
	}
	return out
}
