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

// WriteFile writes the keys to their file, mode 0600, and keeps it until Close. It replaces a
// file that a server has left which was killed, and refuses to take that of a server that is
// running. A server calls it after it has bound its addresses, because an address in use says
// more. Tokens without a file write none.
func (t *Tokens) WriteFile() error {
	if t == nil || t.file == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lock == nil {
		var err error
		if t.lock, err = takeLock(t.file); err != nil {
			return err
		}
	}
	return t.write()
}

// Close removes the key file, unless another server has written it since.
func (t *Tokens) Close() error {
	if t == nil || t.file == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.remove()
	held := t.lock
	t.lock = nil
	return errors.Join(err, held.release(t.file)) // last, so that no other server's file is removed
}

// remove is Close without the lock. The caller holds mu.
func (t *Tokens) remove() error {
	if owns, err := t.ownsFile(); err != nil || !owns {
		return err
	}
	if err := os.Remove(t.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}

// ownsFile reports whether the file is unchanged since write, or does not exist. The caller
// holds mu.
func (t *Tokens) ownsFile() (bool, error) {
	have, err := os.ReadFile(t.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("token: %w", err)
	}
	return bytes.Equal(have, t.written), nil
}

// keyJSON is one key in the file, with TorchServe's field names.
type keyJSON struct {
	Key     string     `json:"key"`
	Expires *time.Time `json:"expiration time,omitempty"`
}

// write replaces the file atomically, so that readers never see an incomplete file and the
// mode of an old file does not stay. The caller holds mu.
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
	if err := replaceFile(t.file, body); err != nil {
		return fmt.Errorf("token: key file: %w", err)
	}
	t.written = body
	return nil
}

// replaceFile writes body to a temporary file of mode 0600 and renames it to name.
func replaceFile(name string, body []byte) (err error) {
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
