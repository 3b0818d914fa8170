package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdKilled runs a sweep, kills it with SIGKILL once its profile holds the given
// number of trials, and fails if its engine child lives on:
//
//	killed 2 results/profile.jsonl sweetspot --sweep --out results
func cmdKilled(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: killed TRIALS PROFILE command...")
	}
	trials, err := strconv.Atoi(args[0])
	ts.Check(err)
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	cmd := exec.Command(path, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "SWEETSPOT_ONNXRUNTIME="+ts.Getenv("SWEETSPOT_ONNXRUNTIME"))
	ts.Check(cmd.Start())
	defer cmd.Process.Kill() //nolint:errcheck // already dead when all is well
	deadline := time.Now().Add(time.Minute)
	for {
		data, _ := os.ReadFile(ts.MkAbs(args[1]))
		if bytes.Count(data, []byte(`{"t":"trial"`)) >= trials {
			break
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no %d trials within a minute; the profile holds %.200s", trials, data)
		}
		time.Sleep(20 * time.Millisecond)
	}
	children := childrenOf(cmd.Process.Pid)
	if len(children) == 0 {
		ts.Fatalf("the sweep has no engine child")
	}
	ts.Check(cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	for _, pid := range children {
		for alive(pid) {
			if time.Now().After(deadline) {
				ts.Fatalf("the engine child %d outlived its parent", pid)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var pids []int
	for _, path := range stats {
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if _, parent := stat(child); parent == pid {
			pids = append(pids, child)
		}
	}
	return pids
}

// alive tells whether a process runs; one that only waits to be reaped does not.
func alive(pid int) bool {
	state, _ := stat(pid)
	return state != "" && state != "Z"
}

// stat reads a process's state and parent; "" when there is none.
func stat(pid int) (state string, parent int) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0
	}
	_, rest, _ := strings.Cut(string(data), ") ") // the name may hold blanks
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}
