package monitor

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Container has the limits of this process.
type Container struct {
	Cores       int     // at least 1: the cores of its affinity mask, or its quota rounded up if that is less
	Quota       Reading // CPU quota in cores; n/a without a quota
	MemoryBytes Reading // memory limit, else the memory of the machine
}

// Limits reads the limits of the container or, without one, of the machine. It supports CPU
// affinity and cgroups v1 and v2 with all their parents. A program should call it once at its
// start and pass the result on.
func Limits() Container {
	return limits(os.DirFS("/"), runtime.NumCPU(), machineMemory())
}

func limits(root fs.FS, cores int, memory Reading) Container {
	c := Container{Cores: max(cores, 1), MemoryBytes: memory}
	for _, g := range controlGroups(root) {
		if v, ok := g.cpu(root).Get(); ok && v < c.Quota.or(math.Inf(1)) {
			c.Quota = Of(v)
		}
		if v, ok := g.memory(root).Get(); ok && v < c.MemoryBytes.or(math.Inf(1)) {
			c.MemoryBytes = Of(v)
		}
	}
	if q, ok := c.Quota.Get(); ok && math.Ceil(q) < float64(c.Cores) {
		c.Cores = max(int(math.Ceil(q)), 1)
	}
	return c
}

func (r Reading) or(d float64) float64 {
	if r.ok {
		return r.v
	}
	return d
}

// controlGroup is the directory of one control group.
type controlGroup struct {
	dir string // relative to the root
	v1  bool
}

func (g controlGroup) cpu(root fs.FS) Reading {
	if g.v1 {
		return parseQuota(read(root, g.dir, "cpu.cfs_quota_us") + " " + read(root, g.dir, "cpu.cfs_period_us"))
	}
	return parseQuota(read(root, g.dir, "cpu.max"))
}

func (g controlGroup) memory(root fs.FS) Reading {
	if g.v1 {
		return parseLimit(read(root, g.dir, "memory.limit_in_bytes"))
	}
	return parseLimit(read(root, g.dir, "memory.max"))
}

// read returns the text of a file, or "" if there is none: not every group has every file.
func read(root fs.FS, dir, name string) string {
	b, err := fs.ReadFile(root, path.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// parseQuota parses "QUOTA PERIOD" in microseconds and returns cores. No quota is max in v2
// and -1 in v1.
func parseQuota(s string) Reading {
	f := strings.Fields(s)
	if len(f) != 2 {
		return Reading{}
	}
	quota, err1 := strconv.ParseFloat(f[0], 64)
	period, err2 := strconv.ParseFloat(f[1], 64)
	if err1 != nil || err2 != nil || !(quota > 0) || !(period > 0) {
		return Reading{}
	}
	return Of(quota / period)
}

// parseLimit parses a number of bytes. No limit is max in v2 and, in v1, a very large number.
func parseLimit(s string) Reading {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n >= 1<<62 {
		return Reading{}
	}
	return Of(float64(n))
}

// controlGroups returns the control groups of this process, each with its parents: the smallest
// limit of all is the effective one.
func controlGroups(root fs.FS) []controlGroup {
	own := parseGroups(read(root, "proc/self", "cgroup"))
	var out []controlGroup
	for _, m := range parseMounts(read(root, "proc/self", "mountinfo")) {
		for _, controller := range m.controllers {
			at, ok := own[controller]
			if !ok {
				continue
			}
			// Inside a container the mount may contain only a part of the hierarchy.
			rel, ok := strings.CutPrefix(at, strings.TrimSuffix(m.root, "/"))
			if !ok {
				rel = "/"
			}
			top := strings.Trim(path.Clean(m.point), "/")
			for dir := path.Clean("/" + rel); ; dir = path.Dir(dir) {
				out = append(out, controlGroup{dir: path.Join(top, dir), v1: controller != ""})
				if dir == "/" {
					break
				}
			}
		}
	}
	return out
}

// parseGroups parses /proc/self/cgroup: the group of each v1 controller, and the v2 group for
// "".
func parseGroups(s string) map[string]string {
	out := map[string]string{}
	for line := range strings.SplitSeq(s, "\n") {
		f := strings.SplitN(line, ":", 3)
		if len(f) != 3 {
			continue
		}
		for c := range strings.SplitSeq(f[1], ",") {
			out[c] = f[2]
		}
	}
	return out
}

// mount is a mounted hierarchy of control groups.
type mount struct {
	root, point string   // the mounted part of the hierarchy, and the mount point
	controllers []string // cpu, memory or "" for v2
}

// parseMounts parses the control groups in /proc/self/mountinfo. A line has numbers, root,
// mount point and options, a dash, then type, source and options.
func parseMounts(s string) []mount {
	var out []mount
	for line := range strings.SplitSeq(s, "\n") {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		m := mount{root: l[3], point: l[4]}
		switch r[0] {
		case "cgroup2":
			m.controllers = []string{""}
		case "cgroup":
			for c := range strings.SplitSeq(r[2], ",") {
				if c == "cpu" || c == "memory" {
					m.controllers = append(m.controllers, c)
				}
			}
		}
		if len(m.controllers) > 0 {
			out = append(out, m)
		}
	}
	return out
}
