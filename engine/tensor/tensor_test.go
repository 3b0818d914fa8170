package tensor_test

import (
	"math"
	"testing"

	"sweetspot/engine/tensor"
)

func TestSpecMaxSize(t *testing.T) {
	s := tensor.Spec{Name: "p", Type: tensor.Uint8, Shape: []int64{-1}, MaxSize: 2}
	for n, ok := range []bool{true, true, true, false} {
		err := s.Check(tensor.Tensor{Type: tensor.Uint8, Shape: []int64{int64(n)}, Data: make([]byte, n)})
		if (err == nil) != ok {
			t.Errorf("%d numbers: %v", n, err)
		}
	}
}

func TestElements(t *testing.T) {
	for _, tc := range []struct {
		shape []int64
		want  int64
	}{
		{nil, 1},
		{[]int64{}, 1},
		{[]int64{3, 224, 224}, 150528},
		{[]int64{0, 5}, 0},
		{[]int64{5, 0}, 0},
		{[]int64{2, -1}, -1},
		{[]int64{math.MaxInt64}, math.MaxInt64},
		{[]int64{1 << 32, 1 << 31}, -1},
		{[]int64{1 << 31, 1 << 31, 1}, 1 << 62},
	} {
		if got := tensor.Elements(tc.shape); got != tc.want {
			t.Errorf("Elements(%v) = %d, want %d", tc.shape, got, tc.want)
		}
	}
}

func TestFits(t *testing.T) {
	for _, tc := range []struct {
		want, got []int64
		fits      bool
	}{
		{nil, nil, true},
		{[]int64{}, nil, true},
		{[]int64{2, 3}, []int64{2, 3}, true},
		{[]int64{2, 3}, []int64{3, 2}, false},
		{[]int64{2, 3}, []int64{2, 3, 1}, false},
		{[]int64{-1, 3}, []int64{7, 3}, true},
		{[]int64{-1, 3}, []int64{0, 3}, true},
		{[]int64{-1, 3}, []int64{-1, 3}, false}, // a value has no open dimension
		{[]int64{-1}, []int64{7, 3}, false},
	} {
		if got := tensor.Fits(tc.want, tc.got); got != tc.fits {
			t.Errorf("Fits(%v, %v) = %t", tc.want, tc.got, got)
		}
	}
}
