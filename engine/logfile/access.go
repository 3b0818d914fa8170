package logfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limits of the lines that wait to be written.
const (
	accessEvery = 200 * time.Millisecond
	accessMost  = 16 << 20 // bytes; more are lost, and counted
)

// Access is the log of requests: a line each, as in TorchServe's access_log.log. Add may be
// called concurrently; it only appends to memory. Where lines are missing, because the disk was too slow or
// had an error, the file says how many.
type Access struct {
	file   *File
	outage Outage // of Run

	mu    sync.Mutex
	lines []byte
	lost  int

	spare []byte // of Run
}

// NewAccess returns a log that Run writes to file. Errors of the disk are reported to log.
func NewAccess(file *File, log *slog.Logger) *Access {
	file.Gap = func(lost int, why error) string { return missing(lost, why.Error()) }
	return &Access{file: file, outage: Outage{What: "requests", Log: log}}
}

// missing is the line that stands for others.
func missing(lines int, why string) string {
	return fmt.Sprintf("%s - %d requests have no line: %s\n", AppendTime(nil, time.Now()), lines, why)
}

// Add adds the line of a request that began at start and was answered at end:
//
//	2026-01-02T03:04:05,678 - /127.0.0.1:51528 "GET /ping HTTP/1.1" 200 1
func (a *Access) Add(r *http.Request, status int, start, end time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.lines) > accessMost {
		a.lost++
		return
	}
	b := AppendTime(a.lines, end)
	b = append(b, " - /"...)
	b = append(b, r.RemoteAddr...)
	b = append(b, ` "`...)
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = appendURI(b, r.RequestURI)
	b = append(b, ' ')
	b = append(b, r.Proto...)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, end.Sub(start).Milliseconds(), 10)
	a.lines = append(b, '\n')
}

// appendURI appends a URI in which nothing ends the line or the quotes around it.
func appendURI(b []byte, uri string) []byte {
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c == '"' || c == 0x7f {
			b = append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

// Run writes the lines until ctx ends, and closes the file. Its error is that of the last lines: lines
// that cannot be written before are counted, and later ones are tried again.
func (a *Access) Run(ctx context.Context) error {
	ticker := time.NewTicker(accessEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if tried, err := a.write(); tried {
				a.outage.Report(err)
			}
		case <-ctx.Done():
			_, err := a.write()
			return errors.Join(err, a.file.Close())
		}
	}
}

// Close closes the file of a log that was never run.
func (a *Access) Close() error { return a.file.Close() }

// write writes the lines that wait. It reports whether there were any.
func (a *Access) write() (tried bool, err error) {
	a.mu.Lock()
	a.lines, a.spare = a.spare[:0], a.lines
	lost := a.lost
	a.lost = 0
	a.mu.Unlock()
	if lost > 0 {
		a.spare = append(a.spare, missing(lost, "the disk was too slow")...)
	}
	_, err = a.file.Write(a.spare)
	return len(a.spare) > 0, err
}
