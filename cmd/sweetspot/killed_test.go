package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// hang is the time after which a test gives up waiting. It is long enough for the slowest
// machine.
const hang = 5 * time.Minute

// cmdKilled runs a sweep, kills it with SIGKILL once its profile has the given number of
// trials, and fails if its engine child keeps running:
//
//	killed 2 results/profile.jsonl sweetspot --sweep --out results
func cmdKilled(ts *testscript.TestScript, neg bool, args []string) {
	cmd, _, _ := startUntil(ts, neg, args)
	children := childrenOf(cmd.Process.Pid)
	if len(children) == 0 {
		ts.Fatalf("the sweep has no engine child")
	}
	ts.Check(cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	deadline := time.Now().Add(hang)
	for _, pid := range children {
		for alive(pid) {
			if time.Now().After(deadline) {
				ts.Fatalf("the engine child %d still runs after the end of its parent", pid)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// cmdCrashed runs a sweep and crashes its engine child with SIGSEGV once the profile has the
// given number of trials. The output of the sweep is stdout and stderr of the script.
func cmdCrashed(ts *testscript.TestScript, neg bool, args []string) {
	cmd, stdout, stderr := startUntil(ts, neg, args)
	for _, pid := range childrenOf(cmd.Process.Pid) {
		ts.Check(syscall.Kill(pid, syscall.SIGSEGV))
	}
	err := cmd.Wait()
	_, _ = ts.Stdout().Write(stdout.Bytes())
	_, _ = ts.Stderr().Write(stderr.Bytes())
	ts.Check(err)
}

// startUntil starts args[2:] and returns once the profile args[1] has args[0] trials.
func startUntil(ts *testscript.TestScript, neg bool, args []string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: TRIALS PROFILE command...")
	}
	trials, err := strconv.Atoi(args[0])
	ts.Check(err)
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	cmd = exec.Command(path, args[3:]...)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), stdout, stderr
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_STATE_HOME="+ts.Getenv("XDG_STATE_HOME"),
		"SWEETSPOT_ONNXRUNTIME="+ts.Getenv("SWEETSPOT_ONNXRUNTIME"))
	ts.Check(cmd.Start())
	ts.Defer(func() { _ = cmd.Process.Kill() })
	deadline := time.Now().Add(hang)
	for {
		data, _ := os.ReadFile(ts.MkAbs(args[1]))
		if bytes.Count(data, []byte(`{"t":"trial"`)) >= trials {
			return cmd, stdout, stderr
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no %d trials; the profile is %.200s", trials, data)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cmdListen listens on a free loopback port until the script ends, and sets the variable with
// the given name to its number.
func cmdListen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listen VARIABLE")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// childrenOf returns the processes whose parent is pid.
func childrenOf(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var pids []int
	for _, path := range stats {
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if _, parent := procStat(child); parent == pid {
			pids = append(pids, child)
		}
	}
	return pids
}

// alive reports whether a process runs. A zombie does not run.
func alive(pid int) bool {
	state, _ := procStat(pid)
	return state != "" && state != "Z"
}

// procStat reads the state and the parent of a process; the state is "" if there is none.
func procStat(pid int) (state string, parent int) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0
	}
	_, rest, _ := strings.Cut(string(data), ") ") // the name may have blanks
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}
