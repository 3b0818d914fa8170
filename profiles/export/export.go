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
	Tool string // "sweetspot 0.1.0"
	// Date is when the figures were measured, so that the same choice is the
	// same file on every day; of the export for settings that were not.
	Date    time.Time
	Profile string // ID, or ""
	Machine profiles.Machine
	Model   profiles.Model
	SLA     *trial.SLA // nil without one

	Settings knob.Settings
	Options  knob.Options
	Trial    *trial.Trial // what was measured with Settings; nil if nothing was
	Runs     int          // how many runs Trial's throughput and verdict are of; 0 and 1 are one

	ModelStore      string // folder of the archives; "" is model-store, to be changed
	ResponseTimeout int    // s, for one batch; 0 is TorchServe's default, 120
	Envelope        string // TorchServe's service envelope in KServe: body, json, kserve, kservev2; "" is none

	ownName string // the model's, where TorchServe cannot have it
}

// From takes trial n out of a profile, with its own figures; 0 is the choice, or
// without one the best setting that passed, with those of all its runs. Tool is the
// profile's until the caller sets it.
func From(p *profiles.Profile, n int) (Source, error) {
	h := p.Header
	s := Source{Tool: h.Tool, Date: h.Created, Profile: h.ID, Machine: h.Machine, Model: h.Model}
	if sla, ok := p.SLA(); ok {
		s.SLA = &sla
	}
	row, ok := p.BestRow()
	t := row.Joined
	s.Runs = len(row.Runs)
	switch {
	case n != 0:
		s.Runs = 1
		if t, ok = p.Trial(n); !ok {
			return s, fmt.Errorf("export: %s has no trial %d%s", h.ID, n, numbers(p))
		}
	case !ok:
		return s, fmt.Errorf("export: %s has no choice: no trial met the promise; name one with --trial N%s", h.ID, numbers(p))
	}
	s.Trial, s.Settings, s.Options = &t, t.Settings, t.Options
	if !t.At.IsZero() {
		s.Date = t.At
	}
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

	fits   func(s Source, force bool) error // why s cannot be written so; nil takes all
	adapt  func(Source) Source              // s with what the server can express; nil changes nothing
	write  func(Source) []byte
	fields func(Source) []field
	read   func(data []byte, s Source) (map[string]string, error)
	notes  func(Source) []string
}

// field is one value a file must hold, by the key its server reads.
type field struct{ key, want string }

// Formats returns the formats, the default first.
func Formats() []Format {
	return []Format{
		{
			Name: "config.properties", File: "config.properties", Help: "TorchServe's server configuration",
			fits: fitsTorchServe, adapt: forTorchServe,
			write: writeProperties, fields: propertiesFields, read: readProperties, notes: propertiesNotes,
		},
		{
			Name: "model-config.yaml", File: "model-config.yaml", Help: "TorchServe's model configuration, for inside the archive",
			fits: fitsTorchServe, adapt: forTorchServe,
			write: writeModelConfig, fields: modelConfigFields, read: readModelConfig, notes: modelConfigNotes,
		},
		{
			Name: "triton", File: "config.pbtxt", Help: "Triton's model configuration",
			fits: fitsTriton, adapt: forTriton,
			write: writeTriton, fields: tritonFields, read: readTriton, notes: tritonNotes,
		},
		{
			Name: "kserve", File: "inferenceservice.yaml", Help: "TorchServe as a KServe InferenceService, with its configuration",
			fits: fitsKServe, adapt: forKServe,
			write: writeKServe, fields: kserveFields, read: readKServe, notes: kserveNotes,
		},
		{
			Name: "shell", File: "torchserve.sh", Help: "a shell script that starts TorchServe with the settings",
			fits: fitsTorchServe, adapt: forTorchServe,
			write: writeShell, fields: shellFields, read: readShell, notes: shellNotes,
		},
		{
			Name: "docker", File: "docker-run.sh", Help: "a shell script that starts TorchServe's container with the settings",
			fits: fitsTorchServe, adapt: forTorchServe,
			write: writeDocker, fields: dockerFields, read: readDocker, notes: dockerNotes,
		},
		{
			Name: "json", File: "choice.json", Help: "everything, for programs; with the names in BentoML, Ray Serve and LitServe",
			write: writeJSON, fields: jsonFields, read: readJSON, notes: jsonNotes,
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
	if f.fits != nil {
		if err := f.fits(s, force); err != nil {
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
	if f.adapt != nil {
		s = f.adapt(s)
	}
	return s
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
