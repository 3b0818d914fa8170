package config

import (
	"strings"
	"testing"
)

// TestReadLauncher reads options as PyTorch's launcher does: - and _, abbreviations, = and blanks.
func TestReadLauncher(t *testing.T) {
	for _, tc := range []struct {
		text  string
		cores int
		wrong string // in the last argument
		list  string // the names
	}{
		{"", 0, "", ""},
		{"--ncores_per_instance 3", 3, "", "ncores_per_instance"},
		{"--ncores-per-instance=3 --disable-numactl", 3, "", "ncores_per_instance disable_numactl"},
		{"--ncores 3", 3, "", "ncores_per_instance"},
		{"--ncores_per_instance 3 --ncores_per_instance 2", 2, "", "ncores_per_instance ncores_per_instance"},
		{"--ncores_per_instance 3 --latency_mode", 4, "", "ncores_per_instance latency_mode"},
		{"--ncores_per_instance -1", 0, "", "ncores_per_instance"},
		{"--core_list 0,1 --node_id 0", 0, "", "core_list node_id"},
		{"--disable_numactl --cores 2", 0, "is no option", "disable_numactl "},
		{"--disable", 0, "is no option", ""},
		{"--", 0, "is no option", ""},
		{"-m x", 0, "is no option", "module "},
		{"ncores_per_instance 3", 0, "is no option", ""},
		{"--ncores_per_instance", 0, "has no value", "ncores_per_instance"},
		{"--ncores_per_instance --disable_iomp", 0, "has no value", "ncores_per_instance"},
		{"--ncores_per_instance two", 0, "needs a whole number", "ncores_per_instance"},
		{"--disable_iomp=yes", 0, "takes no value", "disable_iomp"},
	} {
		args := readLauncher(tc.text)
		var names []string
		wrong := ""
		for _, a := range args {
			names, wrong = append(names, a.name), a.wrong
		}
		if got := strings.Join(names, " "); got != tc.list || launcherCores(args) != tc.cores || !strings.Contains(wrong, tc.wrong) || (tc.wrong == "") != (wrong == "") {
			t.Errorf("%q: %q, %d cores, %q", tc.text, got, launcherCores(args), wrong)
		}
	}
}

// TestUnusedLauncher checks what serve says at its start: each option that does nothing, with the
// reason, and nothing if the launcher is off.
func TestUnusedLauncher(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{
			"cpu_launcher_enable=true\ncpu_launcher_args=--ncores_per_instance 2 --ninstances 1 --disable_numactl\n",
			"c:2: cpu_launcher_args: --ninstances is ignored: the number of workers of the model decides\nc:2: cpu_launcher_args: --disable_numactl is ignored: no other program is started",
		},
		{"cpu_launcher_enable=true\ncpu_launcher_args=--latency_mode\n", ""},
		{"cpu_launcher_args=--disable_numactl\n", ""},
	} {
		f, err := Parse("c", []byte(tc.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(f.Unused(), "\n"); got != tc.want {
			t.Errorf("%q:\n%s\nwant\n%s", tc.text, got, tc.want)
		}
	}
}
