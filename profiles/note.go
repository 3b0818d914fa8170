package profiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sweetspot/sweep/trial"
)

// Kinds of events that a person adds.
const (
	eventNote  = "note"
	eventTag   = "tag"
	eventUntag = "untag"
	eventName  = "name"
)

// Annotation is what a person adds to a profile: a name that replaces an earlier one, a note, new
// tags, and tags to be removed.
type Annotation struct {
	Name  string
	Note  string
	Tag   []string
	Untag []string
}

var tagPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)

// maxName is the largest number of characters of a name.
const maxName = 40

func (a Annotation) validate() error {
	if strings.TrimSpace(a.Note+a.Name) == "" && len(a.Tag)+len(a.Untag) == 0 {
		return errors.New("profiles: nothing to add: give a name, a note or a tag")
	}
	if n := utf8.RuneCountInString(a.Name); n > maxName || printable(a.Name) != a.Name {
		return fmt.Errorf("profiles: name %q: want at most %d printable characters", a.Name, maxName)
	}
	for _, t := range slices.Concat(a.Tag, a.Untag) {
		if !tagPattern.MatchString(t) {
			return fmt.Errorf("profiles: tag %q: want 1-40 letters, digits, dots, dashes and underscores, a letter or digit first", t)
		}
	}
	return nil
}

// Annotate appends a to the profile at path as events with the time at. The lines in the
// file are not changed. An incomplete last line, which all readers ignore, is removed
// first. It is an error if the profile is still being written.
func Annotate(path string, at time.Time, a Annotation) error {
	if err := a.validate(); err != nil {
		return err
	}
	if p, err := Read(path); p == nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	if isLocked(f) {
		f.Close()
		return fmt.Errorf("profiles: %s is still being written; try again when it has ended", path)
	}
	lock(f) // waits for another process that annotates it now
	w := newWriter(filepath.Base(path), f, Options{})
	err = w.seekEnd(f)
	if err == nil {
		err = w.annotate(at, a)
	}
	return errors.Join(err, w.Close())
}

// annotate records a as events.
func (w *Writer) annotate(at time.Time, a Annotation) error {
	var events []trial.Event
	if name := strings.TrimSpace(a.Name); name != "" {
		events = append(events, trial.Event{At: at, What: eventName, Detail: name})
	}
	if note := strings.TrimSpace(a.Note); note != "" {
		events = append(events, trial.Event{At: at, What: eventNote, Detail: note})
	}
	for _, t := range a.Tag {
		events = append(events, trial.Event{At: at, What: eventTag, Detail: t})
	}
	for _, t := range a.Untag {
		events = append(events, trial.Event{At: at, What: eventUntag, Detail: t})
	}
	for _, e := range events {
		if err := w.Event(e); err != nil {
			return err
		}
	}
	return nil
}

// seekEnd prepares w to append to f: it completes or removes an incomplete last line.
func (w *Writer) seekEnd(f *os.File) error {
	data, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("profiles: %s: %w", w.name, err)
	}
	complete := bytes.LastIndexByte(data, '\n') + 1
	switch tail := data[complete:]; {
	case len(tail) == 0:
		w.size = int64(complete)
	case json.Valid(tail): // only the line feed is missing
		w.size = int64(len(data))
		err = w.append([]byte("\n"))
	default:
		w.size = int64(complete)
		err = f.Truncate(w.size)
	}
	if err != nil {
		return fmt.Errorf("profiles: %s: %w", w.name, err)
	}
	return nil
}

// Name returns the name that a person gave to the profile; "" if there is none.
func (p *Profile) Name() string { return p.lastDetail(eventName) }

// Note returns the last note; "" if there is none.
func (p *Profile) Note() string { return p.lastDetail(eventNote) }

func (p *Profile) lastDetail(what string) string {
	for _, e := range slices.Backward(p.Events) {
		if e.What == what {
			return e.Detail
		}
	}
	return ""
}

// Tags returns the current tags, sorted.
func (p *Profile) Tags() []string {
	var out []string
	for _, e := range p.Events {
		i, has := slices.BinarySearch(out, e.Detail)
		switch {
		case e.What == eventTag && !has:
			out = slices.Insert(out, i, e.Detail)
		case e.What == eventUntag && has:
			out = slices.Delete(out, i, i+1)
		}
	}
	return out
}
