package drive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sweetspot/sweep/load"
)

// Times of reading the figures of a server while a load runs. The intervals grow with the run, because the end of its warm-up,
// a part of it, is known only at its end.
const (
	readShare = 8 // of the time since the start
	minEvery  = 50 * time.Millisecond
	maxEvery  = 500 * time.Millisecond
)

// ReadLimit is the longest time of one reading.
const ReadLimit = 5 * time.Second

// Reading are sums that a server has counted since it began, of which the differences of two readings are those of a time.
type Reading interface {
	Time() time.Time   // of the reading
	Requests() float64 // all that the server has counted, those of other clients too
}

// Watcher reads the sums of a server while a load runs. Readings and Err may be read after End.
type Watcher[R Reading] struct {
	Readings []R
	Err      error // of the last one

	read func(context.Context) (R, error)
	stop chan struct{}
	done sync.WaitGroup
}

// Watch begins to read; the first reading is complete when it returns. read is called by one goroutine at a time.
func Watch[R Reading](ctx context.Context, read func(context.Context) (R, error)) *Watcher[R] {
	w := &Watcher[R]{read: read, stop: make(chan struct{})}
	w.add(ctx)
	w.done.Go(func() {
		for begin := time.Now(); ; {
			select {
			case <-w.stop:
				return
			case <-time.After(min(max(time.Since(begin)/readShare, minEvery), maxEvery)):
				w.add(ctx)
			}
		}
	})
	return w
}

func (w *Watcher[R]) add(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ReadLimit)
	defer cancel()
	var r R
	if r, w.Err = w.read(ctx); w.Err == nil {
		w.Readings = append(w.Readings, r)
	}
}

// End stops reading after a last time. It must be called once.
func (w *Watcher[R]) End(ctx context.Context) {
	close(w.stop)
	w.done.Wait()
	w.add(ctx)
}

// Settle reads after End until two readings are the same, at most for a time: some servers count an answer after they have sent it.
func (w *Watcher[R]) Settle(ctx context.Context, longest time.Duration, same func(a, b R) bool) {
	for begin := time.Now(); w.Err == nil && time.Since(begin) < longest; time.Sleep(minEvery) {
		w.add(ctx)
		if n := len(w.Readings); w.Err == nil && n > 1 && same(w.Readings[n-2], w.Readings[n-1]) {
			return
		}
	}
}

// Window returns the first and the last reading of a run after its warm-up, or why there are none. Sums that others have added to say
// nothing about the run.
func (w *Watcher[R]) Window(run load.Result, warmupSeconds float64) (first, last R, err error) {
	n := len(w.Readings)
	switch {
	case w.Err != nil:
		return first, last, w.Err
	case n < 2:
		return first, last, errors.New("the run was too short to read them twice")
	}
	last = w.Readings[n-1]
	if counted := last.Requests() - w.Readings[0].Requests(); counted > 1.01*float64(run.Sent)+1 {
		return first, last, fmt.Errorf("%.0f requests were counted, but %d were sent: others load this model too", counted, run.Sent)
	}
	warm := run.Start.Add(time.Duration(warmupSeconds * float64(time.Second)))
	for _, r := range w.Readings[:n-1] {
		if !r.Time().Before(warm) {
			return r, last, nil
		}
	}
	return first, last, errors.New("the run was too short to read them twice after its warm-up")
}
