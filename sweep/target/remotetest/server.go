// Package remotetest has a server for tests that replaces a server on another machine: it answers
// over HTTP, reports nothing about itself, and has two knobs of its own. The package also has the
// target for it.
//
// [NewServer] starts the server, and [Open] connects a [Target] to it. The knobs determine its
// speed: instances work in parallel, and each executes up to max_batch_size waiting requests
// together, in 20 ms plus .5 ms for each. The server sleeps instead of computing, so that a busy
// machine hardly changes its speed.
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

// The knobs.
const (
	Instances    knob.Name = "instances"
	MaxBatchSize knob.Name = "max_batch_size"
)

// Knobs describes the knobs.
func Knobs() []knob.Knob {
	return []knob.Knob{
		{Name: Instances, Label: "instances", Help: "batches executed side by side", Cost: knob.Warm, Min: 1, Max: 4},
		{Name: MaxBatchSize, Label: "max_batch_size", Help: "most requests executed together", Cost: knob.Hot, Values: []string{"1", "8", "32"}},
	}
}

// The time of a batch is batchTime plus requestTime for each of its requests.
const (
	batchTime   = 20 * time.Millisecond
	requestTime = 500 * time.Microsecond
)

// The routes of predictions and of the knobs.
const (
	inferPath = "/v2/infer"
	knobsPath = "/knobs"
)

// Server is the server. The caller must close it.
type Server struct {
	*httptest.Server

	mu        sync.Mutex
	instances int
	batch     int
	busy      int
	waiting   []chan struct{} // one for each waiting request, oldest first
	served    int
	refusal   string      // the reason why changes are refused; "" if they are not
	headers   http.Header // of the last answered request
}

// NewServer starts a server with one instance and batches of one. With secure it uses TLS and its
// own certificate.
func NewServer(secure bool) *Server {
	s := &Server{instances: 1, batch: 1}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+inferPath, s.infer)
	mux.HandleFunc("PUT "+knobsPath, s.putKnobs)
	mux.HandleFunc("GET "+knobsPath, s.getKnobs)
	s.Server = httptest.NewUnstartedServer(mux)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	return s
}

// TLS returns the configuration with which a client trusts the server; nil without TLS.
func (s *Server) TLS() *tls.Config {
	cert := s.Certificate()
	if cert == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{RootCAs: pool}
}

// Served returns the number of answered requests and the headers of the last one.
func (s *Server) Served() (int, http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served, s.headers
}

// RefuseChanges lets the server refuse changes of its knobs with a reason; with "" it accepts them
// again.
func (s *Server) RefuseChanges(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = why
}

// infer answers after the batch of the request has been executed.
func (s *Server) infer(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the client has closed the connection
	}
	done := make(chan struct{})
	s.mu.Lock()
	s.waiting = append(s.waiting, done)
	s.startBatches()
	s.mu.Unlock()
	<-done
	s.mu.Lock()
	s.served, s.headers = s.served+1, r.Header
	s.mu.Unlock()
	fmt.Fprint(w, `{"label":"cat"}`)
}

// startBatches starts batches on idle instances. The lock is held.
func (s *Server) startBatches() {
	for s.busy < s.instances && len(s.waiting) > 0 {
		n := min(s.batch, len(s.waiting))
		taken := s.waiting[:n:n]
		s.waiting = s.waiting[n:]
		s.busy++
		time.AfterFunc(batchTime+time.Duration(n)*requestTime, func() { s.endBatch(taken) })
	}
}

// endBatch answers a batch.
func (s *Server) endBatch(batch []chan struct{}) {
	for _, done := range batch {
		close(done)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.startBatches()
}

// settings is the body of the route of the knobs.
type settings struct {
	Instances    int `json:"instances"`
	MaxBatchSize int `json:"max_batch_size"`
}

func (s *Server) putKnobs(w http.ResponseWriter, r *http.Request) {
	var want settings
	if err := json.NewDecoder(r.Body).Decode(&want); err != nil || want.Instances < 1 || want.MaxBatchSize < 1 {
		http.Error(w, "want instances and max_batch_size", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	why := s.refusal
	if why == "" {
		s.instances, s.batch = want.Instances, want.MaxBatchSize
		s.startBatches()
	}
	s.mu.Unlock()
	if why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	s.getKnobs(w, r)
}

func (s *Server) getKnobs(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	now := settings{s.instances, s.batch}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now) // an error means that the client has closed the connection
}
