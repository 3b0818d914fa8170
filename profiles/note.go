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

	"sweetspot/sweep/trial"
)

// What an event of a person's is called.
const (
	eventNote  = "note"
	eventTag   = "tag"
	eventUntag = "untag"
)

// Remark is what a person says of a profile: a note, tags put on and taken off.
type Remark struct {
	Note  string
	Tag   []string
	Untag []string
}

var tagForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)

func (r Remark) validate() error {
	if strings.TrimSpace(r.Note) == "" && len(r.Tag)+len(r.Untag) == 0 {
		return errors.New("profiles: nothing to note: give a text or a tag")
	}
	for _, t := range slices.Concat(r.Tag, r.Untag) {
		if !tagForm.MatchString(t) {
			return fmt.Errorf("profiles: tag %q: want 1-40 letters, digits, dots, dashes and underscores, a letter or digit first", t)
		}
	}
	return nil
}

// Annotate appends r to the profile at path as events dated at; nothing that is
// in the file changes. A torn last line, which no reader reads, is taken off
// first. A profile that is still being written is refused.
func Annotate(path string, at time.Time, r Remark) error {
	if err := r.validate(); err != nil {
		return err
	}
	if p, err := Read(path); p == nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	if held(f) {
		f.Close()
		return fmt.Errorf("profiles: %s is still being written; note it when it has ended", path)
	}
	lock(f) // waits for another who notes at this moment
	w := newWriter(filepath.Base(path), f, Options{})
	err = w.resume(f)
	if err == nil {
		err = w.remark(at, r)
	}
	return errors.Join(err, w.Close())
}

// remark records r as events.
func (w *Writer) remark(at time.Time, r Remark) error {
	var events []trial.Event
	if note := strings.TrimSpace(r.Note); note != "" {
		events = append(events, trial.Event{At: at, What: eventNote, Detail: note})
	}
	for _, t := range r.Tag {
		events = append(events, trial.Event{At: at, What: eventTag, Detail: t})
	}
	for _, t := range r.Untag {
		events = append(events, trial.Event{At: at, What: eventUntag, Detail: t})
	}
	for _, e := range events {
		if err := w.Event(e); err != nil {
			return err
		}
	}
	return nil
}

// resume makes w go on at the end of f: behind its last whole line.
func (w *Writer) resume(f *os.File) error {
	data, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("profiles: %s: %w", w.name, err)
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	switch tail := data[whole:]; {
	case len(tail) == 0:
		w.size = int64(whole)
	case json.Valid(tail): // it lacks its line feed only
		w.size = int64(len(data))
		err = w.append([]byte("\n"))
	default:
		w.size = int64(whole)
		err = f.Truncate(w.size)
	}
	if err != nil {
		return fmt.Errorf("profiles: %s: %w", w.name, err)
	}
	return nil
}

// Tags are the tags the profile has now, sorted.
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
