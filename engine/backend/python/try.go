package python

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// The archive of Try.
const (
	tryManifest = `{"runtime": "python", "model": {"modelName": "try", "handler": "handler.py"}}`
	tryHandler  = "def handle(data, context):\n    return None if data is None else [bytes(row[\"body\"]).upper() for row in data]\n"
	tryPart     = "body" // the part that is a whole body
	tryBody     = "it runs"
	tryAnswer   = "IT RUNS"
)

// Try runs a handler of one line in TorchServe's worker with the interpreter that Find returns. It takes as long as the worker needs to
// import torch, some seconds.
func Try(ctx context.Context, w Where) (err error) {
	return try(ctx, New(Options{Where: w}))
}

func try(ctx context.Context, b *Backend) (err error) {
	dir, err := os.MkdirTemp("", "sweetspot-try-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for name, text := range map[string]string{"MAR-INF/MANIFEST.json": tryManifest, "handler.py": tryHandler} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			return err
		}
	}
	s, err := b.Open(ctx, &engine.Model{Name: "try", Path: dir}, knob.Config{Settings: knob.Default(knob.Eager)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	out := make([]payload.Result, 1)
	if err := s.Run(ctx, []payload.Row{{Message: &payload.Message{Parts: []payload.Part{{Name: tryPart, Data: []byte(tryBody)}}}}}, out); err != nil {
		return err
	}
	if got := out[0]; got.Err != nil || got.Bytes == nil || string(got.Bytes.Body) != tryAnswer {
		return errors.Join(fmt.Errorf("the handler answered %q instead of %q", bodyOf(got), tryAnswer), got.Err)
	}
	return nil
}

func bodyOf(r payload.Result) []byte {
	if r.Bytes == nil {
		return nil
	}
	return r.Bytes.Body
}
