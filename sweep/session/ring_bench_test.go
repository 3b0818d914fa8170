package session

import (
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// BenchmarkPublish measures the live part of a snapshot, after half a minute with 3000 answers/s.
// Snapshots are made five times a second.
func BenchmarkPublish(b *testing.B) {
	sla := trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond}
	r := ring{sla: sla}
	at := time.Unix(0, 0)
	for range minWindow {
		for i := range 3000 {
			r.add(load.Sample{Latency: time.Duration(5+i%7) * time.Millisecond, Model: 3 * time.Millisecond, Batch: 4})
		}
		at = at.Add(time.Second)
		r.endSecond(at, trial.ResourceUse{}, sweep.Host{})
	}
	b.ReportAllocs()
	for b.Loop() {
		r.snapshot(trial.ResourceUse{}, sweep.Host{})
	}
}
