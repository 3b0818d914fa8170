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

func TestClaim(t *testing.T) {
	b := wire.NewBudget(100)
	one, two := b.Claim(), b.Claim()
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
	check(one.Take(60), 0, 60, "")
	check(two.Take(40), 0, 100, "")
	check(two.Take(1), 503, 100, "no memory for this request now: it takes 1 bytes, and requests under way hold 100 of 100; retry later")
	check(two.Take(61), 413, 100, "the request takes 101 bytes of memory, and all requests together may take 100; send less")
	check(two.Take(-5), 0, 100, "")
	one.Give(20)
	check(two.Take(15), 0, 95, "")
	one.Give(1000) // no more than it has
	check(nil, 0, 55, "")
	one.Give(-7)
	check(nil, 0, 55, "")
	two.Release()
	two.Release()
	check(nil, 0, 0, "")

	var none *wire.Budget
	free := none.Claim()
	check(free.Take(1<<60), 0, 0, "")
	free.Release()
	var nothing *wire.Claim
	check(nothing.Take(1<<60), 0, 0, "")
	nothing.Give(1)
	nothing.Release()
}

// Whatever claims do at the same time, their sum stays within the budget, and
// all of it comes back.
func TestBudgetIsKept(t *testing.T) {
	const limit = 1000
	b := wire.NewBudget(limit)
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 0))
			for range 2000 {
				c := b.Claim()
				for range 4 {
					_ = c.Take(rng.Int64N(limit)) // refused or not
					c.Give(rng.Int64N(limit / 2))
					runtime.Gosched()
					if used := b.Used(); used < c.Bytes() || used > limit {
						t.Errorf("used = %d, with %d of it mine, of %d", used, c.Bytes(), limit)
						return
					}
				}
				c.Release()
			}
		})
	}
	wg.Wait()
	if b.Used() != 0 {
		t.Errorf("%d bytes did not come back", b.Used())
	}
}

// A body takes from the budget what its buffer is, at every moment, and a buffer
// that it was given counts as a whole.
func TestReadBodyTakesItsBuffer(t *testing.T) {
	const mb = 1 << 20
	tests := []struct {
		name     string
		body     int   // bytes that come
		length   int64 // announced; -1 is unknown
		given    int   // the buffer's capacity at first
		limit    int64 // of the budget
		code     int   // 0 is success
		buffer   int   // its capacity in the end; 0 is whatever
		mostUsed int64 // 0 is the buffer
	}{
		{"exact", 1000, 1000, 0, mb, 0, 1001, 0},
		{"small", 10, 10, 0, mb, 0, 512, 0},
		{"unknown length", 100_000, -1, 0, mb, 0, 0, 0},
		{"given buffer", 1000, 1000, 5000, mb, 0, 5000, 0},
		{"given buffer is small", 1000, 1000, 500, mb, 0, 1001, 0},
		{"given buffer has no room", 1000, 1000, 5000, 2000, 0, 1001, 0},
		{"large, no more than its length", 3*mb + 5, 3*mb + 5, 0, 8 * mb, 0, 3*mb + 6, 0},
		{"large, length alone is no memory", 10, 7 * mb, 0, 2 * mb, 0, mb + 1, 0},
		{"does not fit", 1000, 1000, 0, 1000, 413, 0, 0},
		{"does not fit as it grows", 100_000, -1, 0, 5000, 413, 0, 5000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wire.NewBudget(tt.limit)
			c := b.Claim()
			most := int64(0)
			r := httptest.NewRequest("POST", "/", nil)
			r.Body = io.NopCloser(watched{strings.NewReader(strings.Repeat("x", tt.body)), func() { most = max(most, b.Used()) }})
			r.ContentLength = tt.length
			got, err := wire.ReadBody(httptest.NewRecorder(), r, make([]byte, 0, tt.given), wire.Limits{Size: 16 * mb}, &c)
			if tt.code != 0 {
				if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != tt.code {
					t.Errorf("ReadBody = %v, want %d", err, tt.code)
				}
				if most > tt.mostUsed {
					t.Errorf("took %d bytes, want at most %d", most, tt.mostUsed)
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
				t.Errorf("%d bytes did not come back", b.Used())
			}
		})
	}
}

// watched is a reader that calls look before each read.
type watched struct {
	io.Reader
	look func()
}

func (w watched) Read(p []byte) (int, error) {
	w.look()
	return iotest.HalfReader(w.Reader).Read(p)
}
