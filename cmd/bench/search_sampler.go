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

// baselineModule is the path, from the root of the repository, of the nested module with the
// baselines that need libraries of their own. Its main.go describes the lines on the pipe.
const baselineModule = "cmd/bench/baseline"

// buildBaseline builds the program of the nested module into a folder.
func buildBaseline(ctx context.Context, folder string) (program string, err error) {
	mod, err := goTool(ctx, "env", "GOMOD")
	if err != nil {
		return "", err
	}
	source := filepath.Join(filepath.Dir(mod), filepath.FromSlash(baselineModule))
	if _, err := os.Stat(filepath.Join(source, "go.mod")); err != nil {
		return "", fmt.Errorf("%s does not exist here; run bench inside the repository", baselineModule)
	}
	program = filepath.Join(folder, "baseline.exe") // Windows needs the suffix
	_, err = goTool(ctx, "build", "-C", source, "-buildvcs=false", "-o", program, ".")
	return program, err
}

// goTool runs a command of the go tool and returns its output. The error is one line.
func goTool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOWORK=off") // a workspace file would have to list the nested module
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("the go tool was not found; install Go, or add it to PATH")
	case err != nil:
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, firstMessage(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// firstMessage returns the first line of an error output of the go tool that is not the name of a
// package.
func firstMessage(text string) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return all[max(0, slices.IndexFunc(all, func(line string) bool { return !strings.HasPrefix(line, "#") }))]
}

// sampler is a baseline of the nested module. Each problem has its own process, because the random
// generator there has one seed per process.
type sampler struct {
	program string
	name    string
}

// search is the run function of a baseline.
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
		_ = stdin.Close() // tells the program to end; an error means that it has ended
		ended = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx) // more informative than the errors that follow from it
	case ended != nil:
		return fmt.Errorf("%s: %w: %s", baselineModule, ended, strings.TrimSpace(stderr.String()))
	case err != nil:
		return fmt.Errorf("%s: %w", baselineModule, err)
	}
	return nil
}

// exchange reads suggestions and writes their results, until ask returns false or the suggestions
// end.
func (s sampler) exchange(w io.Writer, r io.Reader, p *problem, ask func(knob.Settings) (float64, bool)) error {
	out := json.NewEncoder(w)
	err := out.Encode(samplerRequest{Sampler: s.name, Seed: p.seed, Budget: suggestionsPerTest * counts[len(counts)-1], Space: p.dimensions()})
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

// The lines on the pipe: the first line to the program, the following ones, and the lines from it.
type (
	samplerRequest struct {
		Sampler string      `json:"sampler"`
		Seed    uint64      `json:"seed"`
		Budget  int         `json:"budget"` // maximal number of suggestions
		Space   []dimension `json:"space"`
	}
	samplerResult struct {
		Value float64 `json:"value"` // higher is better
	}
	samplerSuggestion struct {
		Places []int `json:"places"` // index of a value in each dimension
	}
)

// dimension is a knob of a space.
type dimension struct {
	Name   string `json:"name"`
	Values int    `json:"values"` // number of values
}

// dimensions returns the space as the dimensions of a sampler.
func (s space) dimensions() []dimension {
	return []dimension{{"workers", len(s.workers)}, {"batch", len(s.batches)}, {"delay", len(s.delays)}, {"format", len(s.formats)}}
}

// parseSuggestion parses a line that suggests settings of the space.
func (s space) parseSuggestion(line []byte) (knob.Settings, error) {
	const shape = `{"places":[0,0,0,0]}`
	var got samplerSuggestion
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		return knob.Settings{}, fmt.Errorf("%w; want %s", err, shape)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return knob.Settings{}, fmt.Errorf("there is something after the object; want %s", shape)
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
