// Package latency has the histogram of latencies that all packages use. It counts whole
// microseconds from 1 us to 1000 s with 3 digits, so that a recorded value has an error of
// at most 0.1%.
//
// A [Hist] is not safe for concurrent use; record into one per goroutine and
// Merge. The quantile q of n values is the value of rank ceil(q n) in ascending order,
// everywhere in this program.
package latency

import (
	"encoding/base64"
	"fmt"
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds and resolution. Values outside the bounds are recorded at the bound.
const (
	Min    = time.Microsecond
	Max    = 1000 * time.Second
	digits = 3
)

// Hist is a histogram of latencies.
type Hist struct{ h *hdr.Histogram }

// New returns an empty histogram.
func New() *Hist {
	return &Hist{hdr.New(int64(Min/time.Microsecond), int64(Max/time.Microsecond), digits)}
}

// Record adds one latency; values outside the bounds count at the bound.
func (h *Hist) Record(d time.Duration) { h.RecordN(d, 1) }

// RecordN adds n equal latencies.
func (h *Hist) RecordN(d time.Duration, n int64) {
	us := int64(min(max(d, Min), Max) / time.Microsecond)
	if err := h.h.RecordValues(us, n); err != nil {
		panic("latency: " + err.Error()) // impossible after the clamp above
	}
}

// Merge adds all values of o and does not change o.
func (h *Hist) Merge(o *Hist) {
	if dropped := h.h.Merge(o.h); dropped > 0 {
		panic("latency: histograms with different bounds")
	}
}

// Count returns the number of recorded latencies.
func (h *Hist) Count() int64 { return h.h.TotalCount() }

// Mean returns the mean latency; 0 when empty.
func (h *Hist) Mean() time.Duration { return time.Duration(h.h.Mean() * float64(time.Microsecond)) }

// Largest returns the largest recorded latency; 0 when empty.
func (h *Hist) Largest() time.Duration { return time.Duration(h.h.Max()) * time.Microsecond }

// Quantile returns the latency of rank ceil(q n), q in 0..1; 0 when empty.
func (h *Hist) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	// hdr rounds q n to the nearest rank. A quarter below rank ceil(q n) it rounds to
	// that rank. The term 1e-9*n keeps .99 x 100 from becoming 100.
	n := float64(h.Count())
	rank := max(1, math.Ceil(min(max(q, 0), 1)*n-1e-9*n))
	v := h.h.ValueAtQuantile((rank - 0.25) / n * 100)
	v = min(max(v, h.h.Min()), h.h.Max())
	return time.Duration(v) * time.Microsecond
}

// Reset removes all values and keeps the memory.
func (h *Hist) Reset() { h.h.Reset() }

// Encode returns the HDR V2 compressed encoding in base64, as profiles have it.
func (h *Hist) Encode() (string, error) {
	b, err := h.h.Encode(hdr.V2CompressedEncodingCookieBase)
	return string(b), err
}

// Decode reads what Encode wrote.
func Decode(s string) (*Hist, error) {
	if _, err := base64.StdEncoding.DecodeString(s); err != nil {
		return nil, fmt.Errorf("latency: histogram is not base64: %v", err)
	}
	h, err := hdr.Decode([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("latency: %v", err)
	}
	out := New()
	if dropped := out.h.Merge(h); dropped > 0 {
		return nil, fmt.Errorf("latency: histogram holds %d values outside %v-%v", dropped, Min, Max)
	}
	return out, nil
}
