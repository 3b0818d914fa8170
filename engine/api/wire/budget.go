package wire

import (
	"net/http"
	"sync/atomic"
)

// Budget bounds the memory of all requests before the engine queues them: their bodies, and
// the memory that decoding allocates. All listeners of a server use the same Budget. It is
// safe for concurrent use and never waits: a request that needs too much is refused.
type Budget struct {
	limit   int64
	used    atomic.Int64
	refused atomic.Int64
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Used returns the sum of all reservations in bytes.
func (b *Budget) Used() int64 { return b.used.Load() }

// Limit returns the size of the budget in bytes.
func (b *Budget) Limit() int64 { return b.limit }

// Refused returns how many reservations did not fit so far.
func (b *Budget) Refused() int64 { return b.refused.Load() }

// NewReservation returns an empty reservation for a request; a nil Budget has no limit.
func (b *Budget) NewReservation() Reservation { return Reservation{budget: b} }

// Reservation is the memory that one request has reserved from a Budget. Only the goroutine
// of the request uses it, and releases it at the end. A nil Reservation has no limit.
type Reservation struct {
	budget *Budget
	n      int64
}

// Bytes returns the size of the reservation.
func (c *Reservation) Bytes() int64 { return c.n }

// Reserve adds n bytes to the reservation, or returns an Error and adds nothing: 503 if
// other requests use too much now, 413 if the request can never fit.
func (c *Reservation) Reserve(n int64) error {
	if c == nil || c.budget == nil || n <= 0 {
		return nil
	}
	b := c.budget
	if n > b.limit-c.n {
		b.refused.Add(1)
		return Errorf(http.StatusRequestEntityTooLarge, RequestTooLarge,
			"the request needs %d bytes of memory, and all requests together may use %d; send less", c.n+n, b.limit)
	}
	// Compare and swap, so that a reservation that fails never blocks another one.
	for {
		used := b.used.Load()
		if n > b.limit-used {
			b.refused.Add(1)
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
		"no memory for this request now: it needs %d bytes, and running requests use %d of %d; retry later", n, used, limit)
	e.RetryAfter = 1
	return e
}

// Free returns n bytes of the reservation, at most all of them, to the budget.
func (c *Reservation) Free(n int64) {
	if c == nil || c.budget == nil || n <= 0 {
		return
	}
	n = min(n, c.n)
	c.n -= n
	c.budget.used.Add(-n)
}

// Release returns the whole reservation to the budget.
func (c *Reservation) Release() {
	if c != nil {
		c.Free(c.n)
	}
}
