package export_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/charmbracelet/x/exp/golden"
	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/config"
	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/export"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// profile returns a profile with three trials: 1 with the eager rule, 2 the choice, 3 on a
// GPU with a broken promise.
func profile() *profiles.Profile {
	sla := trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond}
	p := &profiles.Profile{Header: profiles.Header{
		ID: "20261122T091500Z-7f3a", Kind: profiles.Sweep, Tool: "sweetspot 0.1.0", SLA: &sla,
		Created: time.Date(2026, 11, 22, 9, 15, 0, 0, time.UTC),
		Machine: profiles.Machine{Class: "sha256:0123456789abcdef", OS: "linux", Arch: "amd64", CPU: "Test CPU", Cores: 2, MemoryMB: trial.NumOf(24000), GPUs: []profiles.GPU{}, Runtime: "onnxruntime 1.27.0 cpu"},
		Model:   profiles.Model{Name: "mlp-wide", Version: "1.0", Source: "builtin:mlp-wide", SHA256: "12ab34cd", BatchAxis: new(true)},
	}}
	est := func(v, low, high float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(low), High: trial.NumOf(high)}
	}
	for n := range 3 {
		t := trial.Trial{N: n + 1, Load: load.Spec{Concurrency: 10}, Settings: knob.Settings{Workers: 2, BatchSize: 8, BatchDelay: 10 * time.Millisecond, Precision: knob.FullPrecision, Device: "cpu", Threads: 1, QueueSize: 100}, Options: knob.Options{Rule: knob.TorchServe}}
		t.Throughput, t.Latency.P99, t.Model.P99 = est(528.2, 519, 537.1), est(41.2, 39.4, 43.1), trial.NumOf(9.9)
		t.Counts = trial.Counts{Sent: 6550, OK: 6550}
		t.Verdict = trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 100, ValueMS: trial.NumOf(41.2), LowMS: trial.NumOf(39.4), HighMS: trial.NumOf(43.1), ErrorRate: trial.NumOf(0), Why: "certain after 2210 requests"}
		p.Trials = append(p.Trials, t)
	}
	p.Trials[0].Options.Rule, p.Trials[0].Settings.BatchDelay, p.Trials[0].Settings.BatchSize = knob.Eager, 500*time.Microsecond, 1
	p.Trials[2].Settings.Device, p.Trials[2].Settings.Precision = "gpu:1", knob.HalfPrecision
	p.Trials[2].Verdict.Result = trial.Fail
	p.Choices = []trial.Choice{{N: 2, By: "strategy", Settings: p.Trials[1].Settings}}
	return p
}

func source(t *testing.T, n int) export.Source {
	t.Helper()
	s, err := export.From(profile(), n)
	if err != nil {
		t.Fatal(err)
	}
	s.Date = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	return s
}

func TestWrite(t *testing.T) {
	for _, f := range export.Formats() {
		for n, name := range []string{"choice", "eager", "", "gpu"} {
			if name == "" {
				continue
			}
			t.Run(f.Name+"/"+name, func(t *testing.T) {
				s := source(t, n)
				if name == "eager" {
					s.Model.Inputs = []profiles.Tensor{{Name: "ids", Type: "INT64", Shape: []int64{-1}}, {Name: "temperature", Type: "FP32"}}
					s.Model.Outputs = []profiles.Tensor{{Name: "text \"out\"", Type: "BYTES", Shape: []int64{1, 2}}}
					s.Envelope = "json"
				}
				if name == "gpu" {
					s.Model.Source, s.Model.Name = "/home/alice/some net.mar", "some net"
				}
				d, err := export.Write(f.Name, s, true)
				if err != nil {
					t.Fatal(err)
				}
				if err := export.Verify(d, s); err != nil {
					t.Error(err)
				}
				for i, b := range d.Data {
					if b > '~' {
						t.Fatalf("byte %d is not ASCII", i)
					}
				}
				golden.RequireEqual(t, d.Data)
			})
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		change func(*export.Source)
		want   string
		forced bool // whether force allows it
	}{
		{"eager", func(s *export.Source) { s.Options.Rule = knob.Eager }, "measured under the eager rule", true},
		{"delay 0", func(s *export.Source) { s.Settings.BatchDelay = 0 }, "batch_delay_ms 0 would become 1", true},
		{"part of a ms", func(s *export.Source) { s.Settings.BatchDelay = 2500 * time.Microsecond }, "batch_delay_ms 2.5 would become 3", true},
		{"no workers", func(s *export.Source) { s.Settings.Workers = 0 }, "the measured server does not report its workers", false},
		{"no batch axis", func(s *export.Source) { s.Model.BatchAxis = new(false) }, "batch_size: 8 needs a batch axis", false},
		{"no name", func(s *export.Source) { s.Model.Name = "--" }, `model name "--"`, false},
	}
	for _, c := range tests {
		for _, format := range []string{"config.properties", "model-config.yaml", "kserve", "shell", "docker"} {
			t.Run(c.name+"/"+format, func(t *testing.T) {
				s := source(t, 0)
				c.change(&s)
				_, err := export.Write(format, s, false)
				if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, export.ErrRefused) != c.forced {
					t.Errorf("Write = %v, want %q", err, c.want)
				}
				d, err := export.Write(format, s, true)
				if (err == nil) != c.forced {
					t.Fatalf("Write with force = %v", err)
				}
				if err == nil {
					err = export.Verify(d, s)
				}
				if c.forced && err != nil {
					t.Error(err)
				}
			})
		}
	}
	if _, err := export.Write("json", source(t, 1), false); err != nil {
		t.Errorf("json of an eager trial: %v", err)
	}
	if _, err := export.Write("config.propertys", source(t, 0), false); err == nil || !strings.Contains(err.Error(), "did you mean config.properties?") {
		t.Errorf("unknown format: %v", err)
	}
}

// TestTrustInFiles: the comment says how far FP16 agrees and that answers were compared, and warns
// of FP16 that is wrong.
func TestTrustInFiles(t *testing.T) {
	s := source(t, 2)
	s.Trial.FP16 = &trial.FP16Agreement{Samples: 16, Agree: 16, Largest: trial.NumOf(.0012), Clipped: 1}
	s.Trial.Answers = &trial.AnswerCheck{Compared: 15, NotRepeatable: 1, Tolerance: .01}
	text := func() string {
		b, err := export.Write("config.properties", s, true)
		if err != nil {
			t.Fatal(err)
		}
		return string(b.Data)
	}
	for _, want := range []string{
		"# fp16      agrees on 16 of 16 samples; largest difference 0.12%; 1 clipped value\n",
		"# answers   15 compared with answers alone, 0 differ by more than 1%; 1 not repeatable\n",
	} {
		if !strings.Contains(text(), want) {
			t.Errorf("no line %q in\n%s", want, text())
		}
	}
	s.Settings.Own = "arena=off spin=on"
	if want := "session options arena off, spin on"; !strings.Contains(strings.ReplaceAll(text(), "\n# ", " "), want) {
		t.Errorf("no %q in\n%s", want, text())
	}
	s.Settings.Own = ""
	s.Trial.FP16.Agree = 3
	if want := "The answers in FP16 are not those of FP32"; !strings.Contains(text(), want) {
		t.Errorf("no warning in\n%s", text())
	}
}

// TestOtherLoadsInFiles: each file says under which loads of the plan the settings were not measured.
func TestOtherLoadsInFiles(t *testing.T) {
	p := profile()
	sweepPlan := plan.Default()
	sweepPlan.Model = "builtin:mlp"
	sweepPlan.Loads = []load.Spec{p.Trials[1].Load, {Concurrency: 45}}
	text, err := json.Marshal(sweepPlan)
	if err != nil {
		t.Fatal(err)
	}
	p.Header.Plan = text
	s, err := export.From(p, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range export.Formats() {
		d, err := export.Write(f.Name, s, true)
		if err != nil {
			t.Fatal(err)
		}
		all := string(d.Data)
		if f.Name == "ovms" { // the file has no comments
			all = strings.Join(d.Notes, " ")
		}
		if words := strings.Join(strings.Fields(strings.ReplaceAll(all, "#", "")), " "); !strings.Contains(words, "under concurrency 45 it was not measured") {
			t.Errorf("%s: nothing about the other load in\n%s", f.Name, all)
		}
	}
}

func TestFrom(t *testing.T) {
	p := profile()
	if s, err := export.From(p, 0); err != nil || s.Trial.N != 2 {
		t.Errorf("From(0) = %v, want the choice", err)
	}
	if s, err := export.From(p, 3); err != nil || s.Settings.Device != "gpu:1" {
		t.Errorf("From(3) = %v, %v", s.Settings, err)
	}
	if _, err := export.From(p, 9); err == nil || !strings.Contains(err.Error(), "has no trial 9; it has trials 1-3") {
		t.Errorf("From(9) = %v", err)
	}
	p.Trials, p.Choices = p.Trials[2:], nil
	if _, err := export.From(p, 0); err == nil || !strings.Contains(err.Error(), "no trial met the promise; choose one with --trial N; it has trials 3-3") {
		t.Errorf("From without a choice = %v", err)
	}
	p.Trials = nil
	if _, err := export.From(p, 0); err == nil || !strings.Contains(err.Error(), "it has no trials") {
		t.Errorf("From without trials = %v", err)
	}
}

// TestEverySetting writes random settings in all formats and verifies them. Then it changes
// a digit of each value, which Verify must detect.
func TestEverySetting(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	devices := []string{"cpu", "gpu", "gpu:0", "gpu:3", "gpu:GPU-1a"}
	value := regexp.MustCompile(`(?m)^[^#\n]*(workers|minWorkers|maxWorkers|batch_?[sS]ize|batch_delay_ms|maxBatchDelay|job_?[qQ]ueue_?[sS]ize|queue_size|` +
		`count|nireq|NUM_STREAMS|microseconds|dims|containerConcurrency|cpu|value|_NUM_THREADS)["']?[:=] ?(\[ )?["']?\d`)
	for i := range 30 {
		s := source(t, 0)
		s.Settings = knob.Settings{
			Workers: 1 + rng.IntN(256), BatchSize: 1 + rng.IntN(1024), BatchDelay: time.Duration(1+rng.IntN(60000)) * time.Millisecond,
			Precision: knob.FullPrecision + knob.Precision(rng.IntN(2)), Device: devices[rng.IntN(len(devices))], Threads: 1 + rng.IntN(64), QueueSize: 1 + rng.IntN(1000000),
		}
		s.ModelStore = []string{"", `C:\store dir`, "/srv/modèles", `it's $HOME "`}[rng.IntN(4)]
		s.Envelope = []string{"", "body", "json"}[rng.IntN(3)]
		if i%2 == 0 {
			s.Model.Inputs = []profiles.Tensor{{Name: "x", Type: "FP32", Shape: []int64{1 + rng.Int64N(4096), 7}}}
			s.Model.Outputs = []profiles.Tensor{{Name: "y'\n", Type: "BOOL", Shape: []int64{5}}}
		}
		for _, f := range export.Formats() {
			d, err := export.Write(f.Name, s, f.Name == "ovms")
			if err != nil {
				t.Fatal(err)
			}
			if err := export.Verify(d, s); err != nil {
				t.Fatal(err)
			}
			places := value.FindAllIndex(d.Data, -1)
			if len(places) < 4 && (f.Name != "ovms" || len(places) < 3) { // ovms has few values
				t.Fatalf("%s: found only %d values in\n%s", f.Name, len(places), d.Data)
			}
			rng.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
			for _, at := range places[:min(len(places), 8)] {
				key := d.Data[at[0]:at[1]]
				measured := bytes.Contains(key, []byte(`"value"`)) && at[0] < bytes.Index(d.Data, []byte(`"servers"`))
				if sentence := bytes.Contains(key, []byte(`"threads: start`)); measured || sentence {
					continue
				}
				wrong := d
				wrong.Data = bytes.Clone(d.Data)
				digit := &wrong.Data[at[1]-1]
				*digit = '1' + (*digit-'0')%9 // another digit, never 0
				if export.Verify(wrong, s) == nil {
					t.Fatalf("%s: Verify missed a changed %s", f.Name, d.Data[at[0]:at[1]])
				}
			}
		}
	}
}

func TestVerifyMessages(t *testing.T) {
	s := source(t, 0)
	d, err := export.Write("config.properties", s, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"batchSize": 8`, `"batchSize": 4`, `batchSize reads back as "4", want "8"`},
		{"job_queue_size=100", "job_queue_size=100 ", "ends in blanks"},
		{"number_of_gpu=0\n", "", `number_of_gpu reads back as "", want "0"`},
		{`"1.0"`, `"1"`, `no mlp-wide version "1.0"`},
		{`job_queue_size=100`, `job_queue_size=x`, "config.properties:"},
	} {
		wrong := d
		wrong.Data = bytes.Replace(d.Data, []byte("\n"+c.old), []byte("\n"+c.new), 1)
		if bytes.Equal(wrong.Data, d.Data) {
			i := bytes.LastIndex(d.Data, []byte(c.old))
			wrong.Data = append(append(bytes.Clone(d.Data[:i]), c.new...), d.Data[i+len(c.old):]...)
		}
		if err := export.Verify(wrong, s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: Verify = %v, want %q", c.new, c.old, err, c.want)
		}
	}
	for _, f := range export.Formats() {
		for _, text := range []string{"", "x: [\n", "<<'END'\nmodel_store=x\nEND\n"} {
			if err := export.Verify(export.Document{Format: f.Name, Data: []byte(text)}, s); err == nil || !strings.HasPrefix(err.Error(), "export: "+f.Name) {
				t.Errorf("%s: Verify of %q = %v", f.Name, text, err)
			}
		}
	}
}

// TestAgainstJava loads a written config.properties with the Java class that TorchServe uses.
func TestAgainstJava(t *testing.T) {
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("no java in PATH")
	}
	s := source(t, 0)
	s.ModelStore = `C:\store é`
	d, err := export.Write("config.properties", s, false)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), d.File)
	if err := os.WriteFile(path, d.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	load := filepath.Join("..", "..", "engine", "config", "testdata", "Load.java")
	out, err := exec.CommandContext(t.Context(), java, load, path).Output()
	if err != nil {
		t.Skipf("java cannot run a source file: %v", err)
	}
	f, err := config.Parse(d.File, d.Data)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("file\n")
	for _, key := range []string{"job_queue_size", "load_models", "model_store", "models", "number_of_gpu"} {
		want.WriteString(units(key) + "=" + units(f.Get(key)) + "\n")
	}
	if diff := cmp.Diff(want.String(), string(out)); diff != "" {
		t.Errorf("java reads other values (-want +got):\n%s", diff)
	}
}

func units(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, "%04x", u)
	}
	return b.String()
}

func FuzzVerify(f *testing.F) {
	s, err := export.From(profile(), 0)
	if err != nil {
		f.Fatal(err)
	}
	formats := export.Formats()
	for i, format := range formats {
		d, err := export.Write(format.Name, s, format.Name == "ovms")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), d.Data)
	}
	f.Fuzz(func(t *testing.T, i uint8, data []byte) {
		name := formats[int(i)%len(formats)].Name
		if err := export.Verify(export.Document{Format: name, Data: data}, s); err != nil && !strings.HasPrefix(err.Error(), "export: "+name) {
			t.Fatalf("error %q does not name the format", err)
		}
	})
}

// TestDocs compares the examples of docs/exports.md with the exports. All formats must be on
// that page.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "exports.md"))
	if err != nil {
		t.Fatal(err)
	}
	for format, block := range map[string]string{"config.properties": "properties", "triton": "pbtxt"} {
		_, rest, _ := strings.Cut(string(page), "```"+block+"\n")
		example, _, _ := strings.Cut(rest, "```")
		d, err := export.Write(format, source(t, 0), false)
		if err != nil {
			t.Fatal(err)
		}
		if example == "" || !strings.HasSuffix(string(d.Data), "\n\n"+example) {
			t.Errorf("docs/exports.md shows\n%s\nthe export is\n%s", example, d.Data)
		}
	}
	for _, f := range export.Formats() {
		if row := "| `" + f.Name + "` | `" + f.File + "` |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/exports.md has no row %q", row)
		}
	}
}

// max_request_size is written where the measured bodies need it, or the server was told one.
func TestMaxRequestSize(t *testing.T) {
	for _, tt := range []struct {
		largest, told int64
		want          string // in config.properties; "" is no key
	}{
		{0, 0, ""},
		{6553500, 0, ""},
		{6553501, 0, "7340032"},
		{24883200, 0, "25165824"},
		{100, 1000, "1000"},
		{0, 1, "1"},
		{24883200, 30000000, "30000000"},
	} {
		s := source(t, 2)
		s.Model.LargestBody, s.Model.MaxRequestSize = tt.largest, tt.told
		for _, format := range []string{"config.properties", "kserve", "shell", "docker", "model-config.yaml"} {
			d, err := export.Write(format, s, false)
			if err == nil {
				err = export.Verify(d, s)
			}
			if err != nil {
				t.Fatal(err)
			}
			key, note := strings.Contains(string(d.Data), "max_request_size="+tt.want), strings.Contains(string(d.Data), "# max_request_size is "+tt.want)
			if tt.want == "" {
				key, note = !strings.Contains(string(d.Data), "max_request_size="), !strings.Contains(string(d.Data), "max_request_size is")
			}
			if !note || !key && format != "model-config.yaml" {
				t.Errorf("%s, %d bytes and told %d: key %t, comment %t, want %q:\n%s", format, tt.largest, tt.told, key, note, tt.want, d.Data)
			}
		}
	}
}
