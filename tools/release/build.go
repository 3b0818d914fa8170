package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// platform is an operating system and an architecture that ONNX Runtime is published for.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// folder is the platform in the names of files.
func (p platform) folder() string { return p.os + "-" + p.arch }

// compilers are C compilers of Debian and Ubuntu for other architectures of Linux, and their
// packages.
var compilers = map[platform]struct{ command, packages string }{
	{"linux", "amd64"}: {"x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu libc6-dev-amd64-cross"},
	{"linux", "arm64"}: {"aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"},
}

func knownPlatforms() []string { return []string{"linux/amd64", "linux/arm64", "darwin/arm64"} }

// usualPlatforms are those that this machine can build.
func usualPlatforms() []string {
	if runtime.GOOS == "linux" {
		return []string{"linux/amd64", "linux/arm64"}
	}
	return []string{runtime.GOOS + "/" + runtime.GOARCH}
}

func parsePlatforms(list string) (out []platform, err error) {
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(knownPlatforms(), name) {
			return nil, fmt.Errorf("-platforms: %q is not one of %s", name, strings.Join(knownPlatforms(), ", "))
		}
		system, arch, _ := strings.Cut(name, "/")
		out = append(out, platform{system, arch})
	}
	return out, nil
}

// compiler returns the C compiler for a platform; "" is the default one of Go.
func (p platform) compiler() (string, error) {
	if p.os == runtime.GOOS && p.arch == runtime.GOARCH {
		return "", nil
	}
	if p.os != "linux" || runtime.GOOS != "linux" {
		return "", fmt.Errorf("it can only be built on %s: its C library and its signatures are there", p.os)
	}
	cc := compilers[p]
	if _, err := exec.LookPath(cc.command); err != nil {
		return "", fmt.Errorf("no C compiler for it: install %s (Debian, Ubuntu: apt-get install %s)", cc.command, cc.packages)
	}
	return cc.command, nil
}

// build packs the library of the platform and compiles the program, which contains it.
func (r *release) build(ctx context.Context, p platform, program string) error {
	cc, err := p.compiler()
	if err != nil {
		return err
	}
	blob := filepath.Join("engine", "backend", "onnx", "ortlib", "blob")
	if _, err := output(ctx, r.root, nil, "go", "run", "./cmd/ort", "-platform", p.String(), "-embed", blob); err != nil {
		return err
	}
	env := []string{"CGO_ENABLED=1", "GOOS=" + p.os, "GOARCH=" + p.arch}
	if cc != "" {
		env = append(env, "CC="+cc)
	}
	_, err = output(ctx, r.root, env, "go", "build", "-tags=embedort", "-trimpath", "-ldflags=-s -w", "-o", program, "./cmd/sweetspot")
	return err
}

// output runs a command in dir and returns what it prints. An error has the end of its
// messages. env is added to the environment.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if err != nil {
		text := messages.String()
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text[max(0, len(text)-2000):])
	}
	return strings.TrimRight(string(out), "\n"), nil
}
