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

// exporter writes config.properties from a screen, or choice.json where the server
// tells too little for one. A file that a person put there stays: the export takes the
// next free name. What it wrote itself it may overwrite.
type exporter struct {
	dir string
	own string // the file it wrote before; "" is none yet
}

// exportFrom is the export of a session, into dir.
func (a *app) exportFrom(dir string) func(session.ExportRequest) (session.Exported, error) {
	e := &exporter{dir: dir}
	return func(r session.ExportRequest) (session.Exported, error) { return e.write(a.exportSource(r)) }
}

// write writes s and says what the file has no key for.
func (e *exporter) write(s export.Source) (session.Exported, error) {
	format, name := "config.properties", "config.properties"
	if _, err := export.Write(format, s, true); errors.Is(err, export.ErrIncomplete) {
		format, name = "json", "choice.json"
	}
	path, err := e.place(name)
	if err != nil {
		return session.Exported{}, err
	}
	doc, err := writeExport(format, s, path, path == e.own)
	switch {
	case errors.Is(err, export.ErrRefused):
		return session.Exported{}, fmt.Errorf("%w (with: sweetspot export)", err)
	case err != nil:
		return session.Exported{}, err
	}
	e.own = path
	return session.Exported{Path: path, Notes: doc.Notes}, nil
}

// place is the file to write: its own, or a name that is free.
func (e *exporter) place(name string) (string, error) {
	ext := filepath.Ext(name)
	if filepath.Ext(e.own) == ext {
		return e.own, nil
	}
	const most = 1000
	for n := 1; n < most; n++ {
		free := name
		if n > 1 {
			free = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
		}
		path := filepath.Join(e.dir, free)
		if _, err := os.Lstat(path); os.IsNotExist(err) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is full of %s files", e.dir, name)
}

// exportSource is what was picked on a screen or by a sweep.
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

// writeExport writes one format and reads it back. What it returns is as it
// stands on disk.
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
		return doc, fmt.Errorf("%s does not read back as written: %w", path, err)
	}
	return doc, nil
}
