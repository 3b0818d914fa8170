// Package remotetest is a server elsewhere, for tests: a plain HTTP server that
// answers and tells nothing else, with two knobs of its own, and the target that
// drives it.
//
// [NewServer] starts the server; [Target] drives it, and any other at the same URL.
// Its knobs change how fast it answers: instances work side by side, and each takes up
// to max_batch_size requests that wait, all at once, in 20 ms and .5 ms for each. It
// sleeps so long and computes nothing, so that a busy machine hardly changes it.
package remotetest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"sweetspot/engine/knob"
)

// The two knobs.
const (
	Instances    knob.Name = "instances"
	MaxBatchSize knob.Name = "max_batch_size"
)

// Knobs describes them.
func Knobs() []knob.Knob {
	return []knob.Knob{
		{Name: Instances, Label: "instances", Help: "batches executed side by side", Cost: knob.Warm, Min: 1, Max: 4},
		{Name: MaxBatchSize, Label: "max_batch_size", Help: "most requests executed together", Cost: knob.Hot, Values: []string{"1", "8", "32"}},
	}
}

// What a batch takes, beside what each request in it does.
const (
	batchTime   = 20 * time.Millisecond
	requestTime = 500 * time.Microsecond
)

// The routes: where requests are answered, and where the knobs are turned.
const (
	inferPath = "/v2/infer"
	knobsPath = "/knobs"
)

// Server is the server. Close it.
type Server struct {
	*httptest.Server

	mu        sync.Mutex
	instances int
	batch     int
	busy      int
	waiting   []chan struct{} // of requests, oldest first
	served    int
	headers   http.Header // of the last request that was answered
}

// NewServer starts one with an instance and batches of one, behind TLS with a
// certificate of its own if secure.
func NewServer(secure bool) *Server {
	s := &Server{instances: 1, batch: 1}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+inferPath, s.infer)
	mux.HandleFunc("PUT "+knobsPath, s.turn)
	mux.HandleFunc("GET "+knobsPath, s.show)
	s.Server = httptest.NewUnstartedServer(mux)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	return s
}

// TLS is what a client needs to trust the server; nil without TLS.
func (s *Server) TLS() *tls.Config {
	cert := s.Certificate()
	if cert == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{RootCAs: pool}
}

// Served is how many requests were answered, and the headers of the last one.
func (s *Server) Served() (int, http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served, s.headers
}

// infer answers when the batch that the request rides in has run.
func (s *Server) infer(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the client left
	}
	done := make(chan struct{})
	s.mu.Lock()
	s.waiting = append(s.waiting, done)
	s.begin()
	s.mu.Unlock()
	<-done
	s.mu.Lock()
	s.served, s.headers = s.served+1, r.Header
	s.mu.Unlock()
	fmt.Fprint(w, `{"label":"cat"}`)
}

// begin lets idle instances take what waits. The lock is held.
func (s *Server) begin() {
	for s.busy < s.instances && len(s.waiting) > 0 {
		n := min(s.batch, len(s.waiting))
		taken := s.waiting[:n:n]
		s.waiting = s.waiting[n:]
		s.busy++
		time.AfterFunc(batchTime+time.Duration(n)*requestTime, func() { s.end(taken) })
	}
}

// end answers a batch.
func (s *Server) end(batch []chan struct{}) {
	for _, done := range batch {
		close(done)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.begin()
}

// settings are what the knobs' route reads and writes.
type settings struct {
	Instances    int `json:"instances"`
	MaxBatchSize int `json:"max_batch_size"`
}

func (s *Server) turn(w http.ResponseWriter, r *http.Request) {
	var want settings
	if err := json.NewDecoder(r.Body).Decode(&want); err != nil || want.Instances < 1 || want.MaxBatchSize < 1 {
		http.Error(w, "want instances and max_batch_size", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.instances, s.batch = want.Instances, want.MaxBatchSize
	s.begin()
	s.mu.Unlock()
	s.show(w, r)
}

func (s *Server) show(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	now := settings{s.instances, s.batch}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now) // a client that left needs no answer
}
