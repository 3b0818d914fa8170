// Package load sends requests to a server and times them.
//
// A [Spec] describes the load. [Run] sends requests over plain HTTP/1.1 connections and
// returns a [Result] with one [Sample] per request. A latency is from the planned send time to
// the last byte, so that a stall of the server counts for every request that should have been
// sent meanwhile. On Linux the kernel reports when the last byte was received, so that the
// time until it is read does not count when many answers arrive at once.
//
// Open, ramp and trace loads are planned before the run ([Plan], [ReadTrace]). One thread
// sleeps until each planned time and writes the request. It never waits for an answer: if no
// connection is idle, the request gets a new one, up to 10000. On Linux the same thread reads
// the answers when it wakes up for the next request; on other systems goroutines do. In a
// closed load, each client is a goroutine that sends when its answer has arrived.
//
// A run also measures itself: Lag and Late say how late requests were sent, Warning says that
// the generator and not the server was the limit. It allocates nothing per request, so that no
// garbage collection disturbs a run with stable connections. Run the generator in its own
// process: in the process of a busy server it is late.
//
// It uses HTTP/1.1, over TLS if the Config says so, and follows no redirects. An [Endpoint] makes
// a Config from a URL. Of an answer it reads only the status, the length and the header with the
// parts of the request's time:
//
//	Server-Timing: decode;dur=0.02, queue;dur=8.9, formation;dur=0.4,
//		execution;dur=9.0, encode;dur=0.03, batch;desc=8
//
// with durations in milliseconds, and the size of the request's batch.
//
// A [Client] sends the requests over another protocol instead. The arrivals, the samples and the check of
// the generator are the same, but its floor is higher: the time of an answer is the time at which
// the goroutine of its request goes on, and each request needs several wake-ups and memory.
//
// With TLS an open load needs one more wake-up per request, and the time of an answer is the time
// at which it is read.
package load

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"sweetspot/engine/latency"
)

// Mode is the kind of a load.
type Mode uint8

// The modes of FORMATS section 2.
const (
	Closed Mode = iota // Concurrency clients, each sends when it has its answer
	Open               // Rate requests a second, independent of the server
	Trace              // send times from a file
	Ramp               // open, with a rate that changes linearly
)

var modeNames = []string{Closed: "closed", Open: "open", Trace: "trace", Ramp: "ramp"}

func (m Mode) String() string { return modeNames[m] }

// MarshalText returns the name of the mode.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mode's name.
func (m *Mode) UnmarshalText(b []byte) error {
	for i, n := range modeNames {
		if n == string(b) {
			*m = Mode(i)
			return nil
		}
	}
	return fmt.Errorf("load mode %q: want closed, open, trace or ramp", b)
}

// Arrivals is the arrival process of an open load or a ramp.
type Arrivals uint8

// The arrival processes.
const (
	Poisson  Arrivals = iota // independent users
	Constant                 // equal intervals
)

func (a Arrivals) String() string {
	if a == Constant {
		return "constant"
	}
	return "poisson"
}

// MarshalText returns the name of the process.
func (a Arrivals) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the name of a process.
func (a *Arrivals) UnmarshalText(b []byte) error {
	switch string(b) {
	case "poisson":
		*a = Poisson
	case "constant":
		*a = Constant
	default:
		return fmt.Errorf("arrivals %q: want poisson or constant", b)
	}
	return nil
}

// Spec is one load. The caller resolves matched closed loads (Matched true, Concurrency =
// workers x batch size). Two loads are the same if they are ==. After [Identify], traces with
// different contents differ, even if their file name is the same.
type Spec struct {
	Mode        Mode
	Concurrency int           // closed
	Matched     bool          // closed: Concurrency follows workers x batch size
	Rate        float64       // open: requests per second
	From, To    float64       // ramp: requests per second at its start and at its end
	Over        time.Duration // ramp and trace: duration of the load
	Arrivals    Arrivals
	File        string // trace
	SHA256      string // trace: of the file's bytes, hex; "" is unknown
}

// For returns the load for settings with the given workers x batch size, which is the
// concurrency of a matched load.
func (s Spec) For(workersTimesBatch int) Spec {
	if s.Matched {
		s.Concurrency = workersTimesBatch
	}
	return s
}

// String describes the load.
func (s Spec) String() string {
	switch {
	case s.Mode == Open:
		return fmt.Sprintf("open %g/s %s", s.Rate, s.Arrivals)
	case s.Mode == Ramp:
		return fmt.Sprintf("ramp %g-%g/s over %v %s", s.From, s.To, s.Over, s.Arrivals)
	case s.Mode == Trace:
		return s.traceText()
	case s.Matched && s.Concurrency == 0:
		return "matched"
	case s.Matched:
		return fmt.Sprintf("matched concurrency %d", s.Concurrency)
	}
	return fmt.Sprintf("concurrency %d", s.Concurrency)
}

// traceText describes a trace, with the start of its hash.
func (s Spec) traceText() string {
	text := "trace " + s.File
	if s.Over > 0 {
		text += fmt.Sprintf(" over %v", s.Over)
	}
	if s.SHA256 != "" {
		text += fmt.Sprintf(" (sha256 %.8s)", s.SHA256)
	}
	return text
}

type specJSON struct {
	Mode        Mode      `json:"mode"`
	Concurrency int       `json:"concurrency,omitempty"`
	Matched     bool      `json:"matched,omitempty"`
	Rate        float64   `json:"rate,omitempty"`
	From        float64   `json:"from,omitempty"`
	To          float64   `json:"to,omitempty"`
	OverMS      float64   `json:"over_ms,omitempty"`
	Arrivals    *Arrivals `json:"arrivals,omitempty"`
	File        string    `json:"file,omitempty"`
	SHA256      string    `json:"sha256,omitempty"`
}

// MarshalJSON writes only the fields of the mode.
func (s Spec) MarshalJSON() ([]byte, error) {
	w := specJSON{Mode: s.Mode}
	switch s.Mode {
	case Closed:
		w.Concurrency, w.Matched = s.Concurrency, s.Matched
	case Open:
		w.Rate, w.Arrivals = s.Rate, &s.Arrivals
	case Ramp:
		w.From, w.To, w.OverMS, w.Arrivals = s.From, s.To, float64(s.Over)/1e6, &s.Arrivals
	case Trace:
		w.File, w.SHA256, w.OverMS = s.File, s.SHA256, float64(s.Over)/1e6
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the JSON of MarshalJSON.
func (s *Spec) UnmarshalJSON(b []byte) error {
	var w specJSON
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*s = Spec{
		Mode: w.Mode, Concurrency: w.Concurrency, Matched: w.Matched, Rate: w.Rate, File: w.File, SHA256: w.SHA256,
		From: w.From, To: w.To, Over: time.Duration(math.Round(w.OverMS * 1e6)),
	}
	if w.Arrivals != nil {
		s.Arrivals = *w.Arrivals
	}
	return nil
}

// Body is one request body with its content type.
type Body struct {
	Type   string
	Data   []byte
	Header [][2]string // of requests with this body, after those of the Config
	Name   string      // of its file, for errors; "" if it has none
}

// Config configures one run.
type Config struct {
	Addr    string // host:port of a loopback listener, or of the server to load
	Path    string // request path, such as /predictions/mlp-wide
	Header  [][2]string
	TLS     *tls.Config // nil is plain TCP; it is not changed
	Client  Client      // sends the requests over another protocol; Addr, Path, Header and TLS are then not used. nil is HTTP/1.1
	Bodies  []Body      // sent round robin; at least one
	Spec    Spec
	Seed    uint64
	Timeout time.Duration // limit of a request, and the latency of a request that exceeds it; 0 is 30 s
	Limit   time.Duration // longest duration of the run; 0 is 60 s
	Max     int           // largest number of requests; 0 is no limit
	Keep    []int         // indexes of the bodies of which an answer is kept
	MaxRate float64       // closed: largest rate of all clients together, in requests per second; 0 is no limit

	// Block is the interval of calls of OnBlock; 0 is 250 ms. OnBlock gets all samples
	// so far, in order of completion. If it returns true, the run sends no more requests,
	// waits for those in flight, and counts them. It is called on Run's goroutine and
	// must not keep or change the slice.
	Block   time.Duration
	OnBlock func(elapsed time.Duration, samples []Sample) (stop bool)
}

// Outcome is how one request ended.
type Outcome uint8

// The outcomes.
const (
	OK      Outcome = iota // 2xx
	Refused                // 503 or 429: the server is full
	Failed                 // any other status, or a broken connection
	Timeout                // no answer within Config.Timeout, which is then the latency
)

// Sample is one request.
type Sample struct {
	Planned time.Duration // planned send time, since the start of the run
	Lag     time.Duration // delay until it was sent, or until its connection was started
	Latency time.Duration // planned send to last byte
	// From the server's Server-Timing header; 0 if it has none.
	Model, Queue, Formation, Decode, Encode time.Duration
	Batch                                   int32
	Body                                    int32 // index of its body in Config.Bodies
	Status                                  int16 // HTTP status; 0 if there is none
	Outcome                                 Outcome
	Held                                    bool // Config.MaxRate held it back: its client was ready before Planned
}

// Result is the result of one run. Sent = len(Samples) + Abandoned.
type Result struct {
	Start     time.Time     // time 0 of Planned
	Seconds   float64       // from Start to the last answer
	Samples   []Sample      // in order of completion
	Planned   int           // requests that were due before the run was stopped; 0 for a closed load
	Sent      int           // requests sent, also without success
	Abandoned int           // requests in flight when the context ended
	Late      int           // requests sent more than 1 ms after their planned time
	Lag       *latency.Hist // of open and trace loads; empty for closed ones
	CPU       time.Duration // processor time of this process in the run; 0 is unknown
	Held      int           // requests that Config.MaxRate held back
	Limited   bool          // the generator, not the server, was the limit: the samples do not describe the server
	Capped    bool          // that limit was Config.MaxRate: the load was lower than asked for
	Warning   string        // GeneratorLimited and the reason; "" if the generator was not the limit
	Err       string        // first transport error, for people
	Kept      []Kept        // an answer to each body of Config.Keep, if it is not too large
}

// Tally has counts of samples.
type Tally struct {
	OK, Refused, Failed, Timeout int
	Status                       map[int]int // by HTTP status; samples without one are not counted
}

// Count counts samples by outcome and status.
func Count(samples []Sample) Tally {
	t := Tally{Status: map[int]int{}}
	for _, s := range samples {
		switch s.Outcome {
		case OK:
			t.OK++
		case Refused:
			t.Refused++
		case Failed:
			t.Failed++
		case Timeout:
			t.Timeout++
		}
		if s.Status != 0 {
			t.Status[int(s.Status)]++
		}
	}
	return t
}
