package engine_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Time with work begins with a request's arrival and ends with the last answer.
func TestTimeWithWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serve(t, &doubler{fixed: 5 * ms}, config(1, 4, 20*ms))
		defer done()
		var wg sync.WaitGroup
		submit := func(n int) {
			for range n {
				wg.Go(func() {
					if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil {
						t.Error(err)
					}
				})
			}
		}
		check := func(when string, busy, work time.Duration) {
			t.Helper()
			if st := s.Stats(); st.BusyNS != int64(busy) || st.WorkNS != int64(work) {
				t.Errorf("%s: busy %v, work %v, want %v and %v", when, time.Duration(st.BusyNS), time.Duration(st.WorkNS), busy, work)
			}
		}
		time.Sleep(time.Second)
		check("before anything came", 0, 0)
		submit(1)
		time.Sleep(7 * ms)
		check("while a batch fills", 0, 7*ms)
		wg.Wait()
		time.Sleep(time.Second)
		check("after a single request", 5*ms, 25*ms)
		submit(8)
		wg.Wait()
		check("after two full batches", 15*ms, 35*ms)
	})
}
