package predict_test

import (
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
)

// BenchmarkRun reports the simulated requests per second on one core.
func BenchmarkRun(b *testing.B) {
	const n = 20_000
	for _, bm := range []struct {
		name      string
		c         predict.Config
		hasSpread bool
		closed    bool
	}{
		{"torchserve", config(knob.TorchServe, 2, 8, 2*ms), false, false},
		{"eager", config(knob.Eager, 2, 8, 0), false, false},
		{"batch-1", config(knob.TorchServe, 1, 1, ms), false, false},
		{"closed", config(knob.TorchServe, 1, 8, ms), false, true},
		{"noisy", config(knob.TorchServe, 2, 8, 2*ms), true, false},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c := bm.c
			switch {
			case bm.closed:
				c.Clients, c.Requests = 10, n
			default:
				c.Plan = poisson(c, .8, n, 1)
			}
			if bm.hasSpread {
				c.Service, c.Wake = c.Service.WithSpread(.08), 50*time.Microsecond
			}
			s := predict.New(c)
			b.ReportAllocs()
			for b.Loop() {
				s.Reset(c)
				s.Run()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
		})
	}
}

func BenchmarkMaxRate(b *testing.B) {
	c := config(knob.TorchServe, 2, 8, 2*ms)
	s := predict.New(c)
	for b.Loop() {
		predict.MaxRate(s, c, load.Poisson, 3000, predict.Promise{Q: .99, Limit: 15 * ms})
	}
}
