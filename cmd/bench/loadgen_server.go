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

// loadgenServer runs this program as the server for the load generator. It is a
// process of its own, so that its stalls do not stall the load generator. It has
// one worker, and reports when requests arrived and when it stalled.
const loadgenServer = "loadgen-server"

// The work of a request: workTime for pathWork, none for pathNone.
const (
	pathWork = "/work"
	pathNone = "/none"
	workTime = 10 * time.Microsecond
)

// A cycle of the stalling server. It stalls once in each cycle, after stallFirst.
const (
	stallCycle = 2 * time.Second
	stallFirst = 900 * time.Millisecond
	stallTime  = 200 * time.Millisecond
)

// maxArrivals is how many arrivals the server stores.
const maxArrivals = 1 << 17

// loadgenAddrs is the one line that the server prints.
type loadgenAddrs struct {
	Load    string `json:"load"`
	Control string `json:"control"` // /arrivals and /stall
}

// stallWindow is the time of a stall, in Unix nanoseconds.
type stallWindow struct {
	Begin int64 `json:"begin"`
	End   int64 `json:"end"`
}

// oneWorker is the server. Requests wait for its worker in the order of arrival.
type oneWorker struct {
	worker   sync.Mutex // locked during work and during a stall
	arrivals []int64    // Unix nanoseconds; guarded by worker

	mu    sync.Mutex // guards conns
	conns []net.Conn
	wg    sync.WaitGroup
}

// runLoadgenServer is the server process. It exits when stdin ends, so also when
// its parent exits.
func runLoadgenServer(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	runtime.GOMAXPROCS(1) // one worker; a second thread would only use the core of the load generator
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &oneWorker{arrivals: make([]int64, 0, maxArrivals)}
	var ln [2]net.Listener
	for i := range ln {
		var err error
		if ln[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		defer ln[i].Close()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /arrivals", s.handleArrivals)
	mux.HandleFunc("GET /stall", s.handleStall)
	control := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = control.Serve(ln[1]) }) // ends with control.Close below
	s.wg.Go(func() { s.accept(ln[0]) })
	go func() { // stdin ends when the parent exits
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	err := json.NewEncoder(stdout).Encode(loadgenAddrs{ln[0].Addr().String(), ln[1].Addr().String()})
	if err == nil {
		<-ctx.Done()
	}
	err = errors.Join(err, control.Close(), ln[0].Close())
	s.closeConns()
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

// closeConns closes all connections. The listener must be closed before.
func (s *oneWorker) closeConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close() // the peer may have closed it
	}
}

// serve answers the requests of one connection until it is closed.
func (s *oneWorker) serve(c net.Conn) {
	defer c.Close()
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	in := bufio.NewReader(c)
	for {
		work, err := readRequest(in)
		if err != nil {
			return
		}
		s.work(time.Now(), work)
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// work waits until the worker is free and does the work of a request.
func (s *oneWorker) work(arrived time.Time, work bool) {
	s.worker.Lock()
	defer s.worker.Unlock()
	if len(s.arrivals) < cap(s.arrivals) {
		s.arrivals = append(s.arrivals, arrived.UnixNano())
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

// readRequest reads a request and returns whether it needs work.
func readRequest(in *bufio.Reader) (work bool, err error) {
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

// handleArrivals answers with the arrivals since the last call.
func (s *oneWorker) handleArrivals(w http.ResponseWriter, _ *http.Request) {
	s.worker.Lock()
	arrivals := s.arrivals
	s.arrivals = make([]int64, 0, maxArrivals)
	s.worker.Unlock()
	_ = json.NewEncoder(w).Encode(arrivals) // the client notices a truncated answer
}

// handleStall stalls the server once per cycle, for the requested number of cycles,
// and then answers with the times of the stalls.
func (s *oneWorker) handleStall(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("cycles"))
	if err != nil || n < 1 {
		http.Error(w, fmt.Sprintf("cycles %q: want 1 or more", r.FormValue("cycles")), http.StatusBadRequest)
		return
	}
	start, windows := time.Now(), make([]stallWindow, n)
	for i := range windows {
		time.Sleep(time.Until(start.Add(time.Duration(i)*stallCycle + stallFirst)))
		windows[i] = s.stall()
	}
	_ = json.NewEncoder(w).Encode(windows) // the client notices a truncated answer
}

// stall locks the worker for stallTime. Sleep returns about 100 us late, so the
// end of the time is a busy loop.
func (s *oneWorker) stall() stallWindow {
	const busyLoop = 2 * time.Millisecond
	s.worker.Lock()
	defer s.worker.Unlock()
	begin := time.Now()
	time.Sleep(stallTime - busyLoop)
	spinUntil(begin.Add(stallTime))
	return stallWindow{begin.UnixNano(), time.Now().UnixNano()}
}
