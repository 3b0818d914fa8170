package onnx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// maxTrace bounds the events read of a profile; 200 runs of a large network are
// a tenth of it.
const maxTrace = 1_000_000

// trace is what we read of the runtime's profile, a list of events in the format
// of Chrome's tracing: one for every run and every operator in it.
type trace struct {
	runs      []time.Duration // when each run ended, since the session's start
	operators []operatorEvent
}

type operatorEvent struct {
	name     string // type of operator
	at, took time.Duration
}

// readTrace reads a profile. Events of other kinds are skipped.
func readTrace(r io.Reader) (*trace, error) {
	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, fmt.Errorf("the profile is no list of events: %w", orUnexpected(err))
	}
	t := &trace{}
	for n := 0; dec.More(); n++ {
		if n == maxTrace {
			return nil, fmt.Errorf("the profile has more than %d events", maxTrace)
		}
		var e struct {
			Category string  `json:"cat"`
			Name     string  `json:"name"`
			TS       float64 `json:"ts"`  // microseconds
			Dur      float64 `json:"dur"` // likewise
			Args     struct {
				Op string `json:"op_name"`
			} `json:"args"`
		}
		if err := dec.Decode(&e); err != nil {
			return nil, fmt.Errorf("event %d of the profile: %w", n+1, err)
		}
		at, took := micros(e.TS), micros(e.Dur)
		if at < 0 || took < 0 {
			return nil, fmt.Errorf("event %d of the profile: %v us at %v us is no time", n+1, e.Dur, e.TS)
		}
		switch {
		case e.Category == "Session" && e.Name == "model_run":
			t.runs = append(t.runs, at+took)
		case e.Category == "Node" && e.Args.Op != "" && !encloses(e.Args.Op):
			t.operators = append(t.operators, operatorEvent{e.Args.Op, at, took})
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return nil, fmt.Errorf("the profile ends too early: %w", err)
	}
	return t, nil
}

// encloses tells whether an operator's time is that of others, which have events
// of their own.
func encloses(op string) bool { return op == "If" || op == "Loop" || op == "Scan" }

// micros is v microseconds, or -1 for what is no time of a session's life.
func micros(v float64) time.Duration {
	const most = 1e9 // 17 minutes, so that no sum of events overflows
	if !(v >= 0) || math.Abs(v) > most {
		return -1
	}
	return time.Duration(v * float64(time.Microsecond))
}

func orUnexpected(err error) error {
	if err == nil {
		return errors.New("it begins with something else")
	}
	return err
}
