package logfile

import (
	"context"
	"errors"
	"fmt"
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
// called concurrently; it only appends to memory.
type Access struct {
	file *File

	mu    sync.Mutex
	lines []byte
	lost  int
	ended bool // the file cannot be written

	spare []byte // of Run
}

// NewAccess returns a log that Run writes to file.
func NewAccess(file *File) *Access { return &Access{file: file} }

// Add adds the line of a request that began at start and was answered at end:
//
//	2026-01-02T03:04:05,678 - /127.0.0.1:51528 "GET /ping HTTP/1.1" 200 1
func (a *Access) Add(r *http.Request, status int, start, end time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return
	}
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

// Run writes the lines until ctx ends or the file cannot be written, and closes the file.
func (a *Access) Run(ctx context.Context) error {
	ticker := time.NewTicker(accessEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := a.write(); err != nil {
				a.mu.Lock()
				a.ended, a.lines = true, nil
				a.mu.Unlock()
				return errors.Join(err, a.file.Close())
			}
		case <-ctx.Done():
			return errors.Join(a.write(), a.file.Close())
		}
	}
}

// Close closes the file of a log that was never run.
func (a *Access) Close() error { return a.file.Close() }

// write writes the lines that wait.
func (a *Access) write() error {
	a.mu.Lock()
	a.lines, a.spare = a.spare[:0], a.lines
	lost := a.lost
	a.lost = 0
	a.mu.Unlock()
	if lost > 0 {
		a.spare = fmt.Appendf(AppendTime(a.spare, time.Now()), " - %d requests have no line: the disk was too slow\n", lost)
	}
	_, err := a.file.Write(a.spare)
	return err
}
