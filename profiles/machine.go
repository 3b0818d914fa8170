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

// Machine is where a profile was measured, without saying which machine it was.
// Two profiles compare fairly when their classes are equal. Of one that is not this
// one, which is only asked over the network, there is little more than Remote.
type Machine struct {
	Class    string    `json:"class"` // "sha256:..."; see Complete
	OS       string    `json:"os"`
	Arch     string    `json:"arch"`
	CPU      string    `json:"cpu"`       // model name
	Cores    int       `json:"cores"`     // the container's
	MemoryMB trial.Num `json:"memory_mb"` // the container's
	GPUs     []GPU     `json:"gpus"`
	Runtime  string    `json:"runtime"` // "onnxruntime 1.27.0 cpu"
	// Remote tells machines that are not this one apart without naming them; "" is
	// this one.
	Remote string `json:"remote,omitempty"`
}

// RemoteMachine is a machine that is known by its address only, which a profile does
// not tell.
func RemoteMachine(address string) Machine {
	sum := sha256.Sum256([]byte(address))
	return Machine{Remote: hex.EncodeToString(sum[:4])}
}

// GPU is one graphics processor, without its serial.
type GPU struct {
	Name     string    `json:"name"`
	MemoryMB trial.Num `json:"memory_mb"`
}

// ReadMachine describes this machine from its file system, os.DirFS("/"), and
// the number of cores that the container gives. A limit of the container (cgroup
// v1 and v2) narrows the memory. GPUs and Runtime are the caller's to add; what
// the system does not tell stays empty.
func ReadMachine(root fs.FS, cores int) Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuModel(root), Cores: cores}
	g := readGroup(root)
	bytes, ok := totalMemory(root)
	if limit, limited := g.memory(root); limited && (!ok || limit < bytes) {
		bytes, ok = limit, true
	}
	if ok {
		m.MemoryMB = trial.NumOf(math.Round(bytes / 1e6))
	}
	return m
}

// Complete returns m with its class, and with a list of GPUs even if there are
// none: null would read as unknown.
func (m Machine) Complete() Machine {
	m.Class = m.class()
	if m.GPUs == nil {
		m.GPUs = []GPU{}
	}
	return m
}

// class hashes what makes two machines measure alike. Memory counts to an eighth
// of its power of two: kernels keep a little more or less for themselves.
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

// cpuModel is the processor's name; on ARM, which gives none, its numbers.
func cpuModel(root fs.FS) string {
	fields := map[string]string{}
	for line := range strings.Lines(read(root, "proc/cpuinfo")) {
		key, value, _ := strings.Cut(line, ":")
		key = strings.TrimSpace(key)
		if _, again := fields[key]; !again {
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

// group is this process's place in the trees of control groups.
type group struct {
	unified string            // v2 path, "" without one
	v1      map[string]string // controller -> path
}

func readGroup(root fs.FS) group {
	g := group{v1: map[string]string{}}
	for line := range strings.Lines(read(root, "proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 {
			continue
		}
		where := path.Join("/", f[2])
		if f[1] == "" {
			g.unified = where
		}
		for name := range strings.SplitSeq(f[1], ",") {
			g.v1[name] = where
		}
	}
	return g
}

// memory is the memory limit in bytes, if there is one.
func (g group) memory(root fs.FS) (float64, bool) {
	v2, ok2 := tightest(g.unified, "sys/fs/cgroup", func(dir string) (float64, bool) {
		return number(read(root, dir+"/memory.max"))
	})
	v1, ok1 := tightest(g.v1["memory"], "sys/fs/cgroup/memory", func(dir string) (float64, bool) {
		return number(read(root, dir+"/memory.limit_in_bytes"))
	})
	return tighter(v1, ok1, v2, ok2)
}

// tightest is the smallest limit at where and its parents up to the mount. Inside
// a container the path may be the host's and not exist: the mount's root counts.
func tightest(where, mount string, limit func(dir string) (float64, bool)) (best float64, found bool) {
	dirs := []string{"/"}
	for p := path.Join("/", where); p != "/"; p = path.Dir(p) {
		dirs = append(dirs, p)
	}
	for _, d := range slices.Backward(dirs) {
		v, ok := limit(strings.TrimSuffix(mount+d, "/"))
		best, found = tighter(best, found, v, ok)
	}
	return best, found
}

func tighter(a float64, okA bool, b float64, okB bool) (float64, bool) {
	switch {
	case okA && okB:
		return min(a, b), true
	case okA:
		return a, true
	}
	return b, okB
}

// number reads a positive number; "max", -1 and nothing are no limit.
func number(text string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return v, err == nil && v > 0
}

// read returns a file's text, or "" when it cannot be read.
func read(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(b)
}
