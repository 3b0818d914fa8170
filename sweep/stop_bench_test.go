package sweep_test

import (
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// BenchmarkStop measures all calls of Stop in a trial of 15 s with 2000 requests/s whose verdict
// stays undecided. They use the processor of the load generator during the measurement.
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
