package main

import (
	"strings"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// The line of a running trial names the promised percentile, and says how long there has been no answer.
func TestLiveLine(t *testing.T) {
	st := session.Sweep{Total: 9, Current: &sweep.Current{N: 2, Stage: sweep.StageMeasure, RPS: trial.NumOf(640), P99MS: trial.NumOf(15.2)}}
	st.Plan.SLA.Percentile = 95
	if got := liveLine(st); !strings.Contains(got, "[ 2/9]") || !strings.Contains(got, "640/s  P95 15.2 ms") {
		t.Errorf("line %q", got)
	}
	st.Current.Silent = 12 * time.Second
	if got := liveLine(st); !strings.Contains(got, "no answer for 12s") || strings.Contains(got, "640") {
		t.Errorf("line without answers %q", got)
	}
}
