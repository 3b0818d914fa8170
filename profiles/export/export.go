// Package export converts chosen settings to the configuration files of servers.
//
// [From] returns a [Source] with the settings and the measurements of a profile. [Write]
// writes it in one of the [Formats]. [Verify] parses the result as its server does and
// compares the values. [WriteFile] writes it to disk and overwrites another file only on
// request; [Diff] shows what would change.
//
// Settings for which a format has no key are explained in comments of the file, if the
// format has comments, and in [Document.Notes] for the screen. The functions are pure,
// except those that read and write files.
package export

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// ErrRefused is wrapped by the error of an export that would be misleading. It is allowed
// with force.
var ErrRefused = errors.New("--force writes it anyway")

// Source has the settings to export, and their origin.
type Source struct {
	Tool string // "sweetspot 0.1.0"
	// Date is the date of the measurement, so that exports of the same choice are equal
	// on all days; for settings that were not measured, the date of the export.
	Date    time.Time
	Profile string // ID, or ""
	Machine profiles.Machine
	Model   profiles.Model
	SLA     *trial.SLA // nil if there is no promise

	Settings knob.Settings
	Options  knob.Options
	Trial    *trial.Trial    // measurement of Settings; nil if there is none
	Replicas *trial.Replicas // how many of them carry a rate; nil if that was not the question
	Runs     int             // number of runs on which the throughput and the verdict of Trial are based; 0 means 1
	Searched bool            // no validation has confirmed Trial: its verdict is from short runs of a search

	// OtherLoads says under which other loads the settings were not measured, not validated, or fail.
	OtherLoads []string

	Load load.Spec // under which a prediction was made; of no effect if there is a Trial
	// Predicted says in sentences what was predicted for TorchServe, and from what; "" if nothing
	// was. The settings are then those with the best prediction.
	Predicted string

	ModelStore      string // folder of the archives; "" is model-store, which the user must change
	ResponseTimeout int    // seconds for one batch; 0 is the default of TorchServe, 120
	Envelope        string // service envelope of TorchServe in KServe: body, json, kserve, kservev2; "" is none

	originalName string // name of the model, if Model.Name had to be changed for the server
}

// From returns trial n of a profile. For n = 0 it returns the choice, or, without a choice,
// the best setting that passed, with the figures of all its runs. Tool is that of the
// profile; the caller may set another one.
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
			return s, fmt.Errorf("export: %s has no trial %d%s", h.ID, n, trialNumbers(p))
		}
	case !ok:
		return s, fmt.Errorf("export: %s has no choice: no trial met the promise; choose one with --trial N%s", h.ID, trialNumbers(p))
	}
	c, chosen := p.Choice()
	if chosen && n == 0 {
		s.Replicas = c.Why.Replicas
	}
	if measured, ok := p.Row(t.N); ok {
		s.Searched = t.Role != trial.RoleLive && !measured.Validated && !(chosen && t.N == c.N)
	}
	s.OtherLoads = p.OtherLoads(t.N)
	s.Trial, s.Settings, s.Options = &t, t.Settings, t.Options
	if !t.At.IsZero() {
		s.Date = t.At
	}
	return s, nil
}

// trialNumbers says which trials exist.
func trialNumbers(p *profiles.Profile) string {
	if len(p.Trials) == 0 {
		return "; it has no trials"
	}
	return fmt.Sprintf("; it has trials %d-%d", p.Trials[0].N, p.Trials[len(p.Trials)-1].N)
}

// Format is a format of a file.
type Format struct {
	Name string // value of --format
	File string // usual name of the file
	Help string // one line

	check  func(s Source, force bool) error // why s cannot be written in this format; nil accepts all
	adapt  func(Source) Source              // changes s to values that the server allows; nil changes nothing
	write  func(Source) []byte
	fields func(Source) []field
	read   func(data []byte, s Source) (map[string]string, error)
	notes  func(Source) []string
}

// field is one value that a file must have, and its key.
type field struct{ key, want string }

// Formats returns the formats. The first one is the default.
func Formats() []Format {
	return []Format{
		{
			Name: "config.properties", File: "config.properties", Help: "server configuration of TorchServe",
			check: checkTorchServeFile, adapt: forTorchServe,
			write: writeProperties, fields: propertiesFields, read: readProperties, notes: propertiesNotes,
		},
		{
			Name: "model-config.yaml", File: "model-config.yaml", Help: "model configuration of TorchServe, to be packed into the archive",
			check: checkTorchServeFile, adapt: forTorchServe,
			write: writeModelConfig, fields: modelConfigFields, read: readModelConfig, notes: modelConfigNotes,
		},
		{
			Name: "triton", File: "config.pbtxt", Help: "model configuration of Triton",
			check: checkTriton, adapt: forTriton,
			write: writeTriton, fields: tritonFields, read: readTriton, notes: tritonNotes,
		},
		{
			Name: "kserve", File: "inferenceservice.yaml", Help: "KServe InferenceService for TorchServe, with its configuration",
			check: checkKServe, adapt: forKServe,
			write: writeKServe, fields: kserveFields, read: readKServe, notes: kserveNotes,
		},
		{
			Name: "ovms", File: "config.json", Help: "configuration of OpenVINO Model Server",
			check: checkOVMS, adapt: forTriton,
			write: writeOVMS, fields: ovmsFields, read: readOVMS, notes: ovmsNotes,
		},
		{
			Name: "shell", File: "torchserve.sh", Help: "shell script that starts TorchServe with the settings",
			check: checkTorchServeScript, adapt: forTorchServe,
			write: writeShell, fields: shellFields, read: readShell, notes: shellNotes,
		},
		{
			Name: "docker", File: "docker-run.sh", Help: "shell script that starts the container of TorchServe with the settings",
			check: checkTorchServeScript, adapt: forTorchServe,
			write: writeDocker, fields: dockerFields, read: readDocker, notes: dockerNotes,
		},
		{
			Name: "json", File: "choice.json", Help: "all values, for programs, with their names in BentoML, Ray Serve and LitServe",
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

// Document is an export in memory.
type Document struct {
	Format string
	File   string // usual name of the file
	Data   []byte
	Notes  []string // sentences on what has no key in the format and what to do instead
}

// Write writes s in a format. If the export would be misleading, it returns an error that
// wraps ErrRefused, unless force is set. If the format cannot express the settings, it
// always returns an error.
func Write(format string, s Source, force bool) (Document, error) {
	f, err := lookup(format)
	if err != nil {
		return Document{}, err
	}
	if f.check != nil {
		if err := f.check(s, force); err != nil {
			return Document{}, fmt.Errorf("export: %s: %w", format, err)
		}
	}
	s = f.prepare(s)
	return Document{format, f.File, f.write(s), f.notes(s)}, nil
}

// prepare returns s with the values that f writes. Like a profile, an export has no paths.
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

// Verify parses d as its server does and compares all values with s. d.Data may also be the
// content of a file on disk.
func Verify(d Document, s Source) error {
	f, err := lookup(d.Format)
	if err != nil {
		return err
	}
	s = f.prepare(s)
	got, err := f.read(d.Data, s)
	if err != nil {
		return fmt.Errorf("export: %s cannot be read back: %w", d.Format, err)
	}
	var errs []error
	for _, want := range f.fields(s) {
		if v, ok := got[want.key]; !ok || v != want.want {
			errs = append(errs, fmt.Errorf("export: %s: %s reads back as %q, want %q", d.Format, want.key, v, want.want))
		}
	}
	return errors.Join(errs...)
}
