package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Every duration is counted in the first bucket whose bound it does not exceed.
func TestDurationCounts(t *testing.T) {
	if !slices.IsSorted(durationBounds[:]) {
		t.Fatal("the bounds are not ascending")
	}
	r := rand.New(rand.NewPCG(1, 2))
	all := []time.Duration{0, 1, time.Hour, 1<<63 - 1}
	for _, b := range durationBounds {
		all = append(all, b-1, b, b+1)
	}
	for range 1000 {
		all = append(all, time.Duration(r.Int64N(int64(time.Minute))>>r.IntN(40)))
	}
	for _, d := range all {
		var c durationCounts
		c.add(d)
		want, _ := slices.BinarySearch(durationBounds[:], d)
		if got := slices.Index(c.n[:], 1); got != want || c.sum != d {
			t.Errorf("%v is in bucket %d, want %d; sum %v", d, got, want, c.sum)
		}
	}
}
