package load

import (
	"bytes"
	"time"
)

// timing is a server's account of one request: the Server-Timing header of the
// package comment.
type timing struct {
	decode, queue, formation, execution, encode time.Duration
	batch                                       int32
}

// parse reads the header's value. Entries it does not know, and figures that
// are none, are left at what they were: the account is a courtesy.
func (t *timing) parse(value []byte) {
	for len(value) > 0 {
		var entry []byte
		entry, value, _ = bytes.Cut(value, []byte(","))
		name, rest, _ := bytes.Cut(entry, []byte(";"))
		name = bytes.TrimSpace(name)
		into := t.part(name)
		for len(rest) > 0 {
			var param []byte
			param, rest, _ = bytes.Cut(rest, []byte(";"))
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

// part is where an entry's duration goes, nil if nowhere.
func (t *timing) part(name []byte) *time.Duration {
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

// parseMS reads milliseconds as plain decimals; below a nanosecond they are cut
// off, over a day they are none.
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
