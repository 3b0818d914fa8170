package batching_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the outputs in the scenarios of testdata")

// scenario is a transcript of commands to the owner of a collector, each with its output.
// A step is a command, a line of dashes, the output, and an empty line. Lines before a
// command that begin with # are its notes.
type scenario []step

type step struct {
	line    int // of the command, from 1
	notes   []string
	command string
	output  string // lines, each with a line feed at its end
}

const dashes = "----"

// parseScenario reads a transcript.
func parseScenario(text string) (scenario, error) {
	var out scenario
	var s step
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		switch l := strings.TrimSpace(lines[i]); {
		case l == "" && len(s.notes) == 0:
		case l == "" || strings.HasPrefix(l, "#"):
			s.notes = append(s.notes, l)
		case i+1 == len(lines) || strings.TrimSpace(lines[i+1]) != dashes:
			return nil, fmt.Errorf("line %d: want %s after the command %q", i+1, dashes, l)
		default:
			s.line, s.command = i+1, l
			for i += 2; i < len(lines) && strings.TrimSpace(lines[i]) != ""; i++ {
				s.output += strings.TrimSpace(lines[i]) + "\n"
			}
			out, s = append(out, s), step{}
		}
	}
	if len(s.notes) > 0 {
		return nil, errors.New("notes at the end without a command")
	}
	return out, nil
}

// String formats the transcript as in its file.
func (sc scenario) String() string {
	var b strings.Builder
	for i, s := range sc {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, n := range s.notes {
			b.WriteString(n + "\n")
		}
		b.WriteString(s.command + "\n" + dashes + "\n" + s.output)
	}
	return b.String()
}

// play executes the commands and returns the transcript with the actual outputs.
func (sc scenario) play() (scenario, error) {
	out := make(scenario, len(sc))
	var o *owner
	for i, s := range sc {
		c, err := parseCommand(s.command)
		if err == nil {
			o, err = c.do(o)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", s.line, s.command, err)
		}
		s.output = o.output()
		out[i] = s
	}
	return out, nil
}

// TestScenarios plays the transcripts of testdata: one file for each property of a rule.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("scenarios: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := parseScenario(string(text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := want.play()
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(text), got.String()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// FuzzScenario plays arbitrary transcripts: each is an error, or the rules keep their
// contract, and its text round-trips.
func FuzzScenario(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		sc, err := parseScenario(text)
		if err != nil {
			return
		}
		again, err := parseScenario(sc.String())
		if err != nil || again.String() != sc.String() {
			t.Fatalf("%q reads back as %q, %v", sc, again, err)
		}
		if _, err := sc.play(); errors.Is(err, errContract) {
			t.Fatal(err)
		}
	})
}
