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

// Follow reads the profile at path while it grows. It calls fn with what is
// there, at first and then each time whole lines came; a line the writer took
// back (see Writer) is taken back here too, and a damaged one becomes a
// warning. The profile is fn's to keep: it does not change.
//
// Follow returns nil once the profile has ended or its writer is gone, and the
// last call then had all of it. Else it returns fn's error, or why ctx ended.
// It does all its work on the caller's goroutine.
func Follow(ctx context.Context, path string, fn func(*Profile) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	defer f.Close()
	t := &follower{path: path, f: f}
	for writing := true; ; {
		// Looked at before reading: what the writer wrote before it went is
		// then read. Twice, since a new file is not locked for an instant.
		before := writing
		writing = held(f)
		changed, err := t.read()
		if err != nil {
			return err
		}
		over := t.p != nil && t.p.End != nil || !writing && !before
		if over {
			return t.last(fn)
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

// follower is how far a growing profile has been read.
type follower struct {
	path string
	f    io.ReaderAt
	p    *Profile // nil before the header
	size int64    // bytes of the lines in p
	tail []byte   // the last of them, with its line feed
	n    int      // lines so far, blank ones too
}

// read takes the whole lines that are new. Only the last line can have been
// taken back, and another may stand in its place by now: then all is read again.
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
		raw, next, whole := bytes.Cut(rest, []byte("\n"))
		if !whole {
			return changed, nil
		}
		if err := t.take(raw); err != nil {
			return false, err
		}
		rest, changed = next, true
	}
}

// take adds one line. A first line that is no header is an error: there will be
// no profile.
func (t *follower) take(raw []byte) error {
	t.n++
	t.size += int64(len(raw)) + 1
	t.tail = append(slices.Clone(raw), '\n')
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	if t.p == nil {
		p := &Profile{Path: t.path, Running: true}
		if err := p.line(t.n, raw); err != nil {
			return fmt.Errorf("profiles: %s: line %d: %w", t.path, t.n, err)
		}
		t.p = p
		return nil
	}
	if err := t.p.line(t.n, raw); err != nil {
		t.p.warn(t.n, "%v", err)
	}
	return nil
}

// snapshot is the profile as it is now: lines that come later land behind the
// ends of its slices.
func (t *follower) snapshot() *Profile {
	p := *t.p
	p.Probes, p.Trials, p.Events = slices.Clip(p.Probes), slices.Clip(p.Trials), slices.Clip(p.Events)
	p.Choices, p.Lines, p.Warnings = slices.Clip(p.Choices), slices.Clip(p.Lines), slices.Clip(p.Warnings)
	p.Operators = slices.Clip(p.Operators)
	p.Series = maps.Clone(p.Series)
	return &p
}

// last hands over the profile as any reader finds it, torn end and all.
func (t *follower) last(fn func(*Profile) error) error {
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
