// Package load sends requests to a server and times them.
//
// A [Spec] says how requests come. [Run] sends them over plain HTTP/1.1
// connections of its own and returns a [Result] with one [Sample] per request.
// Latency counts from the planned send time to the last byte, so a server that
// stalls is charged for every request that should have been sent meanwhile. The
// last byte counts when it came: on Linux the kernel tells, so that answers
// which come in a crowd are not charged for waiting until they are read.
//
// Open, ramp and trace loads are planned before the run ([Plan], [ReadTrace]): a
// thread of its own sleeps until each planned time and writes the request
// itself. It never waits for an answer: a request that finds no idle connection
// gets a new one, up to 10000. On Linux the same thread reads the answers, when it
// wakes for the next request; elsewhere goroutines do. Closed loads are goroutines
// that send when their answer has come.
//
// A run says how good it was itself: Lag and Late tell how punctually requests
// were sent, Warning when the generator and not the server was the limit. Per
// request nothing is allocated, so no garbage collection falls into a run of
// steady connections. Give the generator a process of its own: beside a busy
// server in the same process it is late.
//
// A server elsewhere is an [Endpoint]: its URL, with what else its requests want.
//
// It speaks HTTP/1.1, over TLS where the Config says so, follows no redirects, and
// reads of an answer only what it needs: status, length, and the server's account of
// where the time went, in the header
//
//	Server-Timing: decode;dur=0.02, queue;dur=8.9, formation;dur=0.4,
//		execution;dur=9.0, encode;dur=0.03, batch;desc=8
//
// with durations in milliseconds and the size of the batch the request rode in.
//
// Under TLS an open load costs a wake-up more for each request, and an answer counts
// when it was read.
package load

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"sweetspot/engine/latency"
)

// Mode is how requests come.
type Mode uint8

// The modes of FORMATS section 2.
const (
	Closed Mode = iota // Concurrency clients, each sends when its answer came
	Open               // Rate requests a second whatever the server does
	Trace              // send times read from a file
	Ramp               // open, and the rate goes evenly from one to another
)

var modeNames = []string{Closed: "closed", Open: "open", Trace: "trace", Ramp: "ramp"}

func (m Mode) String() string { return modeNames[m] }

// MarshalText renders the mode by name.
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

// Arrivals is the law of an open load or a ramp.
type Arrivals uint8

// The arrival laws.
const (
	Poisson  Arrivals = iota // independent users
	Constant                 // a metronome
)

func (a Arrivals) String() string {
	if a == Constant {
		return "constant"
	}
	return "poisson"
}

// MarshalText renders the law by name.
func (a Arrivals) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads a law's name.
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

// Spec is one load. Matched closed loads are resolved (Matched true,
// Concurrency = workers x batch size) before they get here. Two loads are the same
// when they are ==: traces that [Identify] has read are told apart by what is in
// them, and not by the name alone.
type Spec struct {
	Mode        Mode
	Concurrency int           // closed
	Matched     bool          // closed: Concurrency follows workers x batch size
	Rate        float64       // open: requests per second
	From, To    float64       // ramp: requests per second at its start and at its end
	Over        time.Duration // ramp and trace: how long it takes; the load ends with it
	Arrivals    Arrivals
	File        string // trace
	SHA256      string // trace: of the file's bytes, hex; "" is not known
}

// For returns the load for settings with the given workers x batch size: a
// matched load takes that concurrency.
func (s Spec) For(workersTimesBatch int) Spec {
	if s.Matched {
		s.Concurrency = workersTimesBatch
	}
	return s
}

// String is the load in the words of the glossary.
func (s Spec) String() string {
	switch {
	case s.Mode == Open:
		return fmt.Sprintf("open %g/s %s", s.Rate, s.Arrivals)
	case s.Mode == Ramp:
		return fmt.Sprintf("ramp %g-%g/s over %v %s", s.From, s.To, s.Over, s.Arrivals)
	case s.Mode == Trace:
		return s.traced()
	case s.Matched && s.Concurrency == 0:
		return "matched"
	case s.Matched:
		return fmt.Sprintf("matched concurrency %d", s.Concurrency)
	}
	return fmt.Sprintf("concurrency %d", s.Concurrency)
}

// traced is a trace in words, with as much of its hash as tells it from others.
func (s Spec) traced() string {
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

// MarshalJSON writes only what the mode uses.
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

// UnmarshalJSON reads what MarshalJSON wrote.
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
	Type string
	Data []byte
}

// Config is everything one run needs.
type Config struct {
	Addr    string // host:port of a loopback listener, or of the server to load
	Path    string // request path, such as /predictions/mlp-wide
	Header  [][2]string
	TLS     *tls.Config // nil is plain TCP; it is not changed
	Bodies  []Body      // sent round robin; at least one
	Spec    Spec
	Seed    uint64
	Timeout time.Duration // a request's limit; its latency when it runs out; 0 is 30 s
	Limit   time.Duration // the run's longest duration; 0 is 60 s
	Max     int           // most requests; 0 is no limit

	// Block is how often OnBlock is asked; 0 is 250 ms. OnBlock sees all
	// samples so far, in order of completion, and ends the run with true: then
	// nothing more is sent, requests in flight are awaited and count as they
	// end. It is called on Run's goroutine and may not keep or change the
	// slice.
	Block   time.Duration
	OnBlock func(elapsed time.Duration, samples []Sample) (stop bool)
}

// Outcome is how one request ended.
type Outcome uint8

// The outcomes. A request is exactly one of them.
const (
	OK      Outcome = iota // 2xx
	Refused                // 503 (and 429): the server said it is full
	Failed                 // any other status, or a broken connection
	Timeout                // no answer within Config.Timeout; latency is the limit
)

// Sample is one request.
type Sample struct {
	Planned time.Duration // planned send time since the run's start
	Lag     time.Duration // how much later it was sent, or a connection for it was begun
	Latency time.Duration // planned send to last byte
	// The server's own account, 0 where it gives none (Server-Timing).
	Model, Queue, Formation, Decode, Encode time.Duration
	Batch                                   int32
	Status                                  int16 // HTTP status, 0 without one
	Outcome                                 Outcome
}

// Result is one run. Sent = len(Samples) + Abandoned.
type Result struct {
	Start     time.Time     // from which Planned counts
	Seconds   float64       // from Start to the last answer
	Samples   []Sample      // in order of completion
	Planned   int           // requests planned until the run was stopped, or all; 0 for a closed load
	Sent      int           // requests sent or tried
	Abandoned int           // of those, in flight when the context ended the run
	Late      int           // sent more than 1 ms after their planned time
	Lag       *latency.Hist // of open and trace loads; empty for closed ones
	CPU       time.Duration // processor time of this process over the run; 0 is not known
	Limited   bool          // the generator, not the server, was the limit: the figures say nothing of the server
	Warning   string        // GeneratorLimited and why; "" where it was not
	Err       string        // first transport error, for people
}

// Tally is samples counted.
type Tally struct {
	OK, Refused, Failed, Timeout int
	Status                       map[int]int // by HTTP status; those without one are left out
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
