package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"sweetspot/cmd/bench/judge"
)

// leftovers finds what the processes of a set leave on the machine after their end. Their temporary files are in a
// folder of their own, by whose name in the environment the processes are recognized.
type leftovers struct {
	folder   string
	ports    []string // addresses at which the server listened
	segments []string // shared memory that the server had mapped
}

func newLeftovers() (*leftovers, error) {
	dir, err := os.MkdirTemp("", "sweetspot-bench-soak-")
	return &leftovers{folder: dir}, err
}

// environ is the environment of the processes.
func (l *leftovers) environ() []string { return append(os.Environ(), "TMPDIR="+l.folder) }

// watch notes what the server holds now.
func (l *leftovers) watch(srv *modelServer) {
	l.ports = []string{srv.Predict, srv.Management, srv.Measure}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", srv.cmd.Process.Pid))
	if err != nil {
		return // not on Linux; segments are then unknown, see addFigures
	}
	for line := range strings.Lines(string(maps)) {
		if _, path, ok := strings.Cut(strings.TrimSpace(line), " /dev/shm/"); ok {
			l.segments = append(l.segments, filepath.Join("/dev/shm", path))
		}
	}
}

// addFigures adds what is left. The processes have some time to end after their parent.
func (l *leftovers) addFigures(e *env) {
	processes := l.processes()
	for deadline := time.Now().Add(soakReleaseTime); processes > 0 && time.Now().Before(deadline); processes = l.processes() {
		time.Sleep(100 * time.Millisecond)
	}
	segments := math.NaN()
	if runtime.GOOS == "linux" {
		segments = 0
		for _, path := range l.segments {
			if _, err := os.Stat(path); err == nil {
				segments++
			}
		}
	}
	for _, f := range []struct {
		name   string
		n      float64
		detail string
	}{
		{"processes", processes, "children and their children, after the end of the server and of the sweeps"},
		{"files", l.files(), "in the folder of temporary files that only they had"},
		{"segments", segments, fmt.Sprintf("of shared memory; the server had mapped %d", len(l.segments))},
		{"ports", l.taken(), fmt.Sprintf("of its %d that cannot be listened on again", len(l.ports))},
	} {
		e.report.Add(judge.Figure{Name: "soak.left." + f.name, Value: f.n, Unit: "count", Detail: f.detail})
	}
}

// processes counts the processes with the folder in their environment; NaN where that cannot be read.
func (l *leftovers) processes() float64 {
	if runtime.GOOS != "linux" {
		return math.NaN()
	}
	environs, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is valid
	n := 0.
	for _, path := range environs {
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte("TMPDIR="+l.folder+"\x00")) {
			n++
		}
	}
	return n
}

// files counts the files in the folder; NaN if it cannot be read.
func (l *leftovers) files() float64 {
	n := -1. // the folder itself
	err := filepath.WalkDir(l.folder, func(string, fs.DirEntry, error) error {
		n++
		return nil
	})
	if err != nil {
		return math.NaN()
	}
	return n
}

// taken counts the ports on which nobody can listen again.
func (l *leftovers) taken() (n float64) {
	for _, address := range l.ports {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			n++
			continue
		}
		_ = listener.Close()
	}
	return n
}

func (l *leftovers) remove() error { return os.RemoveAll(l.folder) }
