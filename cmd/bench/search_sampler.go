package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sweetspot/engine/knob"
)

// baselineModule holds what of the baselines needs libraries that nothing else of
// the project does. It is a module of its own, here by its path from the root of
// the repository; its main.go describes what is said over the pipe.
const baselineModule = "cmd/bench/baseline"

// buildBaseline builds the program of the nested module into a folder.
func buildBaseline(ctx context.Context, folder string) (program string, err error) {
	mod, err := goTool(ctx, "env", "GOMOD")
	if err != nil {
		return "", err
	}
	source := filepath.Join(filepath.Dir(mod), filepath.FromSlash(baselineModule))
	if _, err := os.Stat(filepath.Join(source, "go.mod")); err != nil {
		return "", fmt.Errorf("%s is not here; run bench inside of the repository", baselineModule)
	}
	program = filepath.Join(folder, "baseline.exe") // Windows wants the suffix, others do not mind
	_, err = goTool(ctx, "build", "-C", source, "-buildvcs=false", "-o", program, ".")
	return program, err
}

// goTool runs a command of the go tool and returns what it printed. An error is
// one line.
func goTool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOWORK=off") // a workspace would have to list the nested module
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("the go tool is not here; install Go, or put it into PATH")
	case err != nil:
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, firstMessage(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// firstMessage is the first line of the go tool's that does not name a package.
func firstMessage(text string) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return all[max(0, slices.IndexFunc(all, func(line string) bool { return !strings.HasPrefix(line, "#") }))]
}

// sampler is a baseline of the nested module: a process for each problem, since
// chance there has one seed a process.
type sampler struct {
	program string
	name    string
}

// search is the run of a rival.
func (s sampler) search(ctx context.Context, p *problem, ask func(knob.Settings) (float64, bool)) error {
	cmd := exec.CommandContext(ctx, s.program)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.WaitDelay = stopTime
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	ended := cmd.Start()
	if ended == nil {
		err = s.exchange(stdin, stdout, p, ask)
		_ = stdin.Close() // closed already if the program is gone; else it ends with it
		ended = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx) // what broke off says less than why
	case ended != nil:
		return fmt.Errorf("%s: %w: %s", baselineModule, ended, strings.TrimSpace(stderr.String()))
	case err != nil:
		return fmt.Errorf("%s: %w", baselineModule, err)
	}
	return nil
}

// exchange asks for what is suggested and writes what became of it, until ask
// has enough or the suggestions end.
func (s sampler) exchange(w io.Writer, r io.Reader, p *problem, ask func(knob.Settings) (float64, bool)) error {
	out := json.NewEncoder(w)
	err := out.Encode(samplerQuestion{Sampler: s.name, Seed: p.seed, Budget: mostAgain * counts[len(counts)-1], Space: p.dimensions()})
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		suggested, err := p.parseSuggestion(lines.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		rate, more := ask(suggested)
		if !more {
			return nil
		}
		if err := out.Encode(samplerResult{rate}); err != nil {
			return err
		}
	}
	return lines.Err()
}

// What is said over the pipe: the first line, the others, and the lines that
// come back.
type (
	samplerQuestion struct {
		Sampler string      `json:"sampler"`
		Seed    uint64      `json:"seed"`
		Budget  int         `json:"budget"` // most suggestions
		Space   []dimension `json:"space"`
	}
	samplerResult struct {
		Value float64 `json:"value"` // the higher the better
	}
	samplerSuggestion struct {
		Places []int `json:"places"` // of a value in each dimension, from 0
	}
)

// dimension is a knob of a space.
type dimension struct {
	Name   string `json:"name"`
	Values int    `json:"values"` // how many there are to choose from
}

// dimensions are the space as a sampler has it.
func (s space) dimensions() []dimension {
	return []dimension{{"workers", len(s.workers)}, {"batch", len(s.batches)}, {"delay", len(s.delays)}, {"format", len(s.formats)}}
}

// parseSuggestion reads a line that suggests settings of the space.
func (s space) parseSuggestion(line []byte) (knob.Settings, error) {
	const shape = `{"places":[0,0,0,0]}`
	var got samplerSuggestion
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		return knob.Settings{}, fmt.Errorf("%w; want %s", err, shape)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return knob.Settings{}, fmt.Errorf("something follows the object; want %s", shape)
	}
	all, at := s.dimensions(), got.Places
	if len(at) != len(all) {
		return knob.Settings{}, fmt.Errorf("%d places; want %d", len(at), len(all))
	}
	for i, d := range all {
		if at[i] < 0 || at[i] >= d.Values {
			return knob.Settings{}, fmt.Errorf("%s: place %d; want 0-%d", d.Name, at[i], d.Values-1)
		}
	}
	return spaceSettings(s.workers[at[0]], s.batches[at[1]], s.delays[at[2]], s.formats[at[3]]), nil
}
