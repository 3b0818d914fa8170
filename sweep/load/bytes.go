package load

import "bytes"

// parseLength parses a content length, at most maxAnswer.
func parseLength(b []byte) (n int64, ok bool) {
	for _, d := range b {
		if d < '0' || d > '9' || n > maxAnswer {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, len(b) > 0 && n <= maxAnswer
}

// parseChunk parses the size of a chunk; an extension may follow it.
func parseChunk(line []byte) (n int64, ok bool) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimSpace(line)
	for _, d := range line {
		switch {
		case n > maxAnswer:
			return 0, false
		case d >= '0' && d <= '9':
			n = n<<4 | int64(d-'0')
		case d|32 >= 'a' && d|32 <= 'f':
			n = n<<4 | int64(d|32-'a'+10)
		default:
			return 0, false
		}
	}
	return n, len(line) > 0
}

// is reports whether b equals a lower-case word, ignoring case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 32
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasToken reports whether a comma-separated list contains a lower-case word, ignoring case.
func hasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		var token []byte
		token, list, _ = bytes.Cut(list, []byte(","))
		if is(bytes.TrimSpace(token), lower) {
			return true
		}
	}
	return false
}
