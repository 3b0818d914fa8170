package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Server has TorchServe's ts_log.log, which has all records, and model_log.log, which has those
// about a model: the ones with the attribute model.
type Server struct {
	level slog.Leveler
	texts []string // of WithAttrs
	model bool     // one of them is a model
	group string

	shared *serverFiles
}

type serverFiles struct {
	mu      sync.Mutex
	ts      *File
	model   *File
	scratch []byte

	tsOutage, modelOutage Outage
}

// OpenServer opens the two files in a folder, which it makes. The caller closes the handler. Errors of the disk are reported to
// log, which must not write to these files.
func OpenServer(dir string, level slog.Leveler, log *slog.Logger) (*Server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	ts, err := Open(filepath.Join(dir, "ts_log.log"))
	if err != nil {
		return nil, err
	}
	model, err := Open(filepath.Join(dir, "model_log.log"))
	if err != nil {
		return nil, errors.Join(err, ts.Close())
	}
	ts.Gap, model.Gap = lostRecords("sweetspot"), lostRecords("MODEL_LOG")
	return &Server{level: level, shared: &serverFiles{
		ts: ts, model: model,
		tsOutage: Outage{What: "records of ts_log.log", Log: log}, modelOutage: Outage{What: "records of model_log.log", Log: log},
	}}, nil
}

// lostRecords returns the Gap of a file whose lines have the name.
func lostRecords(name string) func(int, error) string {
	return func(lost int, why error) string {
		return fmt.Sprintf("%s [%-5s] main %s - %d records have no line: %v\n", AppendTime(nil, time.Now()), slog.LevelWarn, name, lost, why)
	}
}

// Close closes the files. Records after it are lost.
func (s *Server) Close() error {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	return errors.Join(s.shared.ts.Close(), s.shared.model.Close())
}

// Enabled is slog.Handler's.
func (s *Server) Enabled(_ context.Context, l slog.Level) bool { return l >= s.level.Level() }

// WithAttrs is slog.Handler's.
func (s *Server) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *s
	out.texts = append([]string(nil), s.texts...)
	for _, a := range attrs {
		out.texts = append(out.texts, s.attr(a))
		out.model = out.model || a.Key == "model"
	}
	return &out
}

// WithGroup is slog.Handler's.
func (s *Server) WithGroup(name string) slog.Handler {
	out := *s
	out.group = s.group + name + "."
	return &out
}

func (s *Server) attr(a slog.Attr) string { return fmt.Sprintf("%s%s=%v", s.group, a.Key, a.Value) }

// Handle writes one record, as TorchServe writes it:
//
//	2026-01-02T03:04:05,678 [INFO ] main sweetspot - serving model=mlp
func (s *Server) Handle(_ context.Context, r slog.Record) error {
	words, model := append([]string{r.Message}, s.texts...), s.model
	r.Attrs(func(a slog.Attr) bool {
		words = append(words, s.attr(a))
		model = model || a.Key == "model"
		return true
	})
	text := strings.ReplaceAll(strings.Join(words, " "), "\n", " ")
	f := s.shared
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ts.closed {
		return nil
	}
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	line := fmt.Appendf(AppendTime(f.scratch[:0], at), " [%-5s] main sweetspot - %s\n", r.Level, text)
	f.scratch = line
	_, err := f.ts.Write(line)
	f.tsOutage.Report(err)
	if model {
		line = bytes.Replace(line, []byte(" main sweetspot - "), []byte(" main MODEL_LOG - "), 1)
		_, e := f.model.Write(line)
		f.modelOutage.Report(e)
		err = errors.Join(err, e)
	}
	return err
}
