package load

import (
	"bytes"
	"time"
)

// timing has the values of the Server-Timing header of one answer; see the package comment.
type timing struct {
	decode, queue, formation, execution, encode time.Duration
	batch                                       int32
}

// parse parses the header's value. It ignores unknown entries and invalid numbers, because the
// header is optional.
func (t *timing) parse(value []byte) {
	for len(value) > 0 {
		var entry []byte
		entry, value, _ = bytes.Cut(value, []byte(","))
		name, params, _ := bytes.Cut(entry, []byte(";"))
		name = bytes.TrimSpace(name)
		into := t.duration(name)
		for len(params) > 0 {
			var param []byte
			param, params, _ = bytes.Cut(params, []byte(";"))
			key, v, _ := bytes.Cut(param, []byte("="))
			key, v = bytes.TrimSpace(key), bytes.Trim(bytes.TrimSpace(v), `"`)
			switch {
			case into != nil && is(key, "dur"):
				if d, ok := parseMS(v); ok {
					*into = d
				}
			case is(name, "batch") && is(key, "desc"):
				if n, ok := parseLength(v); ok {
					t.batch = int32(n)
				}
			}
		}
	}
}

// duration returns the field for an entry, or nil.
func (t *timing) duration(name []byte) *time.Duration {
	switch {
	case is(name, "decode"):
		return &t.decode
	case is(name, "queue"):
		return &t.queue
	case is(name, "formation"):
		return &t.formation
	case is(name, "execution"):
		return &t.execution
	case is(name, "encode"):
		return &t.encode
	}
	return nil
}

// parseMS parses milliseconds as a plain decimal. Digits below a nanosecond are cut off; more
// than a day is invalid.
func parseMS(b []byte) (time.Duration, bool) {
	const day = 24 * time.Hour
	whole, fraction, _ := bytes.Cut(b, []byte("."))
	var d time.Duration
	for _, c := range whole {
		if c < '0' || c > '9' || d > day {
			return 0, false
		}
		d = d*10 + time.Duration(c-'0')*time.Millisecond
	}
	unit := time.Millisecond
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return 0, false
		}
		unit /= 10
		d += time.Duration(c-'0') * unit
	}
	return d, len(whole)+len(fraction) > 0 && d <= day
}
