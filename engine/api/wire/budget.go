package wire

import (
	"net/http"
	"sync/atomic"
)

// Budget bounds the memory that requests take before an engine has them: the
// bodies being read, and what they are decoded to. One serves all listeners of a
// server. It is safe for concurrent use and never waits: what has no room is
// refused.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Used is the sum of what is claimed now, in bytes.
func (b *Budget) Used() int64 { return b.used.Load() }

// Claim begins one request's share, empty yet; a nil Budget bounds nothing.
func (b *Budget) Claim() Claim { return Claim{budget: b} }

// Claim is what one request has taken of a Budget. It belongs to the request's
// goroutine, which releases it in the end. A nil Claim takes from nothing.
type Claim struct {
	budget *Budget
	n      int64
}

// Bytes is what the claim holds.
func (c *Claim) Bytes() int64 { return c.n }

// Take adds n bytes to the claim, or returns an Error and adds none: 503 when
// other requests hold too much, 413 when no wait would help.
func (c *Claim) Take(n int64) error {
	if c == nil || c.budget == nil || n <= 0 {
		return nil
	}
	b := c.budget
	if n > b.limit-c.n {
		return Errorf(http.StatusRequestEntityTooLarge, RequestTooLarge,
			"the request takes %d bytes of memory, and all requests together may take %d; send less", c.n+n, b.limit)
	}
	// Compare and swap, so that a large claim that fails is never seen by others.
	for {
		used := b.used.Load()
		if n > b.limit-used {
			return noRoom(n, used, b.limit)
		}
		if b.used.CompareAndSwap(used, used+n) {
			c.n += n
			return nil
		}
	}
}

func noRoom(n, used, limit int64) *Error {
	e := Errorf(http.StatusServiceUnavailable, ServiceUnavailable,
		"no memory for this request now: it takes %d bytes, and requests under way hold %d of %d; retry later", n, used, limit)
	e.RetryAfter = 1
	return e
}

// Give returns n bytes of the claim, at most all of them.
func (c *Claim) Give(n int64) {
	if c == nil || c.budget == nil || n <= 0 {
		return
	}
	n = min(n, c.n)
	c.n -= n
	c.budget.used.Add(-n)
}

// Release returns all of the claim.
func (c *Claim) Release() {
	if c != nil {
		c.Give(c.n)
	}
}
