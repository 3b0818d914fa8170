package lengths_test

import (
	"slices"
	"testing"

	"sweetspot/engine/lengths"
)

func TestParseBuckets(t *testing.T) {
	for text, want := range map[string][]int64{
		"16": {16}, "16,32,64": {16, 32, 64}, "16-128*2": {16, 32, 64, 128}, "16-100*2": {16, 32, 64}, "8, 16-64*4": {8, 16, 64}, "5-5*3": {5},
	} {
		got, err := lengths.ParseBuckets(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("ParseBuckets(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "0", "16,16", "32,16", "16-8*2", "16*2", "16-128", "16-128*1", "0-8*2", "1-99999999*2", "16-128*2*2", "-4"} {
		if got, err := lengths.ParseBuckets(text); err == nil {
			t.Errorf("ParseBuckets(%q) = %v, want an error", text, got)
		}
	}
}

// FuzzParseBuckets: buckets are refused, or their text reads back.
func FuzzParseBuckets(f *testing.F) {
	for _, text := range []string{"16,32,64", "16-128*2", "1-9*3", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := lengths.ParseBuckets(text)
		if err != nil {
			return
		}
		again, err := lengths.ParseBuckets(lengths.BucketsText(got))
		if err != nil || !slices.Equal(again, got) {
			t.Errorf("%q: %v reads back as %v, %v", text, got, again, err)
		}
	})
}
