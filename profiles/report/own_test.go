package report_test

import (
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/profiles/report"
)

// TestOwnKnobs: own knobs of the target are columns after the common ones, and unknown values
// are empty. The study writes the names of own knobs.
func TestOwnKnobs(t *testing.T) {
	p := profile()
	p.Trials[0].Settings = knob.Settings{Own: "instances=2 max_batch_size=8"}
	var csv, study strings.Builder
	if err := report.CSV(&csv, p); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(csv.String(), "\n")
	if !strings.Contains(lines[0], ",queue_size,instances,max_batch_size,load,") || !strings.HasPrefix(lines[1], "1,load,,,,,,,,2,8,concurrency 10,") {
		t.Errorf("%s\n%s", lines[0], lines[1])
	}
	if err := report.Study(&study, p); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(study.String(), "| instances 2, max_batch_size 8 ") {
		t.Error(study.String())
	}
}
