package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLengths(t *testing.T) {
	needLibrary(t)
	got, fields := figureLines(t, "lengths")
	var want []string
	for _, v := range lengthVariants() {
		want = append(want, "lengths.difference."+v.name)
	}
	want = append(want, "lengths.ratio.equal", "lengths.ratio.buckets", "lengths.ratio.longest", "lengths.ratio.best")
	for _, v := range lengthVariants() {
		want = append(want, "lengths.rate."+v.name, "lengths.p99."+v.name)
	}
	for _, v := range lengthVariants() {
		want = append(want, "lengths.split."+v.name, "lengths.padding."+v.name)
	}
	want = append(want, "lengths.error.rate", "lengths.error.p99", "lengths.per-class.equal", "lengths.per-class.buckets")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	for name, value := range map[string]string{"lengths.split.longest": "0", "lengths.split.all": "0", "lengths.padding.equal": "0"} {
		if f := fields[name]; len(f) < 2 || f[1] != value {
			t.Errorf("%s is %v, want %s", name, f, value)
		}
	}
	for _, v := range lengthVariants() { // counts and answers, whatever the machine does
		if f := fields["lengths.difference."+v.name]; len(f) < 5 || f[4] != "ok" {
			t.Errorf("lengths.difference.%s: %v, want ok", v.name, f)
		}
	}
}

func TestNewsLengths(t *testing.T) {
	mix, err := newsMix()
	if err != nil {
		t.Fatal(err)
	}
	sum, n := 0, 0
	for i, count := range newsLengths {
		sum, n = sum+count*(newsLowest+i), n+count
	}
	if low, _ := mix.Bounds(); low != newsLowest || newsHighest != 128 || n != 7563 || sum/n != 42 {
		t.Errorf("%d texts of %d to %d tokens, mean %d", n, low, newsHighest, sum/n)
	}
}
