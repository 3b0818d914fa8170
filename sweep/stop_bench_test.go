package sweep_test

import (
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// A trial of 2000 requests/s over 15 s whose verdict stays open, asked after
// each block: what the generator's process pays for it while it measures.
func BenchmarkStop(b *testing.B) {
	const gap, block = 500 * time.Microsecond, 250 * time.Millisecond
	samples := make([]load.Sample, 30_000)
	for i := range samples {
		samples[i] = load.Sample{Planned: time.Duration(i) * gap, Latency: time.Duration(4+i%7) * ms}
		if i%100 == 99 {
			samples[i].Latency = 20 * ms
		}
	}
	sla := trial.SLA{Percentile: 99, Limit: 15 * ms}
	b.ReportAllocs()
	for b.Loop() {
		stop := sweep.UntilCertain(sla, load.Spec{Mode: load.Closed})
		for n := int(block / gap); n <= len(samples); n += int(block / gap) {
			if ended, why := stop(time.Duration(n)*gap, samples[:n]); ended {
				b.Fatal(why)
			}
		}
	}
}
