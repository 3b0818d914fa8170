package load_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sweetspot/sweep/load"
)

// BenchmarkClosed measures a request and its answer, including the server.
func BenchmarkClosed(b *testing.B) {
	s := newRawServer(b, respond(okAnswer))
	c := config(s.addr, closed(16))
	c.Max, c.Limit = b.N, time.Hour
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := load.Run(context.Background(), c); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpen reports how much of a rate is sent, the lag, and the processor time, including
// the server.
func BenchmarkOpen(b *testing.B) {
	for _, rate := range []float64{1000, 5000, 30000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			s := newRawServer(b, respond(okAnswer))
			c := config(s.addr, open(rate))
			c.Limit = time.Second
			for b.Loop() {
				res, err := load.Run(context.Background(), c)
				if err != nil {
					b.Fatal(err)
				}
				n := load.Count(res.Samples)
				b.ReportMetric(float64(n.OK)/res.Seconds, "ok/s")
				b.ReportMetric(float64(res.Lag.Quantile(.5).Microseconds()), "lag50-us")
				b.ReportMetric(float64(res.Lag.Quantile(.99).Microseconds()), "lag99-us")
				b.ReportMetric(float64(res.CPU.Microseconds())/float64(res.Sent), "cpu-us/request")
			}
		})
	}
}
