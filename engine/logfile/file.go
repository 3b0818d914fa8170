// Package logfile writes log files with the lines of TorchServe's.
//
// A [File] is replaced when it is large. [Access] collects the lines of requests in memory and
// writes them beside the requests. [NewHandler] writes the records of a log. After an error of the disk all of them
// go on; a [File] says how many lines are missing, and an [Outage] tells the log of the program.
package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"
)

// The size at which a file is replaced, and how many older ones are kept, as in TorchServe.
const (
	rollAt   = 100 << 20
	rollKeep = 5
)

// AppendTime appends the time of a line, as TorchServe writes it: 2026-01-02T03:04:05,678.
func AppendTime(b []byte, t time.Time) []byte { return t.AppendFormat(b, "2006-01-02T15:04:05,000") }

// File is a file that is appended to. When it has 100 MB, it is renamed to .1, the one before to
// .2, and so on; five of them are kept. After an error, as of a full disk, it ends with a whole line, and the next
// write tries again. It is not safe for concurrent use.
type File struct {
	// Gap, if not nil, returns the line that says how many lines before it could not be written, and
	// why the last of them could not. It is called by the next Write.
	Gap func(lost int, why error) string

	path   string
	most   int64
	keep   int
	f      appended // nil after Close, and after it could not be opened again
	closed bool
	size   int64
	torn   bool // it may end with a part of a line
	lost   int  // lines since the last Gap
	why    error
}

// appended is what File needs of an *os.File.
type appended interface {
	Write([]byte) (int, error)
	Truncate(size int64) error
	Close() error
}

// Open opens a file, or creates it.
func Open(path string) (*File, error) {
	r := &File{path: path, most: rollAt, keep: rollKeep}
	return r, r.open()
}

func (r *File) open() error {
	f, err := os.OpenFile(r.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.f, r.size = f, info.Size()
	return nil
}

// Write appends whole lines: all of them or, with an error, none.
func (r *File) Write(lines []byte) (int, error) {
	if len(lines) == 0 {
		return 0, nil
	}
	if r.closed {
		return 0, os.ErrClosed
	}
	text := lines
	if r.lost > 0 && r.Gap != nil {
		text = append([]byte(r.Gap(r.lost, r.why)), lines...)
	}
	if err := r.append(text); err != nil {
		r.lost += bytes.Count(lines, []byte("\n"))
		r.why = err
		return 0, err
	}
	r.lost, r.why = 0, nil
	return len(lines), nil
}

// append writes a text with whole lines, or leaves nothing of it.
func (r *File) append(text []byte) error {
	if r.f == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	if r.torn {
		if err := r.f.Truncate(r.size); err != nil {
			return err
		}
		r.torn = false
	}
	if r.size+int64(len(text)) > r.most && r.size > 0 {
		if err := r.roll(); err != nil {
			return err
		}
	}
	n, err := r.f.Write(text)
	if err != nil { // without a part of a line, which the next one would continue
		failed := r.f.Truncate(r.size)
		r.torn = failed != nil
		return errors.Join(err, failed)
	}
	r.size += int64(n)
	return nil
}

func (r *File) roll() error {
	err := r.f.Close()
	r.f = nil
	for i := r.keep; i > 0; i-- {
		from := r.path
		if i > 1 {
			from = fmt.Sprintf("%s.%d", r.path, i-1)
		}
		if e := os.Rename(from, fmt.Sprintf("%s.%d", r.path, i)); e != nil && !os.IsNotExist(e) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, r.open())
}

// Close closes the file for good. A second call does nothing.
func (r *File) Close() error {
	r.closed = true
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}
