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

// Container is what this process may use of the machine.
type Container struct {
	Cores       int     // at least 1: cores it may run on, or its quota rounded up
	Quota       Reading // cores' worth of CPU time; n/a without a quota
	MemoryBytes Reading // its limit, else the machine's memory
}

// Limits reads what the container, or the machine without one, leaves this
// process. It knows CPU affinity and cgroups v1 and v2 with all their parents. A
// program asks once, when it starts, and hands on what it was told: this is the
// one place that counts the cores.
func Limits() Container {
	return limits(os.DirFS("/"), runtime.NumCPU(), machineMemory())
}

func limits(root fs.FS, cores int, memory Reading) Container {
	c := Container{Cores: max(cores, 1), MemoryBytes: memory}
	for _, g := range groups(root) {
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

// group is a directory with the files of one control group.
type group struct {
	dir string // below the root, without leading slash
	v1  bool
}

func (g group) cpu(root fs.FS) Reading {
	if g.v1 {
		return parseQuota(read(root, g.dir, "cpu.cfs_quota_us") + " " + read(root, g.dir, "cpu.cfs_period_us"))
	}
	return parseQuota(read(root, g.dir, "cpu.max"))
}

func (g group) memory(root fs.FS) Reading {
	if g.v1 {
		return parseLimit(read(root, g.dir, "memory.limit_in_bytes"))
	}
	return parseLimit(read(root, g.dir, "memory.max"))
}

// read is a file's text, "" when there is none: not every group has every file.
func read(root fs.FS, dir, name string) string {
	b, err := fs.ReadFile(root, path.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// parseQuota reads "QUOTA PERIOD" in microseconds, as cores' worth of time. No
// quota is max in v2 and -1 in v1.
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

// parseLimit reads a number of bytes. No limit is max in v2 and, in v1, the
// largest number of whole pages.
func parseLimit(s string) Reading {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n >= 1<<62 {
		return Reading{}
	}
	return Of(float64(n))
}

// groups are the control groups this process is in, each with its parents: the
// smallest limit on the way up is the one that holds.
func groups(root fs.FS) []group {
	own := parseGroups(read(root, "proc/self", "cgroup"))
	var out []group
	for _, m := range parseMounts(read(root, "proc/self", "mountinfo")) {
		for _, controller := range m.controllers {
			at, ok := own[controller]
			if !ok {
				continue
			}
			// Seen from inside a container the mount may show only a part.
			rel, ok := strings.CutPrefix(at, strings.TrimSuffix(m.root, "/"))
			if !ok {
				rel = "/"
			}
			top := strings.Trim(path.Clean(m.point), "/")
			for dir := path.Clean("/" + rel); ; dir = path.Dir(dir) {
				out = append(out, group{dir: path.Join(top, dir), v1: controller != ""})
				if dir == "/" {
					break
				}
			}
		}
	}
	return out
}

// parseGroups reads /proc/self/cgroup: the group of each v1 controller, and
// under "" that of v2.
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
	root, point string   // what of the hierarchy is mounted, and where
	controllers []string // of those we need; "" is v2
}

// parseMounts reads the control groups among the lines of /proc/self/mountinfo:
// numbers, root, mount point and options, a dash, then type, source, options.
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
