package export_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles/export"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// written returns an export without the breaks of its comments.
func written(t *testing.T, format string, s export.Source) string {
	t.Helper()
	d, err := export.Write(format, s, true)
	if err != nil {
		t.Fatal(err)
	}
	text := string(d.Data)
	if format == "ovms" { // the file has no comments
		text += strings.Join(d.Notes, " ")
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n#", "")), " ")
}

// TestMeasuredOn: each format says which server the figures are from, and those of TorchServe whether that was one.
func TestMeasuredOn(t *testing.T) {
	const not = "Not measured on TorchServe"
	for _, c := range []struct {
		runtime string
		want    string
		is      bool // a TorchServe
	}{
		{"onnxruntime 1.27.0 cpu", "server sweetspot's own engine, onnxruntime 1.27.0 cpu", false},
		{"simulated", "server sweetspot's own engine, simulated", false},
		{"TorchServe", "server TorchServe", true},
		{"virtual device", "server a simulated device, in virtual time", false},
		{"python3", "server python3", false},
		{"", "server not known: the profile does not say it", false},
	} {
		for _, f := range export.Formats() {
			s := source(t, 0)
			s.Machine.Runtime = c.runtime
			text := written(t, f.Name, s)
			if f.Name == "json" {
				var choice struct {
					Server string `json:"measured_on"`
				}
				if err := json.Unmarshal([]byte(text), &choice); err != nil || "server "+choice.Server != c.want {
					t.Errorf("%s %q: %q, %v", f.Name, c.runtime, choice.Server, err)
				}
				continue
			}
			if !strings.Contains(text, c.want+" ") && !strings.Contains(text, c.want+";") {
				t.Errorf("%s does not say %q", f.Name, c.want)
			}
			if f.Name != "triton" && f.Name != "ovms" && strings.Contains(text, not) == c.is {
				t.Errorf("%s of %q says %q: %v", f.Name, c.runtime, not, !c.is)
			}
			if own := strings.HasPrefix(c.want, "server sweetspot"); f.Name != "triton" && f.Name != "ovms" && strings.Contains(text, "typically about 0.7 ms for each batch and 0.3 ms for each request") != own {
				t.Errorf("%s of %q: typical cost: %v", f.Name, c.runtime, !own)
			}
		}
	}
}

// TestTypicalCost: the note has what the typical cost would change in the figures.
func TestTypicalCost(t *testing.T) {
	s := source(t, 0)
	s.Trial.Breakdown.Execution, s.Trial.Batches.Mean = trial.NumOf(9), trial.NumOf(6)
	const want = "its batches of 6 requests would take 11.5 ms and not 9.00: 2 workers answer at most 1043 requests/s, and not 1333."
	if text := written(t, "config.properties", s); !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	s.Settings.Workers = 1
	if text := written(t, "config.properties", s); !strings.Contains(text, "not 9.00: one worker answers at most 521.7 requests/s, and not 666.7.") {
		t.Errorf("one worker:\n%s", text)
	}
	s.Settings.Workers, s.Settings.BatchSize, s.Trial.Batches.Mean = 2, 1, trial.NumOf(1)
	if text := written(t, "config.properties", s); !strings.Contains(text, "its batches of 1 requests would take 10.0 ms and not 9.00") {
		t.Errorf("batch size 1:\n%s", text)
	}
	s.Predicted = "Predicted for a running TorchServe: 1000 requests/s."
	if text := written(t, "config.properties", s); !strings.Contains(text, s.Predicted) || strings.Contains(text, "typically") {
		t.Errorf("a prediction:\n%s", text)
	}
}

// TestCheckCommand: the command has the settings, the promise and the load, on one line.
func TestCheckCommand(t *testing.T) {
	s := source(t, 0)
	s.SLA.MaxErrorRate = .01
	const begin = "sweetspot mlp-wide --sweep --target http://127.0.0.1:8081 --input BODY --workers 2 --batch-size 8 --batch-delay 10 --sla 100ms --percentile 99 --max-errors 0.01"
	for _, c := range []struct {
		load load.Spec
		want string
	}{
		{load.Spec{Concurrency: 10}, " --concurrency 10"},
		{load.Spec{Mode: load.Open, Rate: 80.5}, " --rate 80.5"},
		{load.Spec{Mode: load.Open, Rate: 80, Arrivals: load.Constant}, " --rate 80 --arrivals constant"},
		{load.Spec{Mode: load.Ramp, From: 10, To: 50, Over: time.Second}, " --rate 50"},
		{load.Spec{Mode: load.Trace, File: "a/b.csv"}, " --trace b.csv"},
	} {
		s.Trial.Load = c.load
		if got := export.CheckCommand(s); got != begin+c.want {
			t.Errorf("%v: %s", c.load, got)
		}
		d, err := export.Write("config.properties", s, false)
		if err != nil || !strings.Contains(string(d.Data), "\n# "+begin+c.want+"\n") {
			t.Errorf("the file does not have the command on one line: %v", err)
		}
	}
	s.Trial, s.SLA, s.Load = nil, nil, load.Spec{Concurrency: 3}
	if got := export.CheckCommand(s); !strings.HasSuffix(got, "--batch-delay 10 --concurrency 3") {
		t.Errorf("settings that were not measured: %s", got)
	}
	s.Settings = knob.Settings{}
	if got := export.CheckCommand(s); strings.Contains(got, "--workers") {
		t.Errorf("settings that are not known: %s", got)
	}
}
