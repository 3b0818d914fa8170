package main

import "testing"

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
