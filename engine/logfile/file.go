// Package logfile writes log files with the lines of TorchServe's.
//
// A [File] is replaced when it is large. [Access] collects the lines of requests in memory and
// writes them beside the requests. [NewHandler] writes the records of a log.
package logfile

import (
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
	path string
	most int64
	keep int
	f    appended // nil after Close, and after it could not be opened again
	size int64
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

// Write appends whole lines.
func (r *File) Write(lines []byte) (int, error) {
	if len(lines) == 0 {
		return 0, nil
	}
	if r.f == nil {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	if r.size+int64(len(lines)) > r.most && r.size > 0 {
		if err := r.roll(); err != nil {
			return 0, err
		}
	}
	n, err := r.f.Write(lines)
	if err != nil { // without a part of a line, which the next one would continue
		if failed := r.f.Truncate(r.size); failed != nil {
			r.size += int64(n)
			return n, errors.Join(err, failed)
		}
		return 0, err
	}
	r.size += int64(n)
	return n, nil
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

// Close closes the file. A second call does nothing.
func (r *File) Close() error {
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}
