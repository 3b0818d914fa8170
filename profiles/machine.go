package profiles

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math"
	"math/bits"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"sweetspot/sweep/trial"
)

// Machine describes the machine of a profile without identifying it. Two profiles are
// comparable if their classes are equal. Of a remote machine, which is only reached over
// the network, usually only Remote is known.
type Machine struct {
	Class    string    `json:"class"` // "sha256:..."; see Complete
	OS       string    `json:"os,omitempty"`
	Arch     string    `json:"arch,omitempty"`
	CPU      string    `json:"cpu,omitempty"`     // model name
	Cores    int       `json:"cores,omitempty"`   // of the container
	MemoryMB trial.Num `json:"memory_mb"`         // of the container
	GPUs     []GPU     `json:"gpus,omitzero"`     // nil is not known
	Runtime  string    `json:"runtime,omitempty"` // "onnxruntime 1.27.0 cpu"
	// Remote distinguishes remote machines without naming them; it is "" for the machine
	// on which sweetspot runs.
	Remote string `json:"remote,omitempty"`
}

// RemoteMachine returns a machine of which only the address is known. The profile has a hash
// of the address, not the address.
func RemoteMachine(address string) Machine {
	sum := sha256.Sum256([]byte(address))
	return Machine{Remote: hex.EncodeToString(sum[:4])}
}

// GPU describes one graphics processor, without its serial number.
type GPU struct {
	Name     string    `json:"name"`
	MemoryMB trial.Num `json:"memory_mb"`
}

// ReadMachine describes the local machine. root is its file system, os.DirFS("/"), and
// cores is the number of cores that the container may use. The memory is at most the
// limit of the container (cgroup v1 or v2). Values that the system does not report are
// left empty. The caller adds GPUs and Runtime.
func ReadMachine(root fs.FS, cores int) Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuModel(root), Cores: cores}
	g := readCgroup(root)
	bytes, ok := totalMemory(root)
	if limit, limited := g.memoryLimit(root); limited && (!ok || limit < bytes) {
		bytes, ok = limit, true
	}
	if ok {
		m.MemoryMB = trial.NumOf(math.Round(bytes / 1e6))
	}
	return m
}

// Complete returns m with its class. The list of GPUs of the local machine is not nil, which would
// mean that the GPUs are not known; those of a remote machine may be unknown.
func (m Machine) Complete() Machine {
	m.Class = m.class()
	if m.GPUs == nil && m.Remote == "" {
		m.GPUs = []GPU{}
	}
	return m
}

// class returns a hash of the properties that affect measurements. Memory is rounded to
// 1/8 of a power of two, because kernels reserve different amounts for themselves.
func (m Machine) class() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%d\n", m.CPU, m.Cores, roundMemory(int(m.MemoryMB.Or(0))))
	for _, g := range m.GPUs {
		fmt.Fprintf(&b, "%s %d\n", g.Name, roundMemory(int(g.MemoryMB.Or(0))))
	}
	b.WriteString(m.Runtime)
	if m.Remote != "" {
		b.WriteString("\nremote " + m.Remote)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func roundMemory(mb int) int {
	step := 1 << max(0, bits.Len(uint(max(mb, 0)))-4)
	return (mb + step/2) / step * step
}

// cpuModel returns the name of the processor; on ARM, which has no name there, its numbers.
func cpuModel(root fs.FS) string {
	fields := map[string]string{}
	for line := range strings.Lines(read(root, "proc/cpuinfo")) {
		key, value, _ := strings.Cut(line, ":")
		key = strings.TrimSpace(key)
		if _, ok := fields[key]; !ok {
			fields[key] = strings.Join(strings.Fields(value), " ")
		}
	}
	if name := fields["model name"]; name != "" {
		return name
	}
	if part := fields["CPU part"]; part != "" {
		return fmt.Sprintf("implementer %s part %s", fields["CPU implementer"], part)
	}
	return "unknown"
}

func totalMemory(root fs.FS) (bytes float64, ok bool) {
	for line := range strings.Lines(read(root, "proc/meminfo")) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemTotal:" {
			kb, ok := number(f[1])
			return kb * 1024, ok
		}
	}
	return 0, false
}

// cgroup has the paths of the control groups of this process.
type cgroup struct {
	unified string            // v2 path, "" without one
	v1      map[string]string // controller -> path
}

func readCgroup(root fs.FS) cgroup {
	g := cgroup{v1: map[string]string{}}
	for line := range strings.Lines(read(root, "proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 {
			continue
		}
		dir := path.Join("/", f[2])
		if f[1] == "" {
			g.unified = dir
		}
		for name := range strings.SplitSeq(f[1], ",") {
			g.v1[name] = dir
		}
	}
	return g
}

// memoryLimit returns the memory limit in bytes, if there is one.
func (g cgroup) memoryLimit(root fs.FS) (float64, bool) {
	v2, ok2 := lowestLimit(g.unified, "sys/fs/cgroup", func(dir string) (float64, bool) {
		return number(read(root, dir+"/memory.max"))
	})
	v1, ok1 := lowestLimit(g.v1["memory"], "sys/fs/cgroup/memory", func(dir string) (float64, bool) {
		return number(read(root, dir+"/memory.limit_in_bytes"))
	})
	return lower(v1, ok1, v2, ok2)
}

// lowestLimit returns the lowest limit of the group and its parents, up to the root of the
// mount. In a container the group may be a path of the host that does not exist; then
// only the root has a limit.
func lowestLimit(group, mount string, limit func(dir string) (float64, bool)) (best float64, found bool) {
	dirs := []string{"/"}
	for p := path.Join("/", group); p != "/"; p = path.Dir(p) {
		dirs = append(dirs, p)
	}
	for _, d := range slices.Backward(dirs) {
		v, ok := limit(strings.TrimSuffix(mount+d, "/"))
		best, found = lower(best, found, v, ok)
	}
	return best, found
}

// lower returns the lower of two limits, of which one or both may not exist.
func lower(a float64, okA bool, b float64, okB bool) (float64, bool) {
	switch {
	case okA && okB:
		return min(a, b), true
	case okA:
		return a, true
	}
	return b, okB
}

// number parses a positive number; "max", -1 and an empty text are no limit.
func number(text string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return v, err == nil && v > 0
}

// read returns the text of a file, or "" if it cannot be read.
func read(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(b)
}
