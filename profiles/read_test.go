package profiles_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/profiles"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// num compares figures with four decimals.
var num = cmp.Comparer(func(a, b trial.Num) bool { return a.Text(4) == b.Text(4) })

func TestReadBack(t *testing.T) {
	path := write(t, newDir(t), "20261122T091500Z-7f3a")
	p := read(t, path)
	want := header("20261122T091500Z-7f3a")
	if diff := cmp.Diff(want, p.Header, num, cmpopts.IgnoreFields(profiles.Machine{}, "Class"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(p.Header.Machine.Class, "sha256:") {
		t.Errorf("class = %q, want a hash", p.Header.Machine.Class)
	}
	if diff := cmp.Diff(sampleTrial(2), p.Trials[1], num, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("trial (-want +got):\n%s", diff)
	}
	if len(p.Probes) != 1 || len(p.Trials) != 3 || len(p.Events) != 1 || len(p.Lines) != 8 {
		t.Errorf("got %d probes, %d trials, %d events, %d lines", len(p.Probes), len(p.Trials), len(p.Events), len(p.Lines))
	}
	if p.State() != profiles.Done || p.End.Trials != 3 || *p.End.Choice != 2 {
		t.Errorf("end = %+v", p.End)
	}
	if best, ok := p.Best(); !ok || best.N != 2 {
		t.Errorf("Best = trial %d, %t, want the chosen 2", best.N, ok)
	}
}

func TestFileIsPrivate(t *testing.T) {
	info, err := os.Stat(write(t, newDir(t), "a"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode = %v, want 0600", info.Mode())
	}
}

// TestCutAnywhere cuts a profile at every byte: all complete lines are read, and an
// incomplete line never.
func TestCutAnywhere(t *testing.T) {
	data, err := os.ReadFile(write(t, newDir(t), "a"))
	if err != nil {
		t.Fatal(err)
	}
	headerLen := bytes.IndexByte(data, '\n')
	for cut := range len(data) + 1 {
		if testing.Short() && cut%5 != 0 && !bytes.ContainsRune(data[max(cut-2, 0):min(cut+2, len(data))], '\n') {
			continue // all positions inside a line are equivalent
		}
		p, err := profiles.Decode("a", data[:cut])
		if cut < headerLen {
			if err == nil || p != nil {
				t.Fatalf("cut at %d: a profile without a header", cut)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		// A line of which only the line feed is missing is complete.
		want := bytes.Count(data[:cut], []byte("\n"))
		tail := data[bytes.LastIndexByte(data[:cut], '\n')+1 : cut]
		complete := len(tail) > 0 && data[cut] == '\n'
		if complete {
			want++
		}
		if len(p.Lines) != want {
			t.Fatalf("cut at %d: %d lines, want %d", cut, len(p.Lines), want)
		}
		if incomplete := len(tail) > 0 && !complete; incomplete != (len(p.Warnings) == 1) {
			t.Fatalf("cut at %d: warnings %q", cut, p.Warnings)
		}
		if ended := cut >= len(data)-1; ended != (p.State() == profiles.Done) {
			t.Fatalf("cut at %d: state %s", cut, p.State())
		}
	}
}

const head = `{"t":"header","format":"sweetspot-profile","version":1,"id":"a","kind":"sweep","model":{"name":"m"},"new_field":1}` + "\n"

func TestDecodeKeepsUnknownFields(t *testing.T) {
	in := head +
		`{"t":"mood","value":"good"}` + "\n" +
		`{"t":"trial","n":1,"settings":{"workers":3,"prefetch":{"depth":2},"streams":2},"shiny":true}` + "\n"
	p, err := profiles.Decode("a", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for i, l := range p.Lines {
		kinds = append(kinds, l.Kind)
		if want := strings.Split(in, "\n")[i]; string(l.Raw) != want {
			t.Errorf("line %d = %s, want %s", l.Number, l.Raw, want)
		}
	}
	if diff := cmp.Diff([]string{"header", "mood", "trial"}, kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if s := p.Trials[0].Settings; s.Workers != 3 || s.Get("streams") != "2" {
		t.Errorf("settings %v, want workers 3 and streams 2", s)
	}
	if want := `line 3: unknown knobs ["prefetch"]; kept, but ignored`; len(p.Warnings) != 1 || p.Warnings[0] != want {
		t.Errorf("warnings = %q, want %q", p.Warnings, want)
	}
	var b bytes.Buffer
	if err := profiles.WriteShowJSON(&b, p); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"new_field": 1`, `"value": "good"`, `"shiny": true`, `"depth": 2`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("show as JSON has no %s", want)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", "profiles: a: not a sweetspot profile"},
		{"other JSON", `{"x":1}` + "\n", `profiles: a: line 1: kind "", want header`},
		{"text", "hello\n", "profiles: a: line 1: not a JSON object"},
		{"other format", `{"t":"header","format":"x","version":1}` + "\n", `line 1: header: format "x", want sweetspot-profile`},
		{"newer", `{"t":"header","format":"sweetspot-profile","version":2,"seed":"no number"}` + "\n", "line 1: header: version 2: this sweetspot reads versions 1-1"},
		{"damaged line", head + "\x00\x00\n" + `{"t":"trial","n":1}` + "\n", "profiles: a: line 2: not a JSON object"},
		{"wrong type", head + "\n" + `{"t":"trial","n":"x"}` + "\n", "profiles: a: line 3: trial: n: string, want a whole number"},
		{
			"wrong type within", head + "\n" + `{"t":"trial","blocks":{"disturbed":"many"}}` + "\n",
			"profiles: a: line 3: trial: blocks.disturbed: string, want a whole number",
		},
		{
			"too large", head + "\n" + `{"t":"trial","blocks":{"disturbed":1e99}}` + "\n",
			"profiles: a: line 3: trial: blocks.disturbed: number 1e99, want a whole number",
		},
		{"no list", head + "\n" + `{"t":"trial","warnings":3}` + "\n", "trial: warnings: number, want a list"},
		{"wrong value", head + `{"t":"trial","settings":{"precision":"fp8"}}` + "\n", `line 2: trial: settings: precision "fp8": want fp32 or fp16`},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			p, err := profiles.Decode("a", []byte(c.in))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Decode = %v, want %q", err, c.want)
			}
			if strings.HasPrefix(c.in, head) == (p == nil) {
				t.Errorf("Decode = %v: a profile is returned exactly if there is a header", p)
			}
		})
	}
}

func TestDecodeWithoutSLA(t *testing.T) {
	p, err := profiles.Decode("a", []byte(head+head+`{"t":"trial","n":1,"verdict":{"result":"pass","percentile":95,"limit_ms":20,"latency":"model"},"throughput_rps":{"value":3}}`+"\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "second header") {
		t.Errorf("warnings = %q", p.Warnings)
	}
	want := trial.SLA{Percentile: 95, Limit: 20 * time.Millisecond, Latency: trial.ModelLatency}
	if sla, ok := p.SLA(); !ok || sla != want {
		t.Errorf("SLA = %v, %t, want %v from the verdict", sla, ok, want)
	}
	if best, ok := p.Best(); !ok || best.N != 1 {
		t.Errorf("Best = %d, %t, want 1 without a choice", best.N, ok)
	}
	if p.State() != profiles.Interrupted {
		t.Errorf("State = %s", p.State())
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(head))
	f.Add([]byte(head + `{"t":"trial","n":1,"settings":{"workers":3,"prefetch":2},"options":{"rule":"eager"},"load":{"mode":"open","rate":5}}` + "\n" + `{"t":"end","state":"do`))
	f.Add([]byte(head + `{"t":"choice","n":1,"why":{"skipped":[{"settings":{"x":1}}]}}` + "\n" + `{"t":"probe","service_ms":{"median":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := profiles.Decode("name", data)
		if err != nil && !strings.HasPrefix(err.Error(), "profiles: name: ") {
			t.Fatalf("error %q does not name the profile", err)
		}
		if p == nil {
			if err == nil {
				t.Fatal("neither profile nor error")
			}
			return
		}
		p.State()
		var b bytes.Buffer
		if err := profiles.WriteShow(&b, p, profiles.Style{Width: 60}); err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(b.Bytes(), "\x1b\x00\r") {
			t.Fatalf("control characters in the output: %q", b.Bytes())
		}
		if err := profiles.WriteShowJSON(&b, p); err != nil {
			t.Fatal(err)
		}
		// The lines that were read, written again, give the same profile.
		var again bytes.Buffer
		for _, l := range p.Lines {
			fmt.Fprintf(&again, "%s\n", l.Raw)
		}
		q, err := profiles.Decode("name", again.Bytes())
		if err != nil || len(q.Lines) != len(p.Lines) {
			t.Fatalf("read again: %v, %d lines of %d", err, len(q.Lines), len(p.Lines))
		}
	})
}

func TestReadMissing(t *testing.T) {
	if _, err := profiles.Read(filepath.Join(t.TempDir(), "x.jsonl")); err == nil {
		t.Error("Read of a missing file: no error")
	}
}

// TestVersions reads files of all versions, so that old profiles can always be read. The
// files must never be changed. A new version adds its files here.
func TestVersions(t *testing.T) {
	seen := map[int]bool{}
	for _, c := range []struct {
		version int
		file    string
		lines   int
		check   func(*testing.T, *profiles.Profile)
	}{
		{1, "v1.jsonl", 6, checkVersion1},
		{1, "v1-live.jsonl", 6, checkVersion1Live},
	} {
		seen[c.version] = true
		t.Run(c.file, func(t *testing.T) {
			p := read(t, filepath.Join("testdata", c.file))
			if len(p.Warnings) > 0 || len(p.Lines) != c.lines || p.State() != profiles.Done {
				t.Errorf("%d lines, state %s, warnings %q", len(p.Lines), p.State(), p.Warnings)
			}
			c.check(t, p)
		})
	}
	for v := 1; v <= profiles.Version; v++ {
		if !seen[v] {
			t.Errorf("no file of version %d", v)
		}
	}
}

func checkVersion1(t *testing.T, p *profiles.Profile) {
	r, ok := p.Best()
	if !ok || r.N != 31 || r.Counts.OK != 6550 || r.Latency.P99.Low.Text(1) != "39.4" || r.Latency.P999.High.OK() || r.Batches.Sizes[8] != 710 {
		t.Errorf("trial = %+v", r)
	}
	if p.Probes[0].ServiceTime.Median.Text(2) != "4.02" || p.Header.Machine.MemoryMB.Text(0) != "24000" || *p.End.Choice != 31 {
		t.Errorf("probe %+v, machine %+v, end %+v", p.Probes[0], p.Header.Machine, p.End)
	}
	if c, ok := p.Choice(); !ok || c.Why.Skipped[0].Reason != "batch above concurrency" {
		t.Errorf("choice = %+v", c)
	}
}

func checkVersion1Live(t *testing.T, p *profiles.Profile) {
	if p.Header.Kind != profiles.Live || p.Trials[0].Role != trial.RoleLive || p.Series[1].String() != "3 steps of 1 s, P99 9.00-12.5 ms, 500.0-510.0 req/s" {
		t.Errorf("kind %s, trial %+v, series %v", p.Header.Kind, p.Trials[0], p.Series)
	}
	if !slices.Equal(p.Tags(), []string{"baseline"}) || p.Events[1].Detail != "before the new driver" {
		t.Errorf("tags %q, events %+v", p.Tags(), p.Events)
	}
	if x := p.Header.Model.Inputs; len(x) != 1 || x[0].Name != "x" || x[0].Type != "FP32" || !slices.Equal(x[0].Shape, []int64{2048}) {
		t.Errorf("inputs = %+v", x)
	}
}

func BenchmarkDecode(b *testing.B) {
	data, err := os.ReadFile(filepath.Join("testdata", "v1.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	data = slices.Concat(first, []byte("\n"), bytes.Repeat(rest, 50))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := profiles.Decode("a", data); err != nil {
			b.Fatal(err)
		}
	}
}

// TestDocs reads the example of the format's page.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "profile-format.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, _, ok := strings.Cut(rest, "```")
	p, err := profiles.Decode("docs", []byte(example))
	if !ok || err != nil || len(p.Lines) != 5 || len(p.Warnings) > 0 {
		t.Fatalf("the page's example: %+v, %v", p, err)
	}
	if c, ok := p.Choice(); !ok || c.N != 31 || p.Probes[0].BatchSize != 8 || p.State() != profiles.Done {
		t.Errorf("choice %+v, probes %+v, state %s", c, p.Probes, p.State())
	}
}

// TestBestWithoutChoice: the best setting of an interrupted sweep is not one with a single
// high run, nor one that its validation did not confirm.
func TestBestWithoutChoice(t *testing.T) {
	ran := func(n, batch int, role trial.Role, rps float64, answer trial.Answer) trial.Trial {
		x := trial.Trial{N: n, Role: role}
		x.Settings.BatchSize, x.Throughput.Value, x.Verdict.Result = batch, trial.NumOf(rps), answer
		return x
	}
	for _, c := range []struct {
		name   string
		trials []trial.Trial
		want   int // number of the trial, 0 for none
	}{
		{"none", nil, 0},
		{"the highest throughput", []trial.Trial{ran(1, 1, trial.RoleLoad, 10, trial.Pass), ran(2, 2, trial.RoleLoad, 20, trial.Pass)}, 2},
		{"one high run", []trial.Trial{
			ran(1, 1, trial.RoleLoad, 30, trial.Pass), ran(2, 1, trial.RoleControl, 5, trial.Pass), ran(3, 2, trial.RoleLoad, 20, trial.Pass),
		}, 3},
		{"one whose validation failed", []trial.Trial{
			ran(1, 1, trial.RoleLoad, 10, trial.Pass), ran(2, 2, trial.RoleLoad, 20, trial.Pass), ran(3, 2, trial.RoleValidation, 20, trial.Fail),
		}, 1},
		{"one whose validation was undecided", []trial.Trial{ran(1, 2, trial.RoleLoad, 20, trial.Pass), ran(2, 2, trial.RoleValidation, 20, trial.Undecided)}, 0},
		{"a validated one before a faster one", []trial.Trial{
			ran(1, 1, trial.RoleLoad, 10, trial.Pass), ran(2, 1, trial.RoleValidation, 10, trial.Pass), ran(3, 2, trial.RoleLoad, 20, trial.Pass),
		}, 2},
		{"live", []trial.Trial{ran(1, 1, trial.RoleLive, 10, trial.Pass), ran(2, 2, trial.RoleLive, 20, trial.Fail)}, 1},
	} {
		p := profiles.Profile{Trials: c.trials}
		if got, ok := p.Best(); got.N != c.want || ok != (c.want > 0) {
			t.Errorf("%s: trial %d, %v; want %d", c.name, got.N, ok, c.want)
		}
	}
}

// Without a choice the rules of the plan decide which setting is the best.
func TestBestByThePlan(t *testing.T) {
	ran := func(n, workers int, rps float64) trial.Trial {
		x := trial.Trial{N: n, Role: trial.RoleLoad}
		x.Settings.Workers, x.Throughput.Value, x.Verdict.Result = workers, trial.NumOf(rps), trial.Pass
		x.Throughput.Low, x.Throughput.High = x.Throughput.Value, x.Throughput.Value
		return x
	}
	differs := ran(3, 3, 40)
	differs.FP16 = &trial.FP16Agreement{Samples: 8, Agree: 2}
	trials := []trial.Trial{ran(1, 1, 10), ran(2, 4, 30), differs}
	for _, c := range []struct {
		name string
		set  func(*plan.Plan)
		want int
	}{
		{"the highest throughput whose FP16 agrees", func(*plan.Plan) {}, 2},
		{"fewest workers", func(p *plan.Plan) { p.Objective = plan.FewestWorkers }, 1},
		{"FP16 is accepted", func(p *plan.Plan) { p.AcceptFP16 = true }, 3},
	} {
		sweepPlan := plan.Default()
		sweepPlan.Model = "builtin:mlp"
		c.set(&sweepPlan)
		text, err := json.Marshal(sweepPlan)
		if err != nil {
			t.Fatal(err)
		}
		p := profiles.Profile{Trials: trials, Header: profiles.Header{Plan: text}}
		if got, ok := p.Best(); !ok || got.N != c.want {
			t.Errorf("%s: trial %d, %v; want %d", c.name, got.N, ok, c.want)
		}
	}
}
