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

// Options of a Writer. The zero value is good.
type Options struct {
	// Secrets are words that may not reach the disk (tokens, host names); they
	// become *** in every text.
	Secrets []string
	// Tee, when not nil, gets every line after it is on disk. Its errors are
	// the reader's trouble, not the profile's, and are dropped.
	Tee io.Writer
}

// Writer appends to a profile. Each call returns when its line is on disk; after
// an error the line is not in the file and the file ends with the line before.
// It is safe for concurrent use. A process killed at any point leaves whole
// lines and at most one torn one, which Read drops.
type Writer struct {
	name  string // for messages
	scrub scrubber
	tee   io.Writer

	mu     sync.Mutex
	f      file
	size   int64 // bytes of whole lines
	trials int
	choice *int
	closed error // why no more lines are taken; nil while they are
}

// file is what a Writer needs of an *os.File.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// Create starts a profile at path, mode 0600, and writes its header. The file
// must not exist: profiles are never overwritten. It stays locked until Close,
// so that nobody else writes to it. Missing folders are made.
func Create(path string, h Header, o Options) (*Writer, error) {
	if err := h.validate(); err != nil {
		return nil, fmt.Errorf("profiles: header: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, taken(path)
	}
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	lock(f)
	w := newWriter(filepath.Base(path), f, o)
	err = w.header(h)
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		f.Close()
		os.Remove(path) // it holds nothing yet
		return nil, err
	}
	return w, nil
}

func newWriter(name string, f file, o Options) *Writer {
	return &Writer{name: name, f: f, scrub: scrubber{o.Secrets}, tee: o.Tee}
}

// taken says why a profile cannot be created at path.
func taken(path string) error {
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		if held(f) {
			return fmt.Errorf("profiles: %s is being written by another sweetspot; choose another place", path)
		}
	}
	return fmt.Errorf("profiles: %s exists, and profiles are never overwritten; choose another place or remove it", path)
}

// lock makes a new file this writer's. Another can hold it only for the instant
// of held, so waiting is short. A file system without locks has no such thing to
// offer; O_EXCL keeps writers apart there too.
func lock(f *os.File) {
	for errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX), syscall.EINTR) {
	}
}

// held tells whether a writer has f locked. The lock it takes to find out is
// given back at once, since a writer may be about to take its own.
func held(f *os.File) bool {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // only a file that is closed cannot
	}
	return errors.Is(err, syscall.EWOULDBLOCK)
}

// syncDir makes a new file's name last.
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

func (w *Writer) header(h Header) error {
	h, err := w.scrub.header(h)
	if err != nil {
		return fmt.Errorf("profiles: header: plan: %w", err)
	}
	return w.line(struct {
		T       string `json:"t"`
		Format  string `json:"format"`
		Version int    `json:"version"`
		Header
	}{"header", Format, Version, h}, nil)
}

// Probe records a service-time probe.
func (w *Writer) Probe(p trial.Probe) error {
	p.At = stamp(p.At)
	return w.line(struct {
		T string `json:"t"`
		trial.Probe
	}{"probe", p}, nil)
}

// Trial records a trial.
func (w *Writer) Trial(t trial.Trial) error {
	return w.line(struct {
		T string `json:"t"`
		trial.Trial
	}{"trial", w.scrub.trial(t)}, func() { w.trials++ })
}

// Recording records a live trial with the series it was drawn from.
func (w *Writer) Recording(t trial.Trial, s Series) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("profiles: %s: series: %w", w.name, err)
	}
	return w.line(struct {
		T string `json:"t"`
		recording
	}{"trial", recording{w.scrub.trial(t), &s}}, func() { w.trials++ })
}

// Operators records where the time of a run goes.
func (w *Writer) Operators(o trial.Operators) error {
	o.At = stamp(o.At)
	return w.line(struct {
		T string `json:"t"`
		trial.Operators
	}{"operators", o}, nil)
}

// Event records something that happened.
func (w *Writer) Event(e trial.Event) error {
	e.At, e.What, e.Detail = stamp(e.At), w.scrub.text(e.What), w.scrub.text(e.Detail)
	return w.line(struct {
		T string `json:"t"`
		trial.Event
	}{"event", e}, nil)
}

// Choice records the settings picked; a later choice replaces an earlier one.
func (w *Writer) Choice(c trial.Choice) error {
	return w.line(struct {
		T string `json:"t"`
		trial.Choice
	}{"choice", w.scrub.choice(c)}, func() { w.choice = &c.N })
}

// End records how it ended. No line may follow.
func (w *Writer) End(state State, exit int) error {
	w.mu.Lock()
	e := End{At: stamp(time.Now()), State: state, Trials: w.trials, Choice: w.choice, Exit: exit}
	w.mu.Unlock()
	return w.line(struct {
		T string `json:"t"`
		End
	}{"end", e}, func() { w.closed = errors.New("the profile has ended") })
}

// Close frees the file. Without End before it the profile reads as interrupted.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = errors.New("the profile is closed")
	return w.f.Close()
}

// raw writes a line that another writer wrote, with what it holds that this
// version does not know.
func (w *Writer) raw(line json.RawMessage, done func()) error { return w.line(line, done) }

// line writes v as one line: one write, one sync. done, if any, runs once it is
// on disk, under the lock.
func (w *Writer) line(v any, done func()) error {
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

// append adds a whole line or nothing. When even taking back fails, the file may
// end torn, and a line after it would be lost with it: no more are taken.
func (w *Writer) append(line []byte) error {
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
	if back := w.f.Truncate(w.size); back != nil {
		w.closed = fmt.Errorf("the last line may be torn: %w", back)
	}
	return err
}

// stamp is a time as profiles keep it: UTC, whole milliseconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
