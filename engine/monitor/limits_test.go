package monitor

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func tree(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

const (
	v2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
	v1Mount = "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)

func TestLimits(t *testing.T) {
	memory := Of(16e9)
	cases := []struct {
		name  string
		cores int
		files map[string]string
		want  Container
	}{
		{"bare machine", 8, nil, Container{8, Reading{}, memory}},
		{"v2 container", 8, map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/cpu.max": "150000 100000\n", "sys/fs/cgroup/memory.max": "2000000000\n",
		}, Container{2, Of(1.5), Of(2e9)}},
		{"v2 without limits", 8, map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/memory.max": "max\n",
		}, Container{8, Reading{}, memory}},
		{"v2 limit of a parent", 8, map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/b/cpu.max": "600000 100000", "sys/fs/cgroup/a/cpu.max": "300000 100000",
			"sys/fs/cgroup/a/b/memory.max": "1000000000", "sys/fs/cgroup/a/memory.max": "3000000000",
		}, Container{3, Of(3), Of(1e9)}},
		{"v1 container that sees a part", 8, map[string]string{
			"proc/self/cgroup": "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n",
			"proc/self/mountinfo": strings.ReplaceAll(v1Mount, "0:27 / ", "0:27 /docker/x ") +
				"garbage\n1 2 - x\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":           "50000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":          "100000\n",
			"sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes":  "500000000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":           "9223372036854771712\n",
			"sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us":  "1\n", // not what is mounted
			"sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
		}, Container{1, Of(.5), Of(5e8)}},
		{"v1 without limits", 2, map[string]string{
			"proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/\n", "proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
		}, Container{2, Reading{}, memory}},
		{"quota above the cores, limit above the memory", 2, map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/cpu.max": "800000 100000", "sys/fs/cgroup/memory.max": "64000000000",
		}, Container{2, Of(8), memory}},
		{"group outside of what is mounted", 4, map[string]string{
			"proc/self/cgroup": "0::/../../other\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/cpu.max": "100000 100000",
		}, Container{1, Of(1), memory}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := limits(tree(c.files), c.cores, memory)
			if d := cmp.Diff(c.want, got, exactly()); d != "" {
				t.Errorf("limits (-want +got):\n%s", d)
			}
		})
	}
}

func TestLimitsOfThisMachine(t *testing.T) {
	c := Limits()
	if m, ok := c.MemoryBytes.Get(); c.Cores < 1 || !ok || m < 1<<20 {
		t.Errorf("Limits = %+v", c)
	}
}

func FuzzLimits(f *testing.F) {
	f.Add("0::/a/b\n4:cpu,memory:/x", v2Mount+v1Mount, "150000 100000", "2000000000")
	f.Add("0::/../../..", v2Mount, "max 100000", "max")
	f.Add("1:cpu:relative", v1Mount, "1e309 1", "-1")
	f.Fuzz(func(t *testing.T, cgroup, mounts, quota, limit string) {
		files := map[string]string{
			"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts,
			"sys/fs/cgroup/cpu.max": quota, "sys/fs/cgroup/memory.max": limit,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": limit,
		}
		c := limits(tree(files), 4, Of(16e9))
		m, ok := c.MemoryBytes.Get()
		if c.Cores < 1 || c.Cores > 4 || !ok || m <= 0 || m > 16e9 {
			t.Errorf("limits = %+v", c)
		}
	})
}
