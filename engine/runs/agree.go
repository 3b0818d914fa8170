package runs

import (
	"bytes"
	"math"
	"slices"

	"sweetspot/engine/tensor"
)

// An item's outputs in a batch agree with those of the item alone if integers are equal and
// floats differ by at most AgreeTolerance of the largest number of their tensor. A runtime
// may use other kernels for a batch, which add in another order: a sum of large numbers that
// nearly cancel then differs by more. Such a difference, up to KernelTolerance, is accepted
// if it is a tenth or less of the difference to the other item, and if it does not depend on
// the other items of the batch.
const (
	AgreeTolerance  = 1e-3
	KernelTolerance = 2e-2
)

// In batches of the same size, the same kernels compute an item's outputs, so that they may
// not depend on the other items at all. Numbers may differ by partnerTolerance of themselves
// and partnerFloor of the largest number of their tensor.
const (
	partnerTolerance = 1e-4
	partnerFloor     = 1e-6
)

// Distance returns how far apart the outputs of two runs are: the largest difference of two
// floats relative to the largest number of their tensor. It is infinite if integers, shapes
// or types differ, or if only one of two numbers is finite.
func Distance(a, b tensor.Item) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	worst := 0.0
	for i := range a {
		worst = max(worst, tensorDistance(a[i], b[i]))
	}
	return worst
}

func tensorDistance(a, b tensor.Tensor) float64 {
	switch {
	case !sameForm(a, b):
		return math.Inf(1)
	case bytes.Equal(a.Data, b.Data):
		return 0
	case !a.Type.IsFloat():
		return math.Inf(1)
	}
	worst, scale := 0.0, largest(a)
	eachPair(a, b, func(x, y float64) bool {
		worst = max(worst, difference(x, y))
		return true
	})
	if scale == 0 && worst > 0 {
		return math.Inf(1)
	}
	if worst == 0 {
		return 0 // equal, but not in their bits: NaN or -0
	}
	return worst / scale
}

// independent reports whether the outputs of an item are the same in two batches with
// different other items.
func independent(a, b tensor.Item) bool {
	return slices.EqualFunc(a, b, func(x, y tensor.Tensor) bool {
		switch {
		case !sameForm(x, y):
			return false
		case bytes.Equal(x.Data, y.Data):
			return true
		case !x.Type.IsFloat():
			return false
		}
		floor := partnerFloor * largest(x)
		return eachPair(x, y, func(u, v float64) bool {
			return difference(u, v) <= partnerTolerance*math.Abs(u)+floor
		})
	})
}

func sameForm(a, b tensor.Tensor) bool {
	return a.Type == b.Type && slices.Equal(a.Shape, b.Shape) && len(a.Data) == len(b.Data)
}

// largest is the largest finite absolute value of t.
func largest(t tensor.Tensor) float64 {
	scale := 0.0
	for i := range len(t.Data) / t.Type.Size() {
		if v := math.Abs(tensor.At(t.Type, t.Data, i)); v > scale && !math.IsInf(v, 0) { // false for NaN
			scale = v
		}
	}
	return scale
}

// eachPair calls f with the numbers of a and b until it returns false, and reports whether it
// never did.
func eachPair(a, b tensor.Tensor, f func(x, y float64) bool) bool {
	for i := range len(a.Data) / a.Type.Size() {
		if !f(tensor.At(a.Type, a.Data, i), tensor.At(b.Type, b.Data, i)) {
			return false
		}
	}
	return true
}

// difference is |x-y|. It is infinite if only one of the numbers is finite, or if they are
// different infinities.
func difference(x, y float64) float64 {
	if x == y || math.IsNaN(x) && math.IsNaN(y) {
		return 0
	}
	if d := math.Abs(x - y); !math.IsNaN(d) {
		return d
	}
	return math.Inf(1)
}
