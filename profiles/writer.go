package profiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"sweetspot/sweep/trial"
)

// Options are the options of a Writer. The zero value is usable.
type Options struct {
	// Secrets are words that must not be written to disk (tokens, host names). They are
	// replaced by *** in all texts.
	Secrets []string
	// Tee, if not nil, gets each line after it is on disk. Its errors are ignored: the
	// profile is complete without it.
	Tee io.Writer
}

// Writer appends to a profile. Each call returns when its line is on disk. After an
// error the line is not in the file. A process that is killed leaves complete lines
// and at most one incomplete last line, which Read ignores. A Writer is safe for
// concurrent use.
type Writer struct {
	name   string // for messages
	redact redactor
	tee    io.Writer

	mu     sync.Mutex
	f      file
	size   int64 // bytes of complete lines
	torn   bool  // there may be a part of a line after them
	trials int
	choice *int
	closed error // why no more lines are written; nil while they are
}

// file has the methods of *os.File that a Writer uses.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// Create creates a profile at path, with mode 0600, and writes its header. The file
// must not exist, because profiles are never overwritten. It is locked until Close, so
// that no other process writes to it. Missing folders are created.
func Create(path string, h Header, o Options) (*Writer, error) {
	if err := h.validate(); err != nil {
		return nil, fmt.Errorf("profiles: header: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, errExists(path)
	}
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	lock(f)
	w := newWriter(filepath.Base(path), f, o)
	err = w.writeHeader(h)
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		f.Close()
		os.Remove(path) // it has no results yet
		return nil, err
	}
	return w, nil
}

func newWriter(name string, f file, o Options) *Writer {
	return &Writer{name: name, f: f, redact: redactor{o.Secrets}, tee: o.Tee}
}

// errExists says why a profile cannot be created at path, where a file exists.
func errExists(path string) error {
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		if isLocked(f) {
			return fmt.Errorf("profiles: %s is being written by another sweetspot; choose another place", path)
		}
	}
	return fmt.Errorf("profiles: %s exists, and profiles are never overwritten; choose another place or remove it", path)
}

// lock locks a new file. The wait is short, because another process can have it locked
// only during isLocked. On a file system without locks, O_EXCL still prevents a second
// writer.
func lock(f *os.File) {
	for errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX), syscall.EINTR) {
	}
}

// isLocked reports whether a writer has f locked. It locks f for this and unlocks it at
// once, because a writer may be about to lock it.
func isLocked(f *os.File) bool {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // fails only for a closed file
	}
	return errors.Is(err, syscall.EWOULDBLOCK)
}

// syncDir syncs a folder, so that the name of a new file is on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	return nil
}

func (w *Writer) writeHeader(h Header) error {
	h, err := w.redact.header(h)
	if err != nil {
		return fmt.Errorf("profiles: header: plan: %w", err)
	}
	return w.writeLine(struct {
		T       string `json:"t"`
		Format  string `json:"format"`
		Version int    `json:"version"`
		Header
	}{"header", Format, Version, h}, nil)
}

// Probe records a service-time probe.
func (w *Writer) Probe(p trial.Probe) error {
	p.At = timestamp(p.At)
	return w.writeLine(struct {
		T string `json:"t"`
		trial.Probe
	}{"probe", p}, nil)
}

// Trial records a trial.
func (w *Writer) Trial(t trial.Trial) error {
	return w.writeLine(struct {
		T string `json:"t"`
		trial.Trial
	}{"trial", w.redact.trial(t)}, func() { w.trials++ })
}

// Recording records a live trial with its series.
func (w *Writer) Recording(t trial.Trial, s Series) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("profiles: %s: series: %w", w.name, err)
	}
	return w.writeLine(struct {
		T string `json:"t"`
		recording
	}{"trial", recording{w.redact.trial(t), &s}}, func() { w.trials++ })
}

// Operators records the times of the operators of the model.
func (w *Writer) Operators(o trial.Operators) error {
	o.At = timestamp(o.At)
	return w.writeLine(struct {
		T string `json:"t"`
		trial.Operators
	}{"operators", o}, nil)
}

// HoldPeriod records a period of a hold.
func (w *Writer) HoldPeriod(p trial.HoldPeriod) error {
	return w.writeLine(struct {
		T string `json:"t"`
		trial.HoldPeriod
	}{"hold", w.redact.holdPeriod(p)}, nil)
}

// Hold records the result of a hold.
func (w *Writer) Hold(h trial.Hold) error {
	return w.writeLine(struct {
		T string `json:"t"`
		trial.Hold
	}{"held", w.redact.hold(h)}, nil)
}

// Event records an event.
func (w *Writer) Event(e trial.Event) error {
	e.At, e.What, e.Detail = timestamp(e.At), w.redact.text(e.What), w.redact.text(e.Detail)
	return w.writeLine(struct {
		T string `json:"t"`
		trial.Event
	}{"event", e}, nil)
}

// Choice records the chosen settings. A later choice replaces an earlier one.
func (w *Writer) Choice(c trial.Choice) error {
	return w.writeLine(struct {
		T string `json:"t"`
		trial.Choice
	}{"choice", w.redact.choice(c)}, func() { w.choice = &c.N })
}

// End records how the profile ended. No line can be written after it.
func (w *Writer) End(state State, exit int) error {
	w.mu.Lock()
	e := End{At: timestamp(time.Now()), State: state, Trials: w.trials, Choice: w.choice, Exit: exit}
	w.mu.Unlock()
	return w.writeLine(struct {
		T string `json:"t"`
		End
	}{"end", e}, func() { w.closed = errors.New("the profile has ended") })
}

// Close closes and unlocks the file. Without End before it the profile is interrupted.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = errors.New("the profile is closed")
	return w.f.Close()
}

// raw writes a line of another profile unchanged, with the fields that this version
// does not know.
func (w *Writer) raw(line json.RawMessage, done func()) error { return w.writeLine(line, done) }

// writeLine writes v as one line: one write, one sync. It calls done, if not nil, once
// the line is on disk, with the lock held.
func (w *Writer) writeLine(v any, done func()) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("profiles: %s: %w", w.name, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed != nil {
		return fmt.Errorf("profiles: %s: %w", w.name, w.closed)
	}
	if err := w.append(b.Bytes()); err != nil {
		return fmt.Errorf("profiles: %s: %w", w.name, err)
	}
	if done != nil {
		done()
	}
	if w.tee != nil {
		w.tee.Write(b.Bytes()) // see Options.Tee
	}
	return nil
}

// append writes a complete line or, after an error, nothing. If the file cannot be
// truncated after an error, it may end with an incomplete line. A line after that
// would be damaged too, so that no line is written until it can be.
func (w *Writer) append(line []byte) error {
	if w.torn {
		if err := w.f.Truncate(w.size); err != nil {
			return fmt.Errorf("the last line may be incomplete: %w", err)
		}
		w.torn = false
	}
	n, err := w.f.Write(line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = w.f.Sync()
	}
	if err == nil {
		w.size += int64(n)
		return nil
	}
	w.torn = w.f.Truncate(w.size) != nil
	return err
}

// timestamp returns t as profiles have it: UTC, whole milliseconds.
func timestamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
