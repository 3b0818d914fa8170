package python

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Where says where to look for an interpreter that has TorchServe.
type Where struct {
	// Python is the interpreter that somebody named; nothing else is tried then. By names what named
	// it, such as --python.
	Python, By string
	Cache      string   // the user's cache, where make torchserve installs
	Env        []string // of this process: SWEETSPOT_TORCHSERVE, PATH
}

// Installation is an interpreter that has TorchServe and torch.
type Installation struct {
	Python     string // path of the interpreter
	Home       string // folder of the package ts
	Version    string // of Python
	TorchServe string // version; "" is unknown
	Torch      string // version; "" is unknown
	GPUs       int    // that torch can use
}

// String describes the installation: "Python 3.11.2, torch 1.13.1, TorchServe 0.12.0".
func (in Installation) String() string {
	named := func(name, version string) string { return strings.TrimSpace(name + " " + version) }
	return strings.Join([]string{named("Python", in.Version), named("torch", in.Torch), named("TorchServe", in.TorchServe)}, ", ")
}

// ErrNoPython is what a MissingError wraps.
var ErrNoPython = errors.New("this archive needs Python with torch and torchserve")

// MissingError is the error of Find: there is no interpreter that has all.
type MissingError struct {
	By  string   // what named the interpreter, such as --python; "" if nothing did
	Why []string // for each interpreter its path, and what it lacks; none if there is no interpreter
}

// Error says what each interpreter lacks, and what to do.
func (e *MissingError) Error() string { return ErrNoPython.Error() + ": " + e.Found() + ". " + e.Fix() }

// Unwrap returns ErrNoPython.
func (*MissingError) Unwrap() error { return ErrNoPython }

// Found says what each interpreter lacks.
func (e *MissingError) Found() string {
	text := strings.Join(e.Why, "; ")
	if text == "" {
		text = "there is no python3 in PATH"
	}
	if e.By != "" {
		return e.By + ": " + text
	}
	return text
}

// Fix says what to do.
func (e *MissingError) Fix() string {
	const install = "pip install torch torchserve psutil pyyaml"
	if e.By != "" {
		return "Name another interpreter, or install into that one: " + install
	}
	return "`make torchserve` in the source of sweetspot installs it for this user; or " + install +
		" and name that interpreter with --python or SWEETSPOT_PYTHON. sweetspot doctor shows what is found"
}

// torchServeFolder is the folder in the user's cache that tools/torchserve.sh makes.
const torchServeFolder = "sweetspot/torchserve-0.12.0"

// inspectTime is the longest time to look into an interpreter. One with a GPU imports torch.
const inspectTime = time.Minute

//go:embed inspect.py
var inspectScript string

// Find returns the first interpreter that has TorchServe, torch and what its worker imports: the one
// that was named, that of the folder SWEETSPOT_TORCHSERVE, that of make torchserve, and those of the
// PATH. A [MissingError] says what is wrong with each.
func Find(ctx context.Context, w Where) (Installation, error) {
	missing := &MissingError{}
	if w.Python != "" {
		missing.By = w.By
	} else if dir := w.get(folderVariable); dir != "" && !isProgram(interpreterIn(dir)) {
		missing.Why = append(missing.Why, folderVariable+": there is no "+interpreterIn(dir))
	}
	for _, path := range w.candidates() {
		in, err := inspect(ctx, path, w.Env)
		if err == nil {
			return in, nil
		}
		if ctx.Err() != nil {
			return Installation{}, context.Cause(ctx)
		}
		missing.Why = append(missing.Why, path+" "+err.Error())
	}
	return Installation{}, missing
}

// folderVariable names the folder of a virtual environment with TorchServe, as make torchserve makes it.
const folderVariable = "SWEETSPOT_TORCHSERVE"

// interpreterIn is the interpreter of a virtual environment.
func interpreterIn(dir string) string { return filepath.Join(dir, "bin", "python") }

// candidates returns the interpreters to try, in their order.
func (w Where) candidates() []string {
	if w.Python != "" {
		path := w.Python
		if abs, err := filepath.Abs(path); err == nil && filepath.Base(path) != path {
			path = abs
		}
		return []string{path}
	}
	var out []string
	add := func(path string) {
		if info, err := os.Stat(path); err == nil && !info.IsDir() && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	if dir := w.get(folderVariable); dir != "" {
		add(interpreterIn(dir))
	}
	if w.Cache != "" {
		add(interpreterIn(filepath.Join(w.Cache, filepath.FromSlash(torchServeFolder))))
	}
	for _, name := range []string{"python3", "python"} {
		for _, dir := range filepath.SplitList(w.get("PATH")) {
			if path := filepath.Join(dir, name); filepath.IsAbs(path) && isProgram(path) {
				add(path)
				break
			}
		}
	}
	return out
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// get returns a variable of the environment.
func (w Where) get(name string) string {
	for _, kv := range slices.Backward(w.Env) {
		if n, v, _ := strings.Cut(kv, "="); n == name {
			return v
		}
	}
	return ""
}

// inspected is what inspect.py prints.
type inspected struct {
	Python     string   `json:"python"`
	Home       string   `json:"home"`
	TorchServe string   `json:"torchserve"`
	Torch      string   `json:"torch"`
	Missing    []string `json:"missing"`
	GPUs       int      `json:"gpus"`
}

// inspect looks into an interpreter. The error continues a sentence that begins with its path.
func inspect(ctx context.Context, python string, env []string) (Installation, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-c", inspectScript)
	// Modules of the current folder would hide those of the installation.
	cmd.Dir, cmd.Env, cmd.WaitDelay = "/", env, time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if last := lines[len(lines)-1]; last != "" {
			return Installation{}, fmt.Errorf("does not run: %s", last)
		}
		return Installation{}, fmt.Errorf("does not run: %w", err)
	}
	var v inspected
	if err := json.Unmarshal(out, &v); err != nil {
		return Installation{}, fmt.Errorf("is no Python: it printed %.60q", out)
	}
	if len(v.Missing) > 0 {
		return Installation{}, fmt.Errorf("(Python %s) has no %s", v.Python, strings.Join(v.Missing, ", "))
	}
	return Installation{Python: python, Home: v.Home, Version: v.Python, TorchServe: v.TorchServe, Torch: v.Torch, GPUs: v.GPUs}, nil
}

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
