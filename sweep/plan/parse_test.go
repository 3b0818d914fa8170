package plan_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

var update = flag.Bool("update", false, "rewrite the expected files of testdata")

// samePlan ignores what is not part of the canonical text.
var samePlan = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(plan.Plan{}, "Name", "Notes", "Suite", "LoadGiven")}

// TestParseFiles compares the result for each testdata/parse/NAME.yaml with NAME.want: the
// canonical text with the notes, or the errors.
func TestParseFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/parse/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := parseResult(t, data)
			golden := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func parseResult(t *testing.T, data []byte) string {
	t.Helper()
	p, err := plan.Parse("plan.yaml", data)
	if err != nil {
		return err.Error() + "\n"
	}
	text, err := p.Canonical()
	if err != nil {
		t.Fatalf("Parse returned a plan without a canonical text: %v", err)
	}
	for _, n := range p.Notes {
		text = append(text, "# "+n+"\n"...)
	}
	return string(text)
}

func TestParseDefault(t *testing.T) {
	got, err := plan.Parse("plan.yaml", []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plan.Default(), got); diff != "" {
		t.Errorf("a plan with only a version (-want +got):\n%s", diff)
	}
}

func TestLoadReadsModelFiles(t *testing.T) {
	plans, err := plan.Load("testdata/suite/suite.yaml", os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(plans) != 2 {
		t.Fatalf("%d plans, want 2: the CPU-only mode is not for this hardware", len(plans))
	}
	mnist, bert := plans[0], plans[1] // in the order of the suite: eager_mode_mnist, scripted_mode_bert
	want := plan.Default()
	want.Model, want.Input = "https://example.test/bert.mar", "./examples/sample_text.txt"
	want.Strategy = "grid"
	want.Loads = []load.Spec{{Concurrency: 100}}
	want.Knobs = map[knob.Name]string{
		knob.Workers: "4", knob.BatchSize: "1,2,4", knob.BatchDelay: "100", knob.Device: "gpu",
	}
	want.Budget.Time = 0
	want.Trial = plan.Trial{Requests: 50000}
	if diff := cmp.Diff(want, bert, samePlan); diff != "" {
		t.Errorf("bert (-want +got):\n%s", diff)
	}
	if got := mnist.Knobs[knob.Device]; got != "gpu:1" {
		t.Errorf("mnist runs on %s, want gpu:1", got)
	}
	if diff := cmp.Diff([]load.Spec{{Concurrency: 10}, {Matched: true}}, mnist.Loads); diff != "" {
		t.Errorf("mnist's loads (-want +got):\n%s", diff)
	}
	if mnist.Name != "mnist eager_mode" {
		t.Errorf("name %q, want mnist eager_mode", mnist.Name)
	}
	if len(mnist.Notes) == 0 || !strings.Contains(mnist.Notes[0], "model mnist, mode eager_mode") {
		t.Errorf("notes %q, want the model and mode in them", mnist.Notes)
	}
}

func TestLoadErrors(t *testing.T) {
	files := map[string]string{
		"missing.yaml": "models: [nowhere.yaml]\n",
		"plan.yaml":    "models: [mine.yaml]\n",
		"mine.yaml":    "version: 1\n",
		"cpu.yaml":     "models: [gpu.yaml]\nhardware: cpu\n",
		"gpu.yaml":     "m: {eager: {url: a.mar, workers: 1, processors: [gpu]}}\n",
	}
	read := func(path string) ([]byte, error) {
		if s, ok := files[path]; ok {
			return []byte(s), nil
		}
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	for _, c := range []struct{ file, want string }{
		{"none.yaml", "open none.yaml: file does not exist"},
		{"missing.yaml", `missing.yaml: models: "nowhere.yaml" cannot be read: open models_config/nowhere.yaml: file does not exist`},
		{"plan.yaml", "mine.yaml:1:1: not a model file of the benchmark suite; want model, mode, and keys such as url and workers"},
		{"cpu.yaml", "cpu.yaml:1:1: models: none of them runs on hardware cpu"},
	} {
		if _, err := plan.Load(c.file, read); err == nil || err.Error() != c.want {
			t.Errorf("Load(%s) = %v, want %s", c.file, err, c.want)
		}
	}
}

func TestParseLimits(t *testing.T) {
	bomb := "version: 1\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" +
		"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d]\n"
	for _, c := range []struct{ name, in, want string }{
		{"too long", strings.Repeat("# x\n", 20000), "the file has 80000 bytes; a plan has at most 65536"},
		{"no text", "version: \xff", "the file is not UTF-8 text"},
		{"alias bomb", bomb, "more than 20000 values"},
		{"deep", "version: " + strings.Repeat("[", 500) + strings.Repeat("]", 500), "nested deeper than 32"},
	} {
		_, err := plan.Parse("plan.yaml", []byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// position matches the start of every line of an error.
var position = regexp.MustCompile(`^plan\.yaml:[1-9][0-9]*:[1-9][0-9]*: .`)

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := plan.Parse("plan.yaml", data)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !position.MatchString(line) {
					t.Errorf("error without position: %q", line)
				}
			}
			return
		}
		text, err := p.Canonical()
		if err != nil {
			t.Fatalf("Canonical of an accepted plan: %v", err)
		}
		again, err := plan.Parse("plan.yaml", text)
		if err != nil {
			t.Fatalf("Parse of the canonical text: %v\n%s", err, text)
		}
		if p.Question == plan.Capacity { // the canonical text has only what is in force: the arrivals
			p.Loads = again.Loads
		}
		if diff := cmp.Diff(p, again, samePlan); diff != "" {
			t.Errorf("the canonical text is another plan (-first +again):\n%s\n%s", diff, text)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/parse/full.yaml")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plan.Parse("plan.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParse() {
	_, err := plan.Parse("plan.yaml", []byte("version: 1\nsla: {limit: 20ms}\nknobs:\n  batchsize: 8\n"))
	fmt.Println(err)
	// Output:
	// plan.yaml:4:3: knobs: "batchsize": unknown knob; did you mean batch_size?
}

// TestLeastWarmUp: the key is read, checked, and part of the canonical text only if it is not 0, so that other plans keep
// their hashes.
func TestLeastWarmUp(t *testing.T) {
	read := func(text string) (plan.Plan, string, error) {
		p, err := plan.Parse("a.yaml", []byte(text))
		if err != nil {
			return p, "", err
		}
		out, err := p.Canonical()
		return p, string(out), err
	}
	const head = "version: 1\nmodel: sim:x.csv\n"
	without, text, err := read(head + "trial: {warmup: 0s}")
	if err != nil || strings.Contains(text, "warmup") {
		t.Errorf("0s: %v\n%s", err, text)
	}
	with, text, err := read(head + "trial: {warmup: 7s}")
	if err != nil || with.Trial.Warmup != 7*time.Second || with.Hash() == without.Hash() {
		t.Errorf("7s: %v, %v", with.Trial, err)
	}
	if again, _, err := read(text); err != nil || again.Trial != with.Trial {
		t.Errorf("read again: %v, %v", again.Trial, err)
	}
	if _, _, err := read(head + "trial: {warmup: -1s}"); err == nil || !strings.Contains(err.Error(), "warmup") {
		t.Errorf("-1s: %v", err)
	}
}
