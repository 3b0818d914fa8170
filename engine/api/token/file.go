package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// WriteFile writes the keys to their file, mode 0600, whatever it held. A server
// does so once its addresses are its own: before, the file may belong to the
// server that has them. Tokens without a file write none.
func (t *Tokens) WriteFile() error {
	if t == nil || t.file == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.write()
}

// Close removes the key file, whose keys are of no use any more. A file that
// another server has written since stays.
func (t *Tokens) Close() error {
	if t == nil || t.file == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ours, err := t.ours(); err != nil || !ours {
		return err
	}
	if err := os.Remove(t.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}

// ours tells whether the file holds what these tokens wrote, or is gone. The
// caller holds mu.
func (t *Tokens) ours() (bool, error) {
	have, err := os.ReadFile(t.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("token: %w", err)
	}
	return bytes.Equal(have, t.written), nil
}

// keyJSON is one key in the file, in TorchServe's words.
type keyJSON struct {
	Key     string     `json:"key"`
	Expires *time.Time `json:"expiration time,omitempty"`
}

// write replaces the file in one step, so that no reader finds half of one and
// an older file's wider mode does not survive. The caller holds mu.
func (t *Tokens) write() error {
	out := map[string]keyJSON{}
	for k, v := range t.keys {
		j := keyJSON{Key: v.text}
		if !v.expires.IsZero() {
			utc := v.expires.UTC()
			j.Expires = &utc
		}
		out[Kind(k).String()] = j
	}
	body, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	body = append(body, '\n')
	if err := replace(t.file, body); err != nil {
		return fmt.Errorf("token: key file: %w", err)
	}
	t.written = body
	return nil
}

// replace writes body to a file of mode 0600 beside name and renames it.
func replace(name string, body []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".key_file-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(body)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
