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

	"sweetspot/profiles/export"
	"sweetspot/sweep/session"
)

// exporter writes config.properties from a screen, or choice.json if the server does not
// report all settings. It overwrites only a file that it has written itself and that nobody has
// changed since. If another file exists, it uses the next free name.
type exporter struct {
	dir     string
	written string // the file that it has written; "" if none
	content []byte // of that file
}

// exportFunc returns the export function of a session, which writes to dir.
func (a *app) exportFunc(dir string) func(session.ExportRequest) (session.Exported, error) {
	e := &exporter{dir: dir}
	return func(r session.ExportRequest) (session.Exported, error) { return e.write(a.exportSource(r)) }
}

// write writes s, and returns the notes of the file.
func (e *exporter) write(s export.Source) (session.Exported, error) {
	format, name := "config.properties", "config.properties"
	if _, err := export.Write(format, s, true); errors.Is(err, export.ErrIncomplete) {
		format, name = "json", "choice.json"
	}
	old := e.written
	path, edited, err := e.path(name)
	if err != nil {
		return session.Exported{}, err
	}
	doc, err := writeExport(format, s, path, path == e.written)
	switch {
	case errors.Is(err, export.ErrRefused):
		return session.Exported{}, fmt.Errorf("%w (with: sweetspot export)", err)
	case err != nil:
		return session.Exported{}, err
	}
	e.written, e.content = path, doc.Data
	out := session.Exported{Path: path, Notes: doc.Notes}
	if edited {
		out.Notes = append([]string{fmt.Sprintf("%s was edited after its export and is kept; this export is %s", old, path)}, out.Notes...)
	}
	return out, nil
}

// path returns the file to write: the one that was written before, or one that does not exist. edited
// says that the former has other content than was written.
func (e *exporter) path(name string) (path string, edited bool, err error) {
	ext := filepath.Ext(name)
	if filepath.Ext(e.written) == ext {
		now, err := os.ReadFile(e.written)
		if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(now, e.content) {
			return e.written, false, nil
		}
		edited = true
	}
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
	if r.Trial != nil && !r.Trial.At.IsZero() {
		date = r.Trial.At
	}
	return export.Source{
		Tool: "sweetspot " + version, Date: date.UTC(), Profile: r.Profile,
		Machine: a.machine(r.Info), Model: model(r.Info), SLA: &r.SLA,
		Settings: r.Settings, Options: r.Options, Trial: r.Trial, Runs: r.Runs,
	}
}

// writeExport writes one format and verifies the file. The returned document has the content
// of the file.
func writeExport(format string, s export.Source, path string, force bool) (export.Document, error) {
	doc, err := export.Write(format, s, force)
	if err != nil {
		return doc, err
	}
	if err := export.WriteFile(path, doc.Data, force); err != nil {
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
