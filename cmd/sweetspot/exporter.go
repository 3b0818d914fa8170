package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sweetspot/profiles"
	"sweetspot/profiles/export"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// exporter writes exports from a screen: config.properties, or choice.json if the server does not
// report all settings. Unless the user names the file and allows it, it overwrites only a file that
// it has written itself and that nobody has edited since. If another file exists, it uses the next
// free name.
type exporter struct {
	dir     string
	written map[string][]byte // the content of each file that it has written, by format
	paths   map[string]string // likewise its path
}

func newExporter(dir string) *exporter {
	return &exporter{dir: dir, written: map[string][]byte{}, paths: map[string]string{}}
}

// exportFunc returns the export function of a session, which writes to dir.
func (a *app) exportFunc(dir string) func(session.ExportRequest) (session.Exported, error) {
	e := newExporter(dir)
	return func(r session.ExportRequest) (session.Exported, error) {
		if r.Profile != "" {
			return e.profile(r.ExportOptions)
		}
		return e.export(a.exportSource(r), r.ExportOptions)
	}
}

// profile exports the choice or a trial of a profile.
func (e *exporter) profile(o session.ExportOptions) (session.Exported, error) {
	p, err := profiles.Read(o.Profile)
	if p == nil {
		return session.Exported{}, err
	}
	return e.ofProfile(p, o)
}

func (e *exporter) ofProfile(p *profiles.Profile, o session.ExportOptions) (session.Exported, error) {
	s, err := export.From(p, o.Trial)
	if err != nil {
		return session.Exported{}, err
	}
	s.Tool = "sweetspot " + version
	return e.export(s, o)
}

// export previews or writes s.
func (e *exporter) export(s export.Source, o session.ExportOptions) (session.Exported, error) {
	format := o.Format
	if format == "" {
		format = export.Formats()[0].Name
		if _, err := export.Write(format, s, true); errors.Is(err, export.ErrIncomplete) {
			format = "json"
		}
	}
	doc, refused, err := render(format, s, o.Force || o.Preview)
	switch {
	case err != nil:
		return session.Exported{}, err
	case refused != "" && !o.Force && !o.Preview:
		return session.Exported{}, errors.New(refused)
	}
	before := e.paths[format]
	path, edited, err := e.path(format, doc.File, o.Path)
	if err != nil {
		return session.Exported{}, err
	}
	out, err := describe(path, doc, s)
	out.Refused = refused
	if edited {
		out.Notes = append([]string{fmt.Sprintf("%s was edited after its export and is kept; this export is %s", before, path)}, out.Notes...)
	}
	if err != nil || o.Preview {
		return out, err
	}
	own := out.Exists && bytes.Equal([]byte(out.Existing), e.written[path])
	doc, err = writeExport(format, s, path, o.Overwrite || own, o.Force)
	if err != nil {
		return session.Exported{}, err
	}
	e.written[path], e.paths[format] = doc.Data, path
	out.Written = true
	return out, nil
}

// render returns the document, and why it would be misleading; "" if it is not. Then there is a
// document only with force.
func render(format string, s export.Source, force bool) (doc export.Document, refused string, err error) {
	doc, err = export.Write(format, s, false)
	if errors.Is(err, export.ErrRefused) {
		refused = err.Error()
		if !force {
			return doc, refused, nil
		}
		doc, err = export.Write(format, s, true)
	}
	return doc, refused, err
}

// describe returns the result of an export that writes doc to path, before it is written.
func describe(path string, doc export.Document, s export.Source) (session.Exported, error) {
	out := session.Exported{Path: path, Notes: doc.Notes, Format: doc.Format, Text: string(doc.Data), Source: sourceText(s)}
	for _, f := range export.Formats() {
		out.Formats = append(out.Formats, f.Name)
	}
	if s.Trial != nil {
		out.Verdict = s.Trial.Verdict
	}
	old, err := export.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return out, nil
	case err != nil:
		return out, err
	}
	out.Exists, out.Existing = true, string(old)
	out.Diff = export.Diff(out.Existing, out.Text)
	return out, nil
}

// sourceText says in words where the figures of an export are from.
func sourceText(s export.Source) string {
	switch {
	case s.Trial == nil:
		return "settings that were not measured"
	case s.Trial.Role == trial.RoleLive && s.Profile == "":
		return "the settings in force, with live figures"
	case s.Profile == "":
		return fmt.Sprintf("trial %d", s.Trial.N)
	}
	return fmt.Sprintf("trial %d of %s", s.Trial.N, s.Profile)
}

// path returns the file to write: the one that the user named; or the one that was written before,
// if it was not edited since; or one that does not exist. edited says that the former was edited.
func (e *exporter) path(format, name, named string) (path string, edited bool, err error) {
	if named != "" {
		if info, err := os.Stat(named); err == nil && info.IsDir() {
			named = filepath.Join(named, name)
		}
		return named, false, nil
	}
	if before, ok := e.paths[format]; ok {
		if now, err := os.ReadFile(before); os.IsNotExist(err) || err == nil && bytes.Equal(now, e.written[before]) {
			return before, false, nil
		}
		edited = true
	}
	ext := filepath.Ext(name)
	const maxFiles = 1000
	for n := 1; n < maxFiles; n++ {
		free := name
		if n > 1 {
			free = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
		}
		path := filepath.Join(e.dir, free)
		if _, err := os.Lstat(path); os.IsNotExist(err) {
			return path, edited, nil
		}
	}
	return "", false, fmt.Errorf("%s has too many %s files", e.dir, name)
}

// exportSource returns the settings that were chosen on a screen or by a sweep.
func (a *app) exportSource(r session.ExportRequest) export.Source {
	date := time.Now()
	if r.Measured != nil && !r.Measured.At.IsZero() {
		date = r.Measured.At
	}
	return export.Source{
		Tool: "sweetspot " + version, Date: date.UTC(), Profile: r.Sweep,
		Machine: a.machine(r.Info), Model: model(r.Info), SLA: &r.SLA,
		Settings: r.Settings, Options: r.Options, Trial: r.Measured, Runs: r.Runs, Searched: r.Searched, OtherLoads: r.OtherLoads,
	}
}

// writeExport writes one format and verifies the file. overwrite allows to replace a file with
// another content, and force to write a misleading export. The returned document has the content of
// the file.
func writeExport(format string, s export.Source, path string, overwrite, force bool) (export.Document, error) {
	doc, err := export.Write(format, s, force)
	if err != nil {
		return doc, err
	}
	if err := export.WriteFile(path, doc.Data, overwrite); err != nil {
		return doc, err
	}
	if doc.Data, err = os.ReadFile(path); err != nil {
		return doc, err
	}
	if err := export.Verify(doc, s); err != nil {
		return doc, fmt.Errorf("%s cannot be verified: %w", path, err)
	}
	return doc, nil
}
