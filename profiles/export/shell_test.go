package export_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/config"
	"sweetspot/profiles/export"
)

// stub writes a program with this name to the folder. It writes its arguments, the
// environment variables of the scripts, and its input files to the folder.
func stub(t *testing.T, dir, name string) {
	t.Helper()
	text := "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"$OUT/args\"\n" +
		"printf '%s %s %s\\n' \"${OMP_NUM_THREADS-}\" \"${MKL_NUM_THREADS-}\" \"${CUDA_VISIBLE_DEVICES-}\" >\"$OUT/env\"\n" +
		"for a; do case $a in /*) cat \"$a\" >\"$OUT/config\" ;; *source=*config* ) ;; esac; done\nexit 0\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// runScript checks a script with sh -n, runs it with stubs for the programs that it starts,
// and returns their arguments and environment variables.
func runScript(t *testing.T, format string, s export.Source) (args []string, env, out string) {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh in PATH")
	}
	out = t.TempDir()
	stub(t, out, "torchserve")
	stub(t, out, "docker")
	if err := os.MkdirAll(filepath.Join(out, s.ModelStore), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(out, "script.sh")
	if err := os.WriteFile(path, []byte(render(t, format, s)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range [][]string{{"-n", path}, {path}} {
		cmd := exec.CommandContext(t.Context(), sh, a...)
		cmd.Dir = out
		cmd.Env = append(os.Environ(), "PATH="+out+":"+os.Getenv("PATH"), "OUT="+out, "CUDA_VISIBLE_DEVICES=", "TMPDIR="+out)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("sh %v: %v\n%s", a, err, text)
		}
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(b), "\n")
	}
	left, err := filepath.Glob(filepath.Join(out, "tmp.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("remaining files: %v, %v", left, err)
	}
	return strings.Split(read("args"), "\n"), read("env"), out
}

func TestShellRuns(t *testing.T) {
	s := source(t, 0)
	s.ModelStore, s.Settings.Device, s.Settings.Threads = `it's $HOME "x" \n`, "gpu:3", 7
	args, env, out := runScript(t, "shell", s)
	if want := []string{"--start", "--foreground", "--ncs", "--ts-config"}; len(args) != 5 || !slices.Equal(args[:4], want) || env != "7 7 3" {
		t.Errorf("torchserve got %q and %q, want %q and a file", args, env, want)
	}
	data, err := os.ReadFile(filepath.Join(out, "config"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := config.Parse("config.properties", data)
	if err != nil || f.Get("model_store") != s.ModelStore || f.Get("job_queue_size") != "100" {
		t.Errorf("torchserve's configuration: %v\n%s", err, data)
	}
	if err := export.Verify(export.Document{Format: "config.properties", Data: data}, s); err != nil {
		t.Error(err)
	}
}

func TestDockerRuns(t *testing.T) {
	for _, store := range []string{"model-store", `it's "a",$HOME`, "-dash", "two  blanks"} {
		s := source(t, 0)
		s.ModelStore, s.Settings.Device = store, "gpu:GPU-1a"
		args, _, out := runScript(t, "docker", s)
		real, err := filepath.EvalSymlinks(filepath.Join(out, store))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"run", "--rm", "--init", "--shm-size", "1g", "--env", "OMP_NUM_THREADS=1", "--env", "MKL_NUM_THREADS=1",
			"--publish", "127.0.0.1:8080:8080", "--publish", "127.0.0.1:8082:8082",
			"--mount", `type=bind,"source=` + real + `",target=/home/model-server/model-store,readonly`,
			"--mount", "", "--gpus", "device=GPU-1a", "--entrypoint", "torchserve", "pytorch/torchserve:0.12.0-gpu",
			"--start", "--foreground", "--ncs", "--ts-config", "/home/model-server/config.properties",
		}
		if len(args) == len(want) {
			args[16] = ""
		}
		if diff := cmp.Diff(want, args); diff != "" {
			t.Errorf("docker got (-want +got):\n%s", diff)
		}
	}
}

func TestScriptReader(t *testing.T) {
	s := source(t, 0)
	for _, format := range []string{"shell", "docker"} {
		text := render(t, format, s)
		for _, c := range []struct{ old, new, want string }{
			{"OMP_NUM_THREADS=1 ", "OMP_NUM_THREADS=2 ", `OMP_NUM_THREADS reads back as "2", want "1"`},
			{"\nEND\n", "\n", "no configuration between"},
			{"--foreground", "", "reads back as"},
			{"set -eu", "set -eu 'x", "missing closing quote"},
			{"-store && pwd", "-other && pwd", `store reads back as "model-other"`},
			{"store=$(cd -- model-store && pwd)", "store=$(pwd)", "want $(cd -- FOLDER && pwd)"},
			{"docker run", "podman run", "not docker run"},
			{"job_queue_size=100", "job_queue_size=9", `job_queue_size reads back as "9"`},
			{"docker run --rm --init", "docker run --rm --init --gpus all", `--gpus reads back as "all"`},
			{"docker run", "docker", "not docker run"},
			{"job_queue_size=100", "job_queue_size=x", "job_queue_size"},
		} {
			i := strings.LastIndex(text, c.old)
			if i < 0 {
				continue // in the other script only
			}
			wrong := text[:i] + c.new + text[i+len(c.old):]
			if err := export.Verify(export.Document{Format: format, Data: []byte(wrong)}, s); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %s: Verify = %v, want %q", format, c.new, err, c.want)
			}
		}
	}
}

// TestDockerReaderAtTheEnd: a command that ends where a value, the image or the arguments would be is
// an error, whatever is missing.
func TestDockerReaderAtTheEnd(t *testing.T) {
	s := source(t, 0)
	text := render(t, "docker", s)
	begin := strings.LastIndex(text, "docker run")
	if begin < 0 {
		t.Fatalf("no docker run in\n%s", text)
	}
	for _, c := range []struct{ command, want string }{
		{"docker", "not docker run"},
		{"docker run", "image"},
		{"docker run --rm", "image"},
		{"docker run --rm --gpus", "image"},
		{"docker run --env OMP_NUM_THREADS=1 pytorch/torchserve:0.12.0-cpu", `arguments reads back as ""`},
	} {
		err := export.Verify(export.Document{Format: "docker", Data: []byte(text[:begin] + c.command + "\n")}, s)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Verify = %v, want %q", c.command, err, c.want)
		}
	}
	if err := export.Verify(export.Document{Format: "docker", Data: []byte(strings.Replace(text, "docker run --rm --init", "docker run --rm", 1))}, s); err != nil {
		t.Errorf("without --init: %v", err)
	}
	// An image without arguments is read all the same.
	err := export.Verify(export.Document{Format: "docker", Data: []byte(text[:begin] + "docker run pytorch/torchserve:0.12.0-cpu\n")}, s)
	if err == nil || strings.Contains(err.Error(), "image reads back") {
		t.Errorf("an image alone: %v", err)
	}
}
