package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func TestEach(t *testing.T) {
	var sum atomic.Int64
	err := each(t.Context(), 100, func(i int) error {
		sum.Add(int64(i))
		return nil
	})
	if err != nil || sum.Load() != 4950 {
		t.Errorf("each of 100: sum %d, %v", sum.Load(), err)
	}
	broken := errors.New("broken")
	if err := each(t.Context(), 100, func(i int) error {
		if i == 3 {
			return broken
		}
		return nil
	}); !errors.Is(err, broken) {
		t.Errorf("each with an error: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	if err := each(ctx, 3, func(int) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("each after the context's end: %v", err)
	}
}
