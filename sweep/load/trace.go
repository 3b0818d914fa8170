package load

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// The limits of a trace.
const (
	maxTrace     = 10_000_000     // requests
	TraceLongest = 24 * time.Hour // last offset
)

// ParseTrace reads send times: a CSV file of one column with an ascending offset per request.
// Requests with equal offsets are sent together. The returned times are relative to the first
// request, which is sent at the start of the run, so that a part of a log is replayed without
// the time before it.
//
//	seconds
//	# a comment
//	0
//	0.0125
//	0.5
//
// The first line may be the unit, "seconds" or "ms"; the default is seconds. Empty lines and lines that begin with # are skipped. Offsets are
// plain decimals from 0 to a day. Errors name the line.
func ParseTrace(r io.Reader) ([]time.Duration, error) {
	var plan []time.Duration
	unit, hasUnit := float64(time.Second), false
	lines := bufio.NewScanner(r)
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		if u, ok := traceUnit(text); ok && !hasUnit && plan == nil {
			unit, hasUnit = u, true
			continue
		}
		at, err := parseOffset(text, unit)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(plan) > 0 && at < plan[len(plan)-1] {
			return nil, fmt.Errorf("line %d: %s is below the previous offset: want ascending offsets", n, text)
		}
		if len(plan) == maxTrace {
			return nil, fmt.Errorf("line %d: more than %d requests: shorten the trace", n, maxTrace)
		}
		plan = append(plan, at)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if len(plan) == 0 {
		return nil, errors.New("no requests: want one offset in seconds per line")
	}
	first := plan[0]
	for i := range plan {
		plan[i] -= first
	}
	return plan, nil
}

// traceUnit parses the unit of a trace.
func traceUnit(text string) (float64, bool) {
	switch text {
	case "seconds", "s":
		return float64(time.Second), true
	case "ms", "milliseconds":
		return float64(time.Millisecond), true
	}
	return 0, false
}

// parseOffset reads one offset, rounded to the nanosecond.
func parseOffset(text string, unit float64) (time.Duration, error) {
	if strings.ContainsAny(text, ",;\t") {
		return 0, fmt.Errorf("%.40q: want one column of offsets", text)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("offset %.40q: want a number such as 0.25, or a first line \"seconds\" or \"ms\"", text)
	}
	at := math.Round(v * unit)
	if !(at >= 0 && at <= float64(TraceLongest)) {
		return 0, fmt.Errorf("offset %.40s: want 0 to %v", text, TraceLongest)
	}
	return time.Duration(at), nil
}

// ReadTrace reads the send times of a trace load, relative to its first request. It is an error
// if the file does not have the hash of s.
func ReadTrace(s Spec) ([]time.Duration, error) {
	plan, _, err := s.readTrace()
	return plan, err
}

// Identify returns a trace load with the hash and the duration of its file, and other loads
// unchanged. It is an error if s already has a hash and the file has another one.
func Identify(s Spec) (Spec, error) {
	if s.Mode != Trace {
		return s, nil
	}
	plan, sum, err := s.readTrace()
	if err != nil {
		return s, err
	}
	s.SHA256, s.Over = sum, plan[len(plan)-1]
	return s, nil
}

// readTrace reads the file and hashes its bytes.
func (s Spec) readTrace() (plan []time.Duration, sum string, err error) {
	f, err := os.Open(s.File)
	if err != nil {
		return nil, "", fmt.Errorf("trace: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if plan, err = ParseTrace(io.TeeReader(f, h)); err != nil {
		return nil, "", fmt.Errorf("trace %s: %w", s.File, err)
	}
	sum = hex.EncodeToString(h.Sum(nil))
	if s.SHA256 != "" && sum != s.SHA256 {
		return nil, "", fmt.Errorf("trace %s: the file has changed: its sha256 is %.8s, before it was %.8s", s.File, sum, s.SHA256)
	}
	return plan, sum, nil
}
