package onnx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// maxTrace bounds the number of events; 200 runs of a large network have a tenth of it.
const maxTrace = 1_000_000

// trace has the events of the runtime's profile for runs and for operators. The profile is a
// list of events in the format of Chrome tracing.
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
		return nil, fmt.Errorf("the profile is not a list of events: %w", orUnexpected(err))
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
			return nil, fmt.Errorf("event %d of the profile: %v us at %v us is not a valid time", n+1, e.Dur, e.TS)
		}
		switch {
		case e.Category == "Session" && e.Name == "model_run":
			t.runs = append(t.runs, at+took)
		case e.Category == "Node" && e.Args.Op != "" && !hasBody(e.Args.Op):
			t.operators = append(t.operators, operatorEvent{e.Args.Op, at, took})
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return nil, fmt.Errorf("the profile ends too early: %w", err)
	}
	return t, nil
}

// hasBody reports whether an operator contains others, which have their own events.
func hasBody(op string) bool { return op == "If" || op == "Loop" || op == "Scan" }

// micros converts v microseconds, or returns -1 if it is not a possible time of a session.
func micros(v float64) time.Duration {
	const largest = 1e9 // 17 minutes, so that no sum of events overflows
	if !(v >= 0) || math.Abs(v) > largest {
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
