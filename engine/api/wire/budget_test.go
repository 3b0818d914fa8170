package wire_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"sweetspot/engine/api/wire"
)

func TestReservation(t *testing.T) {
	b := wire.NewBudget(100)
	one, two := b.NewReservation(), b.NewReservation()
	check := func(err error, code, used int64, text string) {
		t.Helper()
		e, _ := errors.AsType[*wire.Error](err)
		switch {
		case code == 0 && err != nil, code != 0 && (e == nil || int64(e.Code) != code || e.Message != text):
			t.Errorf("got %v, want %d %s", err, code, text)
		case e != nil && (e.RetryAfter > 0) != (code == 503):
			t.Errorf("Retry-After of a %d = %d", code, e.RetryAfter)
		}
		if b.Used() != used {
			t.Errorf("used = %d, want %d", b.Used(), used)
		}
	}
	check(one.Reserve(60), 0, 60, "")
	check(two.Reserve(40), 0, 100, "")
	check(two.Reserve(1), 503, 100, "no memory for this request now: it needs 1 bytes, and running requests use 100 of 100; retry later")
	check(two.Reserve(61), 413, 100, "the request needs 101 bytes of memory, and all requests together may use 100; send less")
	check(two.Reserve(-5), 0, 100, "")
	one.Free(20)
	check(two.Reserve(15), 0, 95, "")
	one.Free(1000) // at most all of it
	check(nil, 0, 55, "")
	one.Free(-7)
	check(nil, 0, 55, "")
	two.Release()
	two.Release()
	check(nil, 0, 0, "")

	var none *wire.Budget
	free := none.NewReservation()
	check(free.Reserve(1<<60), 0, 0, "")
	free.Release()
	var nothing *wire.Reservation
	check(nothing.Reserve(1<<60), 0, 0, "")
	nothing.Free(1)
	nothing.Release()
}

// The sum of concurrent reservations stays within the budget, and all memory is freed.
func TestBudgetIsNotExceeded(t *testing.T) {
	const limit = 1000
	b := wire.NewBudget(limit)
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 0))
			for range 2000 {
				c := b.NewReservation()
				for range 4 {
					_ = c.Reserve(rng.Int64N(limit)) // refused or not
					c.Free(rng.Int64N(limit / 2))
					runtime.Gosched()
					if used := b.Used(); used < c.Bytes() || used > limit {
						t.Errorf("used = %d of which this one reserved %d, limit %d", used, c.Bytes(), limit)
						return
					}
				}
				c.Release()
			}
		})
	}
	wg.Wait()
	if b.Used() != 0 {
		t.Errorf("%d bytes are still reserved", b.Used())
	}
}

// The reservation of a body always equals the capacity of its buffer, also of a reused one.
func TestReadBodyReservesItsBuffer(t *testing.T) {
	const mb = 1 << 20
	tests := []struct {
		name    string
		body    int   // bytes that arrive
		length  int64 // Content-Length; -1 is unknown
		given   int   // the buffer's capacity at first
		limit   int64 // of the budget
		code    int   // 0 is success
		buffer  int   // its capacity in the end; 0 is any
		maxUsed int64 // 0 is the buffer
	}{
		{"exact", 1000, 1000, 0, mb, 0, 1001, 0},
		{"small", 10, 10, 0, mb, 0, 512, 0},
		{"unknown length", 100_000, -1, 0, mb, 0, 0, 0},
		{"reused buffer", 1000, 1000, 5000, mb, 0, 5000, 0},
		{"reused buffer is small", 1000, 1000, 500, mb, 0, 1001, 0},
		{"reused buffer does not fit", 1000, 1000, 5000, 2000, 0, 1001, 0},
		{"large, no more than its length", 3*mb + 5, 3*mb + 5, 0, 8 * mb, 0, 3*mb + 6, 0},
		{"large, Content-Length alone reserves little", 10, 7 * mb, 0, 2 * mb, 0, mb + 1, 0},
		{"does not fit", 1000, 1000, 0, 1000, 413, 0, 0},
		{"does not fit as it grows", 100_000, -1, 0, 5000, 413, 0, 5000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wire.NewBudget(tt.limit)
			c := b.NewReservation()
			most := int64(0)
			r := httptest.NewRequest("POST", "/", nil)
			r.Body = io.NopCloser(watched{strings.NewReader(strings.Repeat("x", tt.body)), func() { most = max(most, b.Used()) }})
			r.ContentLength = tt.length
			got, err := wire.ReadBody(httptest.NewRecorder(), r, make([]byte, 0, tt.given), wire.Limits{Size: 16 * mb}, &c)
			if tt.code != 0 {
				if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != tt.code {
					t.Errorf("ReadBody = %v, want %d", err, tt.code)
				}
				if most > tt.maxUsed {
					t.Errorf("took %d bytes, want at most %d", most, tt.maxUsed)
				}
			} else {
				if err != nil || len(got) != tt.body {
					t.Errorf("ReadBody = %d bytes, %v", len(got), err)
				}
				if c.Bytes() != int64(cap(got)) || most > c.Bytes() || tt.buffer != 0 && cap(got) != tt.buffer {
					t.Errorf("buffer of %d bytes, want %d; took %d, at most %d", cap(got), tt.buffer, c.Bytes(), most)
				}
			}
			c.Release()
			if b.Used() != 0 {
				t.Errorf("%d bytes are still reserved", b.Used())
			}
		})
	}
}

// watched is a reader that calls a function before each read.
type watched struct {
	io.Reader
	look func()
}

func (w watched) Read(p []byte) (int, error) {
	w.look()
	return iotest.HalfReader(w.Reader).Read(p)
}
