package runs

import (
	"context"
	"fmt"
	"math"
	"time"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Check compares batches of items with the same items alone. The items have equal shapes and
// equal side inputs; Alone has the outputs of each in a run of its own.
type Check struct {
	Runner Runner
	Items  []tensor.Item // at least two, perhaps the same one twice
	Alone  []tensor.Item
	// Size is that of the largest batch, which repeats the items; 0 is none beyond three.
	Size int
	// Time bounds the comparisons after those of the first pair; a slow model shows less.
	Time time.Duration

	// Reached is the size of the largest batch that was compared.
	Reached int
}

// Mixed is the error of a batch whose items have other outputs than alone.
type Mixed string

func (m Mixed) Error() string { return string(m) }

// Run returns why the items may not run together; nil if no batch shows it. It runs a pair in both orders, pairs that
// share an item in the same place, so that its outputs must not change, a batch of three, and
// the largest one.
func (c *Check) Run(ctx context.Context) error {
	begin := time.Now()
	pair, apart, err := c.batch(ctx, 0, 1)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	if _, _, err := c.batch(ctx, 1, 0); err != nil { // the first one may hide what it does to the second
		return err
	}
	last := len(c.Items) - 1
	for k, other := range [][]int{{0, last}, {last, 1}} { // the same item in place k, another beside it
		if last < 2 || time.Since(begin) > c.Time {
			break
		}
		got, _, err := c.batch(ctx, other...)
		if err != nil {
			return err
		}
		if !independent(pair[k], got[k]) {
			return Mixed("the outputs of an item depend on the other items of its batch")
		}
	}
	if last > 1 && time.Since(begin) <= c.Time {
		if _, _, err = c.batch(ctx, last-1, last, 0); err != nil {
			return err
		}
	}
	if estimate := took * time.Duration(c.Size) / 2; c.Size > 2 && time.Since(begin)+estimate <= c.Time {
		return c.largest(ctx, apart)
	}
	return nil
}

// largest compares the largest batch. apart is how far the pair is from each item alone: other
// kernels are as far off in any batch, and a model whose answers depend on the size of the
// batch is farther off in a larger one.
func (c *Check) largest(ctx context.Context, apart float64) error {
	at := make([]int, c.Size)
	for i := range at {
		at[i] = (c.Size - 1 - i) % len(c.Items) // backwards: an item may depend on those before it only
	}
	_, d, err := c.batch(ctx, at...)
	if err != nil {
		return err
	}
	if growth := max(1.5, float64(c.Size-1)/2); apart > noise && d > AgreeTolerance && d > growth*apart {
		return Mixed(fmt.Sprintf("the outputs of an item differ by %.2g in a batch of 2 and by %.2g in one of %d, so that they depend on the size of the batch", apart, d, c.Size))
	}
	return nil
}

// noise is the difference that another order of additions makes.
const noise = 1e-5

// OutputsDiffer reports whether the items have different outputs. If not, a batch whose items are mixed
// up looks right.
func (c *Check) OutputsDiffer() bool {
	for _, a := range c.Alone[1:] {
		if Distance(a, c.Alone[0]) > 0 {
			return true
		}
	}
	return false
}

// batch runs the items at the positions together and compares each with its own run. It returns
// the outputs, and how far apart they are from those alone.
func (c *Check) batch(ctx context.Context, at ...int) ([]tensor.Item, float64, error) {
	items := make([]tensor.Item, len(at))
	for k, i := range at {
		items[k] = c.Items[i]
	}
	got, err := RunItems(ctx, c.Runner, items...)
	if err != nil {
		return nil, 0, fmt.Errorf("%d items together fail: %w", len(at), err)
	}
	worst := 0.0
	for k, i := range at {
		d := Distance(c.Alone[i], got[k])
		worst = max(worst, d)
		if d <= AgreeTolerance {
			continue
		}
		if d > KernelTolerance || d > c.nearest(at, i)/10 {
			return nil, d, Mixed(fmt.Sprintf("%d items together have other outputs than each alone", len(at)))
		}
	}
	c.Reached = max(c.Reached, len(at))
	return got, worst, nil
}

// nearest returns how far the outputs of item i are from those of the nearest of the others in
// a batch of the items at the positions.
func (c *Check) nearest(at []int, i int) float64 {
	other := math.Inf(1)
	for _, j := range at {
		if j != i {
			other = min(other, Distance(c.Alone[i], c.Alone[j]))
		}
	}
	return other
}

// RunItems runs items together and returns the outputs of each.
func RunItems(ctx context.Context, r Runner, items ...tensor.Item) ([]tensor.Item, error) {
	results := make([]payload.Result, len(items))
	if err := r.Run(ctx, payload.OfItems(items...), results); err != nil {
		return nil, err
	}
	out := make([]tensor.Item, len(items))
	for i, one := range results {
		if one.Err != nil {
			return nil, one.Err
		}
		out[i] = one.Outputs
	}
	return out, nil
}
