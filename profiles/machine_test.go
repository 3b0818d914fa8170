package profiles_test

import (
	"os"
	"runtime"
	"testing"
	"testing/fstest"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

func TestReadMachine(t *testing.T) {
	const x86 = "processor\t: 0\nmodel name\t: Fast  CPU\nprocessor\t: 1\nmodel name\t: Other\n"
	const memory = "MemTotal:       16000000 kB\nMemFree: 1 kB\n"
	tests := []struct {
		name  string
		files map[string]string
		cpu   string
		mb    string
	}{
		{"nothing", nil, "unknown", "n/a"},
		{"plain", map[string]string{"proc/cpuinfo": x86, "proc/meminfo": memory}, "Fast CPU", "16384"},
		{"arm", map[string]string{"proc/cpuinfo": "CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"}, "implementer 0x41 part 0xd0c", "n/a"},
		{"v2 of a container", map[string]string{
			"proc/meminfo": memory, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "2000000000\n",
		}, "unknown", "2000"},
		{"v2, a parent has a lower limit", map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "3000000000\n",
		}, "unknown", "3000"},
		{"v1", map[string]string{
			"proc/meminfo": memory, "proc/self/cgroup": "3:cpu,cpuacct:/docker/x\n2:memory:/docker/x\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000000000\n",
		}, "unknown", "1000"},
		{"v1 without limits", map[string]string{
			"proc/meminfo": memory, "proc/self/cgroup": "3:cpu:/\n2:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, "unknown", "16384"},
		{"another group", map[string]string{"proc/meminfo": memory, "proc/self/cgroup": "0::/../x\nodd\n"}, "unknown", "16384"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range c.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			m := profiles.ReadMachine(root, 8)
			if m.CPU != c.cpu || m.Cores != 8 || m.MemoryMB.Text(0) != c.mb {
				t.Errorf("ReadMachine = %q, %d cores, %s MB, want %q, 8, %s", m.CPU, m.Cores, m.MemoryMB.Text(0), c.cpu, c.mb)
			}
		})
	}
	if m := profiles.ReadMachine(os.DirFS("/"), 3); m.Cores != 3 || m.OS != runtime.GOOS {
		t.Errorf("this machine: %+v", m)
	}
}

// TestClass: a small difference of memory does not change the class; another core or
// runtime does.
func TestClass(t *testing.T) {
	class := func(change func(*profiles.Machine)) string {
		h := header("a")
		change(&h.Machine)
		path := profiles.Path(newDir(t), "a")
		w, err := profiles.Create(path, h, profiles.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return read(t, path).Header.Machine.Class
	}
	base := class(func(*profiles.Machine) {})
	if got := class(func(m *profiles.Machine) { m.MemoryMB = trial.NumOf(24100) }); got != base {
		t.Error("a difference of 100 MB of 24000 changes the class")
	}
	for name, change := range map[string]func(*profiles.Machine){
		"cores":   func(m *profiles.Machine) { m.Cores = 4 },
		"memory":  func(m *profiles.Machine) { m.MemoryMB = trial.NumOf(32000) },
		"GPU":     func(m *profiles.Machine) { m.GPUs = []profiles.GPU{{Name: "H200"}} },
		"runtime": func(m *profiles.Machine) { m.Runtime = "other" },
		"CPU":     func(m *profiles.Machine) { m.CPU = "other" },
	} {
		if class(change) == base {
			t.Errorf("another %s does not change the class", name)
		}
	}
}
