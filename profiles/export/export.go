// Package export turns chosen settings into the files servers read.
//
// [From] takes a [Source] out of a profile: the settings and what was measured
// with them. [Write] renders it in one of [Formats]; [Verify] reads the result
// back the way its server does and compares. [WriteFile] puts it on disk without
// ever overwriting another file unasked, [Diff] shows what would change.
//
// What a format has no key for is said in the file, in comments where it has
// any, and in [Document.Notes] for the screen. Nothing here keeps state.
package export

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// ErrRefused is in the error of an export that would mislead, and that force
// allows.
var ErrRefused = errors.New("--force writes it anyway")

// Source is what an export is made from.
type Source struct {
	Tool    string    // "sweetspot 0.1.0"
	Date    time.Time // of the export
	Profile string    // ID, or ""
	Machine profiles.Machine
	Model   profiles.Model
	SLA     *trial.SLA // nil without one

	Settings knob.Settings
	Options  knob.Options
	Trial    *trial.Trial // what was measured with Settings; nil if nothing was

	ModelStore      string // folder of the archives; "" is model-store, to be changed
	ResponseTimeout int    // s, for one batch; 0 is TorchServe's default, 120

	ownName string // the model's, where TorchServe cannot have it
}

// From takes trial n out of a profile; 0 is the choice, or without one the best
// trial that passed. Tool and Date stay the profile's until the caller sets them.
func From(p *profiles.Profile, n int) (Source, error) {
	h := p.Header
	s := Source{Tool: h.Tool, Date: h.Created, Profile: h.ID, Machine: h.Machine, Model: h.Model}
	if sla, ok := p.SLA(); ok {
		s.SLA = &sla
	}
	t, ok := p.Best()
	switch {
	case n != 0:
		if t, ok = p.Trial(n); !ok {
			return s, fmt.Errorf("export: %s has no trial %d%s", h.ID, n, numbers(p))
		}
	case !ok:
		return s, fmt.Errorf("export: %s has no choice: no trial met the promise; name one with --trial N%s", h.ID, numbers(p))
	}
	s.Trial, s.Settings, s.Options = &t, t.Settings, t.Options
	return s, nil
}

// numbers says which trials there are.
func numbers(p *profiles.Profile) string {
	if len(p.Trials) == 0 {
		return "; it has no trials at all"
	}
	return fmt.Sprintf("; it has %d-%d", p.Trials[0].N, p.Trials[len(p.Trials)-1].N)
}

// Format is one kind of file.
type Format struct {
	Name string // as --format takes it
	File string // the file's usual name
	Help string // one line

	torchServe bool // holds for TorchServe only
	write      func(Source) []byte
	fields     func(Source) []field
	read       func(data []byte, s Source) (map[string]string, error)
	notes      func(Source) []string
}

// field is one value a file must hold, by the key its server reads.
type field struct{ key, want string }

// Formats returns the formats, the default first.
func Formats() []Format {
	return []Format{
		{
			Name: "config.properties", File: "config.properties", Help: "TorchServe's server configuration", torchServe: true,
			write: writeProperties, fields: propertiesFields, read: readProperties, notes: propertiesNotes,
		},
		{
			Name: "model-config.yaml", File: "model-config.yaml", Help: "TorchServe's model configuration, for inside the archive", torchServe: true,
			write: writeModelConfig, fields: modelConfigFields, read: readModelConfig, notes: modelConfigNotes,
		},
		{
			Name: "json", File: "choice.json", Help: "everything, for programs",
			write: writeJSON, fields: jsonFields, read: readJSON, notes: func(Source) []string { return nil },
		},
	}
}

func lookup(name string) (Format, error) {
	var known []string
	for _, f := range Formats() {
		if f.Name == name {
			return f, nil
		}
		known = append(known, f.Name)
	}
	return Format{}, fmt.Errorf("export: %q: unknown format%s", name, knob.Suggest(name, known))
}

// Document is an export, not yet on disk.
type Document struct {
	Format string
	File   string // the file's usual name
	Data   []byte
	Notes  []string // what has no key there and what to do instead, a sentence each
}

// Write renders s. An export that would mislead is refused, with ErrRefused and
// the reason, unless force is set; one that cannot be right is an error always.
func Write(format string, s Source, force bool) (Document, error) {
	f, err := lookup(format)
	if err != nil {
		return Document{}, err
	}
	if f.torchServe {
		if err := fitsTorchServe(s, force); err != nil {
			return Document{}, fmt.Errorf("export: %s: %w", format, err)
		}
	}
	s = f.prepare(s)
	return Document{format, f.File, f.write(s), f.notes(s)}, nil
}

// prepare is s as f writes it. Like a profile, an export tells no paths.
func (f Format) prepare(s Source) Source {
	s.Model.Source = s.Model.Source[strings.LastIndexAny(s.Model.Source, `/\`)+1:]
	if s.Machine.Class == "" {
		s.Machine = s.Machine.Complete()
	}
	if f.torchServe {
		s = forTorchServe(s)
	}
	return s
}

// fitsTorchServe tells why s is no setting of TorchServe's.
func fitsTorchServe(s Source, force bool) error {
	limits := knob.Limits{Rule: knob.TorchServe, BatchAxis: s.Model.BatchAxis, BatchWhy: "see the profile's model"}
	if err := forTorchServe(s).Settings.Validate(limits); err != nil {
		return err
	}
	if forTorchServe(s).Model.Name == "" {
		return fmt.Errorf("model name %q: TorchServe finds settings by name and wants letters, digits, _ - . in it", s.Model.Name)
	}
	if force {
		return nil
	}
	if s.Options.Rule == knob.Eager {
		return fmt.Errorf("measured under the eager rule, which batches otherwise than TorchServe, so its figures do not hold there; "+
			"measure again with --rule torchserve; %w", ErrRefused)
	}
	if forTorchServe(s).Settings != s.Settings {
		return fmt.Errorf("batch_delay_ms %s would become %s: TorchServe takes whole milliseconds from 1; %w",
			s.Settings.Get(knob.BatchDelay), forTorchServe(s).Settings.Get(knob.BatchDelay), ErrRefused)
	}
	return nil
}

// forTorchServe is s with what TorchServe can express: a delay in whole
// milliseconds and never 0, which it reads as unset, and a name it accepts.
func forTorchServe(s Source) Source {
	ms := (s.Settings.BatchDelay + time.Millisecond - 1).Truncate(time.Millisecond)
	s.Settings.BatchDelay = max(time.Millisecond, ms)
	if name := torchServeName(s.Model.Name); name != s.Model.Name {
		s.ownName, s.Model.Name = s.Model.Name, name
	}
	if s.Model.Version == "" {
		s.Model.Version = "1.0"
	}
	if s.ModelStore == "" {
		s.ModelStore = "model-store"
	}
	if s.ResponseTimeout <= 0 {
		s.ResponseTimeout = 120
	}
	return s
}

// torchServeName replaces what TorchServe's archiver allows in no name.
func torchServeName(name string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r) {
			return r
		}
		return '-'
	}, name)
	return strings.TrimLeft(out, "_-.")
}

// Verify reads d back as its server does and compares every value with s. It
// checks a file from disk just as well: put its bytes into d.Data.
func Verify(d Document, s Source) error {
	f, err := lookup(d.Format)
	if err != nil {
		return err
	}
	s = f.prepare(s)
	got, err := f.read(d.Data, s)
	if err != nil {
		return fmt.Errorf("export: %s does not read back: %w", d.Format, err)
	}
	var errs []error
	for _, want := range f.fields(s) {
		if v, ok := got[want.key]; !ok || v != want.want {
			errs = append(errs, fmt.Errorf("export: %s: %s reads back as %q, want %q", d.Format, want.key, v, want.want))
		}
	}
	return errors.Join(errs...)
}

// comments turns lines into comment lines, in ASCII: neither format has escapes
// in its comments.
func comments(lines []string) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		text := strings.Map(func(r rune) rune {
			switch {
			case r < ' ':
				return ' '
			case r > '~':
				return '?'
			}
			return r
		}, l)
		b.WriteString(strings.TrimRight("# "+text, " ") + "\n")
	}
	return b.Bytes()
}
