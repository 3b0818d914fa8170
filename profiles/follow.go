package profiles

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

// followEvery is how often Follow looks for new lines.
const followEvery = 200 * time.Millisecond

// Follow reads the profile at path while it is written. It calls fn with the profile so
// far, at first and then whenever there are new complete lines. If the writer removed a
// line after an error (see Writer), the line is removed here too. A damaged line becomes
// a warning. fn may keep the profile, because it does not change.
//
// Follow returns nil once the profile has ended or no writer has it open; the last call
// of fn then has the complete profile. Otherwise it returns the error of fn, or the cause
// of the end of ctx. It calls fn on the goroutine of its caller.
func Follow(ctx context.Context, path string, fn func(*Profile) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	defer f.Close()
	t := &follower{path: path, f: f}
	for writing := true; ; {
		// The lock is checked before reading, so that the last lines of a writer that
		// has just closed the file are read. Two checks in a row must find no lock,
		// because a new file is not locked for a short time.
		before := writing
		writing = isLocked(f)
		changed, err := t.read()
		if err != nil {
			return err
		}
		ended := t.p != nil && t.p.End != nil || !writing && !before
		if ended {
			return t.finish(fn)
		}
		if changed && t.p != nil {
			if err := fn(t.snapshot()); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(followEvery):
		}
	}
}

// follower is the state of Follow.
type follower struct {
	path string
	f    io.ReaderAt
	p    *Profile // nil before the header
	size int64    // bytes of the lines that were read
	tail []byte   // the last of these lines, with its line feed
	n    int      // number of lines so far, with blank ones
}

// read adds the new complete lines. The writer can have removed only the last line, and
// may have written another one since. In that case read starts again from the beginning.
func (t *follower) read() (changed bool, err error) {
	from := t.size - int64(len(t.tail))
	data, err := io.ReadAll(io.NewSectionReader(t.f, from, 1<<62))
	if err != nil {
		return false, fmt.Errorf("profiles: %s: %w", t.path, err)
	}
	rest, same := bytes.CutPrefix(data, t.tail)
	if !same {
		*t = follower{path: t.path, f: t.f}
		_, err := t.read()
		return true, err
	}
	for {
		raw, next, complete := bytes.Cut(rest, []byte("\n"))
		if !complete {
			return changed, nil
		}
		if err := t.add(raw); err != nil {
			return false, err
		}
		rest, changed = next, true
	}
}

// add adds one line. If the first line is not a header, that is an error, because the file
// is not a profile.
func (t *follower) add(raw []byte) error {
	t.n++
	t.size += int64(len(raw)) + 1
	t.tail = append(slices.Clone(raw), '\n')
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	if t.p == nil {
		p := &Profile{Path: t.path, Running: true}
		if err := p.addLine(t.n, raw); err != nil {
			return fmt.Errorf("profiles: %s: line %d: %w", t.path, t.n, err)
		}
		t.p = p
		return nil
	}
	if err := t.p.addLine(t.n, raw); err != nil {
		t.p.warn(t.n, "%v", err)
	}
	return nil
}

// snapshot returns a copy of the profile. Its slices are clipped, so that later lines do
// not change them.
func (t *follower) snapshot() *Profile {
	p := *t.p
	p.Probes, p.Trials, p.Events = slices.Clip(p.Probes), slices.Clip(p.Trials), slices.Clip(p.Events)
	p.Choices, p.Lines, p.Warnings = slices.Clip(p.Choices), slices.Clip(p.Lines), slices.Clip(p.Warnings)
	p.Operators = slices.Clip(p.Operators)
	p.Series = maps.Clone(p.Series)
	return &p
}

// finish calls fn with the complete profile, as Read returns it.
func (t *follower) finish(fn func(*Profile) error) error {
	p, err := Read(t.path)
	if p == nil {
		return err
	}
	var damaged interface{ Unwrap() []error }
	if errors.As(err, &damaged) {
		for _, e := range damaged.Unwrap() {
			p.Warnings = append(p.Warnings, e.Error())
		}
	}
	return fn(p)
}
