package export_test

import (
	"errors"
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/profiles/export"
)

// TestOwnKnobs: what the measured server had of its own is said in every file, in
// comments where it has any, and is in the JSON as settings.
func TestOwnKnobs(t *testing.T) {
	s := source(t, 2)
	s.Settings.Own = "max_batch_size=8 scheduler=fifo"
	for _, f := range export.Formats() {
		d, err := export.Write(f.Name, s, false)
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
		want := "# The measured server has knobs of its own (max_batch_size 8, scheduler fifo)"
		if f.Name == "json" {
			want = "\"max_batch_size\": 8,\n    \"scheduler\": \"fifo\"\n"
		}
		if !strings.Contains(string(d.Data), want) {
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
		t.Errorf("another value verifies: %v", err)
	}
}

// TestUntold: of a server that tells none of the seven nothing can be made for
// another one, not even by force; the JSON has what there is.
func TestUntold(t *testing.T) {
	s := source(t, 2)
	s.Settings = knob.Settings{Own: "instances=2"}
	for _, f := range export.Formats() {
		d, err := export.Write(f.Name, s, true)
		if f.Name != "json" {
			if !errors.Is(err, export.ErrUntold) || !strings.Contains(err.Error(), "does not tell its workers, batch_size, batch_delay_ms, precision, device, threads, queue_size") {
				t.Errorf("%s: %v", f.Name, err)
			}
			continue
		}
		if err != nil || export.Verify(d, s) != nil || !strings.Contains(string(d.Data), `"servers": []`) || !strings.Contains(string(d.Data), `"instances": 2`) {
			t.Errorf("json: %v\n%s", err, d.Data)
		}
		if !strings.Contains(strings.Join(d.Notes, "\n"), "in other servers is left out: the measured server does not tell its workers") {
			t.Errorf("json: notes %q", d.Notes)
		}
	}
}
