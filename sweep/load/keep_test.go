package load_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sweetspot/sweep/load"
)

// TestKeptAnswers: each way of sending keeps the answers of the chosen bodies, in full, and
// none of refused requests.
func TestKeptAnswers(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case string(body) == "refused":
			w.WriteHeader(http.StatusServiceUnavailable)
		case string(body) == "large":
			_, _ = w.Write(make([]byte, 1<<20+1))
		case string(body) == "chunks":
			_, _ = io.WriteString(w, "answer ")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "to chunks")
		default:
			w.Header().Set("Server-Timing", "batch;desc=4")
			_, _ = fmt.Fprintf(w, "answer to %s", body)
		}
	}))
	defer s.Close()
	for name, spec := range map[string]load.Spec{"closed": closed(3), "open": open(2000)} {
		c := config(strings.TrimPrefix(s.URL, "http://"), spec)
		c.Bodies, c.Keep, c.Max = nil, []int{0, 1, 2, 3, 4}, 60
		for _, b := range []string{"one", "two", "refused", "chunks", "large"} {
			c.Bodies = append(c.Bodies, load.Body{Data: []byte(b)})
		}
		r, err := load.Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range r.Kept {
			got = append(got, fmt.Sprintf("%d %s", k.Body, k.Data))
		}
		if want := "[0 answer to one 1 answer to two 3 answer to chunks]"; fmt.Sprint(got) != want {
			t.Errorf("%s: kept %v, want %s", name, got, want)
		}
		c.Keep = []int{3}
		if r, err = load.Run(t.Context(), c); err != nil || len(r.Kept) != 1 || r.Kept[0].Body != 3 {
			t.Errorf("%s: %v, kept %d of 1", name, err, len(r.Kept))
		}
		c.Keep = nil
		if r, err = load.Run(t.Context(), c); err != nil || r.Kept != nil {
			t.Errorf("%s: %v, kept %d of 0", name, err, len(r.Kept))
		}
	}
}

// TestKeepsTheLargestBatch: the kept answer is of the largest batch.
func TestKeepsTheLargestBatch(t *testing.T) {
	s := newRawServer(t, func(c net.Conn, n int64) bool {
		batch := 1
		if n == 16 { // the 1st to 4th round is the first one, so that the 16th request may be kept
			batch = 8
		}
		w := bufio.NewWriter(c)
		fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nServer-Timing: execution;dur=1, batch;desc=\"%d\"\r\n\r\n%d", batch, batch)
		return w.Flush() == nil
	})
	for seed := range uint64(20) {
		c := config(s.addr, closed(1))
		c.Seed, c.Keep, c.Max, c.Limit = seed, []int{0}, 40, time.Minute
		s.requests.Store(0)
		r, err := load.Run(t.Context(), c)
		if err != nil || len(r.Kept) != 1 {
			t.Fatalf("%v, kept %d", err, len(r.Kept))
		}
		if k := r.Kept[0]; string(k.Data) != fmt.Sprint(k.Batch) {
			t.Errorf("kept %q of a batch of %d", k.Data, k.Batch)
		} else if k.Batch == 8 {
			return
		}
	}
	t.Error("no seed keeps the answer of the largest batch")
}
