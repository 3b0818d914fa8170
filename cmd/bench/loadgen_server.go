package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// loadgenServer makes this program the server that the load generator is
// measured against: a process of its own, so that a stall of it stalls nothing
// of the generator. It has one worker and says itself when requests came and
// when it stood still.
const loadgenServer = "loadgen-server"

// What the server does for a request: 10 us of work for pathWork, else nothing.
const (
	pathWork = "/work"
	pathNone = "/none"
	workTime = 10 * time.Microsecond
)

// A cycle of the stalling server: it stands still once, in the middle.
const (
	stallCycle = 2 * time.Second
	stallFirst = 900 * time.Millisecond
	stallTime  = 200 * time.Millisecond
)

// mostArrivals is how many arrivals the server remembers.
const mostArrivals = 1 << 17

// loadgenAddrs is the one line that the server prints.
type loadgenAddrs struct {
	Load    string `json:"load"`
	Control string `json:"control"` // /arrivals and /stall
}

// window is a time the server stood still, in Unix nanoseconds.
type window struct {
	Begin int64 `json:"begin"`
	End   int64 `json:"end"`
}

// oneWorker is the server. Requests wait for the worker in the order in which
// they came.
type oneWorker struct {
	worker   sync.Mutex // held while working and while standing still
	arrivals []int64    // Unix nanoseconds; guarded by worker

	mu    sync.Mutex // guards conns
	conns []net.Conn
	wg    sync.WaitGroup
}

// serveLoad is the server's process. It ends when stdin does, and so with
// whoever started it.
func serveLoad(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	runtime.GOMAXPROCS(1) // one worker; a second thread would only look for work on the generator's core
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &oneWorker{arrivals: make([]int64, 0, mostArrivals)}
	var ln [2]net.Listener
	for i := range ln {
		var err error
		if ln[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		defer ln[i].Close()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /arrivals", s.tellArrivals)
	mux.HandleFunc("GET /stall", s.tellStalls)
	control := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = control.Serve(ln[1]) }) // its end is asked for below
	s.wg.Go(func() { s.accept(ln[0]) })
	go func() { // ends with stdin, which ends with the parent
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	err := json.NewEncoder(stdout).Encode(loadgenAddrs{ln[0].Addr().String(), ln[1].Addr().String()})
	if err == nil {
		<-ctx.Done()
	}
	err = errors.Join(err, control.Close(), ln[0].Close())
	s.hangUp()
	s.wg.Wait()
	return err
}

// accept serves connections until the listener closes.
func (s *oneWorker) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(c) })
	}
}

// hangUp ends all connections. The listener is closed already.
func (s *oneWorker) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close() // the peer may have closed it
	}
}

// serve answers the requests of one connection until it ends.
func (s *oneWorker) serve(c net.Conn) {
	defer c.Close()
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	in := bufio.NewReader(c)
	for {
		work, err := readLoad(in)
		if err != nil {
			return
		}
		s.work(time.Now(), work)
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// work does what a request wants, once the worker is free.
func (s *oneWorker) work(came time.Time, work bool) {
	s.worker.Lock()
	defer s.worker.Unlock()
	if len(s.arrivals) < cap(s.arrivals) {
		s.arrivals = append(s.arrivals, came.UnixNano())
	}
	if work {
		spinUntil(time.Now().Add(workTime))
	}
}

func spinUntil(t time.Time) {
	for time.Now().Before(t) {
		continue
	}
}

// readLoad reads a request and says whether it wants work done.
func readLoad(in *bufio.Reader) (work bool, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	work = bytes.Contains(line, []byte(" "+pathWork+" "))
	length := 0
	for len(line) > len("\r\n") {
		if line, err = in.ReadSlice('\n'); err != nil {
			return false, err
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return false, err
			}
		}
	}
	_, err = in.Discard(length)
	return work, err
}

// tellArrivals answers with the arrivals since it was last asked.
func (s *oneWorker) tellArrivals(w http.ResponseWriter, _ *http.Request) {
	s.worker.Lock()
	got := s.arrivals
	s.arrivals = make([]int64, 0, mostArrivals)
	s.worker.Unlock()
	_ = json.NewEncoder(w).Encode(got) // the client sees a cut answer itself
}

// tellStalls stands still once a cycle, for as many cycles as asked for, and
// then answers with when that was.
func (s *oneWorker) tellStalls(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("cycles"))
	if err != nil || n < 1 {
		http.Error(w, fmt.Sprintf("cycles %q: want 1 or more", r.FormValue("cycles")), http.StatusBadRequest)
		return
	}
	start, windows := time.Now(), make([]window, n)
	for i := range windows {
		time.Sleep(time.Until(start.Add(time.Duration(i)*stallCycle + stallFirst)))
		windows[i] = s.stall()
	}
	_ = json.NewEncoder(w).Encode(windows) // the client sees a cut answer itself
}

// stall keeps the worker to itself. A sleep ends some 100 us late, so the last
// of it is spun.
func (s *oneWorker) stall() window {
	const spun = 2 * time.Millisecond
	s.worker.Lock()
	defer s.worker.Unlock()
	begin := time.Now()
	time.Sleep(stallTime - spun)
	spinUntil(begin.Add(stallTime))
	return window{begin.UnixNano(), time.Now().UnixNano()}
}
