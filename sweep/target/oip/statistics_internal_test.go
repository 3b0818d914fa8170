package oip

import (
	"encoding/json"
	"math"
	"testing"

	"sweetspot/sweep/trial"
)

// FuzzStatistics reads the statistics of a Triton. No number is negative or infinite, each size of a batch has its place, and what two
// readings say about the time between them is positive or an error.
func FuzzStatistics(f *testing.F) {
	const one = `{"model_stats":[{"name":"m","version":"1","inference_count":40,"execution_count":10,
		"inference_stats":{"success":{"count":40,"ns":4000},"fail":{"count":1,"ns":5},"queue":{"count":40,"ns":1000},
			"compute_input":{"count":40,"ns":100},"compute_infer":{"count":40,"ns":2000},"compute_output":{"count":40,"ns":100}},
		"batch_stats":[{"batch_size":4,"compute_infer":{"count":10,"ns":500}}]}]}`
	f.Add([]byte(`{"model_stats":[{"name":"m","version":"1"}]}`), []byte(one))
	f.Add([]byte(one), []byte(`{"model_stats":[{"name":"m"},{"name":"other"},{"name":"m","inference_count":18446744073709551615}]}`))
	f.Add([]byte(`{"model_stats":[{"name":"m","batch_stats":[{"batch_size":18446744073709551615,"compute_infer":{"count":18446744073709551615}}]}]}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		var readings []reading
		for _, text := range [][]byte{before, after} {
			var a statisticsAnswer
			if json.Unmarshal(text, &a) != nil {
				return
			}
			r, err := a.sums("m")
			if err != nil {
				return
			}
			for _, v := range []float64{r.requests, r.answers, r.total, r.queue, r.compute, r.rows, r.batches} {
				if v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
					t.Errorf("%+v", r)
				}
			}
			for size, n := range r.sizes {
				if size < 0 || size > maxBatch || n < 0 {
					t.Errorf("%v batches of size %d", n, size)
				}
			}
			readings = append(readings, r)
		}
		var out trial.Result
		if readings[1].since(readings[0], &out) != nil {
			return
		}
		if out.Breakdown.Queue.Or(0) < 0 || out.Breakdown.Execution.Or(0) < 0 || out.Batches.Mean.Or(0) < 0 {
			t.Errorf("%+v, %+v", out.Breakdown, out.Batches)
		}
		for size, n := range out.Batches.Sizes {
			if n <= 0 {
				t.Errorf("%d batches of size %d", n, size)
			}
		}
	})
}
