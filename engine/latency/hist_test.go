package latency_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sweetspot/engine/latency"
)

// TestError checks the error of 0.1% from 1 us to 100 s.
func TestError(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	h := latency.New()
	for range 500 {
		h.Reset()
		d := time.Duration(math.Exp(rng.Float64()*math.Log(1e8)) * float64(time.Microsecond)).Truncate(time.Microsecond)
		h.Record(d)
		h.Record(200 * time.Second) // so that the largest value does not clamp the quantile
		got := h.Quantile(0.5)
		if diff := math.Abs(float64(got-d)) / float64(d); diff > 0.001 {
			t.Fatalf("recorded %v, got %v: error %.3f%%", d, got, 100*diff)
		}
	}
}

// TestQuantileRank checks that a quantile is the value of rank ceil(q n).
func TestQuantileRank(t *testing.T) {
	h := latency.New()
	for i := range 100 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	for _, tc := range []struct {
		q    float64
		want time.Duration
	}{{0, 1}, {0.01, 1}, {0.5, 50}, {0.501, 51}, {0.99, 99}, {0.991, 100}, {1, 100}} {
		got := h.Quantile(tc.q)
		if diff := math.Abs(float64(got) - float64(tc.want*time.Millisecond)); diff > float64(tc.want)*1000 {
			t.Errorf("Quantile(%g) = %v, want %v ms", tc.q, got, tc.want)
		}
	}
	if latency.New().Quantile(0.99) != 0 {
		t.Error("an empty histogram has a quantile")
	}
}

// TestMergeAnyOrder checks that parts merged in any order give the whole, and that
// percentiles increase.
func TestMergeAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	whole := latency.New()
	parts := make([]*latency.Hist, 5)
	for i := range parts {
		parts[i] = latency.New()
	}
	for range 5000 {
		d := time.Duration(rng.ExpFloat64() * float64(10*time.Millisecond))
		whole.Record(d)
		parts[rng.IntN(len(parts))].Record(d)
	}
	want, err := whole.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		sum := latency.New()
		for _, p := range parts {
			sum.Merge(p)
		}
		if got, _ := sum.Encode(); got != want {
			t.Fatal("merging in another order gives another histogram")
		}
	}
	last := time.Duration(0)
	for i := range 101 {
		v := whole.Quantile(float64(i) / 100)
		if v < last {
			t.Fatalf("percentiles decrease at P%d", i)
		}
		last = v
	}
	if last > whole.Largest() {
		t.Errorf("P100 %v above the largest value %v", last, whole.Largest())
	}
}

func TestEncodeDecode(t *testing.T) {
	h := latency.New()
	h.RecordN(3*time.Millisecond, 7)
	h.Record(0)             // at the lower bound
	h.Record(2 * time.Hour) // at the upper bound
	text, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := latency.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if back.Count() != 9 || back.Quantile(0.5) != h.Quantile(0.5) || back.Largest() < 999*time.Second {
		t.Errorf("decoded %d values, P50 %v, largest %v", back.Count(), back.Quantile(0.5), back.Largest())
	}
}

func FuzzDecode(f *testing.F) {
	h := latency.New()
	h.Record(time.Millisecond)
	text, _ := h.Encode()
	f.Add(text)
	f.Add("")
	f.Add("HISTFAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := latency.Decode(s)
		if err == nil && h.Count() < 0 {
			t.Error("negative count")
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	h := latency.New()
	d := slices.Max([]time.Duration{3 * time.Millisecond, time.Microsecond})
	b.ReportAllocs()
	for b.Loop() {
		h.Record(d)
	}
}
