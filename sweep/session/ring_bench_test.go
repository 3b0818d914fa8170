package session

import (
	"testing"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// BenchmarkPublish is what a snapshot's live part costs with half a minute of
// 3000 answers a second behind it, five times a second while a person watches.
func BenchmarkPublish(b *testing.B) {
	sla := trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond}
	r := ring{sla: sla}
	at := time.Unix(0, 0)
	for range longest {
		for i := range 3000 {
			r.add(load.Sample{Latency: time.Duration(5+i%7) * time.Millisecond, Model: 3 * time.Millisecond, Batch: 4})
		}
		at = at.Add(time.Second)
		r.second(at, trial.ResourceUse{})
	}
	b.ReportAllocs()
	for b.Loop() {
		r.live(trial.ResourceUse{})
	}
}
