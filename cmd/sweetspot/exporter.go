package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sweetspot/profiles/export"
	"sweetspot/sweep/session"
)

// exporter writes config.properties from a screen, or choice.json if the server does not
// report all settings. It overwrites only the file that it has written itself. If another
// file exists, it uses the next free name.
type exporter struct {
	dir     string
	written string // the file that it has written; "" if none
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
	path, err := e.path(name)
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
	e.written = path
	return session.Exported{Path: path, Notes: doc.Notes}, nil
}

// path returns the file to write: the one that was written before, or one that does not
// exist.
func (e *exporter) path(name string) (string, error) {
	ext := filepath.Ext(name)
	if filepath.Ext(e.written) == ext {
		return e.written, nil
	}
	const maxFiles = 1000
	for n := 1; n < maxFiles; n++ {
		free := name
		if n > 1 {
			free = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
		}
		path := filepath.Join(e.dir, free)
		if _, err := os.Lstat(path); os.IsNotExist(err) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s has too many %s files", e.dir, name)
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
