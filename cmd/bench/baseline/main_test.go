package main

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines joins its arguments as lines.
func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }

const small = `{"sampler":"tpe","seed":7,"budget":3,"space":[{"name":"workers","values":1},{"name":"batch","values":1}]}`

func TestRun(t *testing.T) {
	const one = `{"places":[0,0]}`
	for _, tt := range []struct {
		name, in, out string
		err           string // "" is code 0
	}{
		{"the input ends", lines(small, `{"value":1}`), lines(one, one), ""},
		{"the budget ends", lines(small, `{"value":1}`, `{"value":-2e3}`, `{"value":0}`, "not read"), lines(one, one, one), ""},
		{"nothing", "", "", "line 1: the input ends; want " + requestShape},
		{"empty line", "\n", "", "line 1: the line is empty; want " + requestShape},
		{"no JSON", "tpe 7\n", "", "line 1: invalid character 'p' in literal true (expecting 'r'); want " + requestShape},
		{"unknown key", `{"sampler":"tpe","sede":7}`, "", `line 1: json: unknown field "sede"; want ` + requestShape},
		{"two objects", small + "{}\n", "", "line 1: there is something after the object; want " + requestShape},
		{"negative seed", `{"sampler":"tpe","seed":-1}`, "", "line 1: json: cannot unmarshal number -1 into Go struct field request.seed of type uint64; want " + requestShape},
		{
			"all faults", `{"sampler":"cma","budget":0,"space":[{"name":"a","values":0},{"name":"a","values":2},{"values":1}]}`, "",
			`line 1: sampler: "cma" is unknown; known: tpe; budget: 0 is not 1-10000; space: "a": 0 values; want 1-1000000; ` +
				`space: "a" occurs twice; space: dimension 3: a name of 0 bytes; want 1-64`,
		},
		{"no space", `{"sampler":"tpe","budget":1}`, "", "line 1: space: 0 dimensions; want 1-32"},
		{"no value", lines(small, "{}"), lines(one), "line 2: no value; want " + resultShape},
		{"no number", lines(small, `{"value":1}`, `{"value":"1"}`), lines(one, one), "line 3: json: cannot unmarshal string into Go struct field result.value of type float64; want " + resultShape},
		{"too large", lines(small, `{"value":1e999}`), lines(one), "line 2: json: cannot unmarshal number 1e999 into Go struct field result.value of type float64; want " + resultShape},
		{"long line", lines(small, strings.Repeat(" ", maxLine)), lines(one), "line 2: more than 65535 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, code := "", 0
			if tt.err != "" {
				want, code = "baseline: "+tt.err+"\n", 1
			}
			var out, errs strings.Builder
			if got := run(strings.NewReader(tt.in), &out, &errs); got != code {
				t.Errorf("code %d, want %d", got, code)
			}
			if diff := cmp.Diff([2]string{tt.out, want}, [2]string{out.String(), errs.String()}); diff != "" {
				t.Errorf("stdout and stderr (-want +got):\n%s", diff)
			}
		})
	}
}

// TestProgram: the program gives the same suggestions for the same request, others for another
// seed, and one of them is nearly the best.
func TestProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "baseline")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	q := request{
		Sampler: samplerTPE, Seed: 7, Budget: 60,
		Space: []dimension{{"workers", 4}, {"batch", 6}, {"delay", 6}, {"format", 2}},
	}
	first := suggestions(t, program, q)
	if len(first) != q.Budget {
		t.Fatalf("%d suggestions, want %d", len(first), q.Budget)
	}
	best := 0.0
	for n, places := range first {
		for i, d := range q.Space {
			if places[i] < 0 || places[i] >= d.Values {
				t.Errorf("suggestion %d: %s: place %d of %d", n+1, d.Name, places[i], d.Values)
			}
		}
		best = max(best, testValue(places))
	}
	if best < .9*testValue([]int{3, 4, 0, 1}) {
		t.Errorf("the best of %d suggestions has %.1f", len(first), best)
	}
	if diff := cmp.Diff(first, suggestions(t, program, q)); diff != "" {
		t.Errorf("the same request again (-first +second):\n%s", diff)
	}
	q.Seed++
	if cmp.Equal(first, suggestions(t, program, q)) {
		t.Error("the same suggestions for another seed")
	}
}

// testValue is highest at [3 4 0 1].
func testValue(places []int) float64 {
	off := float64(places[1] - 4)
	return 10 + 10*float64(places[0]) - 2*off*off - float64(places[2]) + 3*float64(places[3])
}

// suggestions runs the program and returns its suggestions.
func suggestions(t *testing.T, program string, q request) [][]int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := json.NewEncoder(stdin)
	if err := in.Encode(q); err != nil {
		t.Error(err)
	}
	var got [][]int
	for out := bufio.NewScanner(stdout); out.Scan(); {
		var s suggestion
		if err := json.Unmarshal(out.Bytes(), &s); err != nil {
			t.Errorf("%s: %v", out.Bytes(), err)
			break
		}
		got = append(got, s.Places)
		value := testValue(s.Places)
		if err := in.Encode(result{&value}); err != nil {
			t.Errorf("result %d: %v", len(got), err)
			break
		}
	}
	_ = stdin.Close() // an error means that the program has ended
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	return got
}
