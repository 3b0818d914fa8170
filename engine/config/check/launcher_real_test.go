package check_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sweetspot/engine/config/check"
	"sweetspot/engine/torchservetest"
)

// TestRealTorchServeLauncher runs PyTorch's launcher as TorchServe does at its start, to see whether
// it takes cpu_launcher_args, and compares with the report: whether it starts, and whether a model
// of one worker gets several processes.
func TestRealTorchServeLauncher(t *testing.T) {
	python := filepath.Join(torchservetest.Find(t), "bin", "python")
	for _, args := range []string{ // numactl may not be installed
		"--disable_numactl",
		"--ncores_per_instance 1 --ninstances 1 --disable_numactl",
		"--ncores_per_instance=1 --ninstances=1 --disable_numactl",
		"--ncores 1 --nin 1 --disable_numactl",
		"--ncores_per_instance 1 --disable_numactl",
		"--use_logical_core --disable_numactl --disable_iomp --enable_tcmalloc",
		"--disable_numactl --cores 1",
		"--disable_numactl --disable",
		"--disable_numactl  --use_logical_core",
		"--disable_numactl --ncores_per_instance two",
		"--disable_numactl --use_logical_core=yes",
	} {
		r, err := check.Run("config.properties", []byte("cpu_launcher_enable=true\ncpu_launcher_args="+args+"\n"), check.Options{})
		if err != nil {
			t.Fatal(err)
		}
		report := r.Lines()
		words := append([]string{"-m", "torch.backends.xeon.run_cpu"}, strings.Split(args, " ")...)
		cmd := exec.CommandContext(t.Context(), python, append(words, "--no_python", "hostname")...)
		cmd.Dir = t.TempDir() // an older one wants an empty folder for its logs
		out, err := cmd.CombinedOutput()
		if refused := strings.Contains(report, "starts the workers without the launcher"); refused != (err != nil) {
			t.Errorf("%s: %v: %s\nand the report says:\n%s", args, err, out, report)
		}
		if err != nil {
			continue
		}
		processes := strings.Count(string(out), "]:")
		if several := strings.Contains(report, "for a model of one worker"); several != (processes > 1) && runtime.NumCPU() > 1 {
			t.Errorf("%s: %d processes: %s\nand the report says:\n%s", args, processes, out, report)
		}
	}
}
