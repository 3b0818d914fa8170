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
}

// OpenServer opens the two files in a folder, which it makes. The caller closes the handler.
func OpenServer(dir string, level slog.Leveler) (*Server, error) {
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
	return &Server{level: level, shared: &serverFiles{ts: ts, model: model}}, nil
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
	if f.ts.f == nil {
		return nil // closed
	}
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	line := fmt.Appendf(AppendTime(f.scratch[:0], at), " [%-5s] main sweetspot - %s\n", r.Level, text)
	f.scratch = line
	_, err := f.ts.Write(line)
	if model {
		line = bytes.Replace(line, []byte(" main sweetspot - "), []byte(" main MODEL_LOG - "), 1)
		_, e := f.model.Write(line)
		err = errors.Join(err, e)
	}
	return err
}
