package export_test

import (
	"errors"
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/profiles/export"
)

// TestOwnKnobs: own knobs of the measured server are in the comments of all files, and in
// the settings of the JSON format.
func TestOwnKnobs(t *testing.T) {
	s := source(t, 2)
	s.Settings.Own = "max_batch_size=8 scheduler=fifo"
	for _, f := range export.Formats() {
		d, err := export.Write(f.Name, s, f.Name == "ovms")
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if err := export.Verify(d, s); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		notes := strings.Join(d.Notes, "\n")
		if !strings.Contains(notes, "max_batch_size 8, scheduler fifo") {
			t.Errorf("%s: notes %s", f.Name, notes)
		}
		want := "# The measured server has own knobs (max_batch_size 8, scheduler fifo)"
		if f.Name == "json" {
			want = "\"max_batch_size\": 8,\n    \"scheduler\": \"fifo\"\n"
		}
		if !strings.Contains(string(d.Data), want) && f.Name != "ovms" { // it has only the notes
			t.Errorf("%s: no %s in\n%s", f.Name, want, d.Data)
		}
	}
	changed := s
	changed.Settings.Own = "max_batch_size=32 scheduler=fifo"
	d, err := export.Write("json", s, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := export.Verify(d, changed); err == nil || !strings.Contains(err.Error(), "max_batch_size reads back as") {
		t.Errorf("another value is not detected: %v", err)
	}
}

// TestTorchServeWithoutThreads: a TorchServe that reports neither threads nor precision can have the files of
// TorchServe, which have no key for them, and say so; scripts would set the threads.
func TestTorchServeWithoutThreads(t *testing.T) {
	s := source(t, 2)
	s.Settings.Threads, s.Settings.Precision = 0, knob.PrecisionUnreported
	for _, f := range export.Formats() {
		d, err := export.Write(f.Name, s, false)
		switch f.Name {
		case "config.properties", "model-config.yaml":
			if err != nil || export.Verify(d, s) != nil || !strings.Contains(strings.Join(d.Notes, " "), "does not report its threads and precision") || strings.Contains(string(d.Data), "NUM_THREADS") {
				t.Errorf("%s: %v\n%s", f.Name, err, d.Data)
			}
		case "shell", "docker", "kserve":
			if !errors.Is(err, export.ErrIncomplete) {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
	}
}

// TestIncomplete: if the measured server reports no common knob, only the JSON format can be
// written, also with force.
func TestIncomplete(t *testing.T) {
	s := source(t, 2)
	s.Settings = knob.Settings{Own: "instances=2"}
	for _, f := range export.Formats() {
		d, err := export.Write(f.Name, s, true)
		if f.Name != "json" {
			want := "does not report its workers, batch_size, batch_delay_ms, precision, device, threads, queue_size"
			if f.Name == "config.properties" || f.Name == "model-config.yaml" { // they have no key for precision and threads
				want = "does not report its workers, batch_size, batch_delay_ms, device, queue_size"
			}
			if !errors.Is(err, export.ErrIncomplete) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", f.Name, err)
			}
			continue
		}
		if err != nil || export.Verify(d, s) != nil || !strings.Contains(string(d.Data), `"servers": []`) || !strings.Contains(string(d.Data), `"instances": 2`) {
			t.Errorf("json: %v\n%s", err, d.Data)
		}
		if !strings.Contains(strings.Join(d.Notes, "\n"), "of other servers are left out: the measured server does not report its workers") {
			t.Errorf("json: notes %q", d.Notes)
		}
	}
}

// TestRuleUnreported: a file for another server is written also if the measured server does not
// report its batching rule, and says so; no file claims a rule.
func TestRuleUnreported(t *testing.T) {
	s := source(t, 2)
	s.Options, s.Model.BatchAxis, s.Model.SHA256 = knob.Options{}, nil, ""
	for _, f := range export.Formats() {
		d, err := export.Write(f.Name, s, f.Name == "ovms")
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if err := export.Verify(d, s); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		text := string(d.Data)
		if strings.Contains(text, "torchserve rule") || strings.Contains(text, `"rule"`) || strings.Contains(text, "batch_axis") || strings.Contains(text, "sha256\"") {
			t.Errorf("%s claims what is not reported:\n%s", f.Name, text)
		}
		if f.Name == "json" {
			continue
		}
		if f.Name == "ovms" { // the file has no comments
			text = strings.Join(d.Notes, "\n# ")
			text = strings.ReplaceAll(text, ", rule n/a;", ", rule n/a\n")
		}
		flat := strings.ReplaceAll(text, "\n# ", " ")
		if !strings.Contains(flat, "The measured server does not report its batching rule, so that it is not known whether the figures above apply to") || !strings.Contains(text, ", rule n/a\n") {
			t.Errorf("%s does not say that the rule is not known:\n%s", f.Name, text)
		}
	}
}
