package oip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Saved is the content of a restore file: the configuration of a model before the first change. The file exists
// from before that change until it is restored, so that it is known after kill -9.
type Saved struct {
	Address string          `json:"address"`
	PID     int             `json:"pid"` // of the sweetspot that changes the server
	Model   string          `json:"model"`
	Config  json.RawMessage `json:"config"`
}

// ReadSaved reads a restore file.
func ReadSaved(path string) (Saved, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Saved{}, err
	}
	s, err := parseSaved(text)
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func parseSaved(text []byte) (Saved, error) {
	var s Saved
	if err := json.Unmarshal(text, &s); err != nil {
		return s, err
	}
	if s.Address == "" || s.Model == "" {
		return s, errors.New("want an address and a model")
	}
	_, err := parseModelConfig(s.Config)
	return s, err
}

// save writes the restore file before the first change. Without it there must be no change.
func (t *triton) save() error {
	if t.file == "" || t.changed {
		return nil
	}
	text, err := json.Marshal(Saved{t.api.base, os.Getpid(), t.name, t.initial})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(t.file), "restore-*.tmp")
	if err != nil {
		return fmt.Errorf("write the configuration to restore: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), t.file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the configuration to restore: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// forget removes the restore file after everything is restored.
func (t *triton) forget() error {
	if t.file == "" {
		return nil
	}
	return os.Remove(t.file)
}

// restoreEarlier restores what an earlier sweetspot that was killed has not restored. restored is false if
// there was nothing to do.
func (t *triton) restoreEarlier(ctx context.Context) (restored bool, err error) {
	if t.file == "" {
		return false, nil
	}
	found, err := ReadSaved(t.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case found.PID != os.Getpid() && isAlive(found.PID):
		return false, fmt.Errorf("process %d is changing the configuration of this server; if it is no sweetspot, remove %s", found.PID, t.file)
	}
	other := *t
	other.name = found.Model
	if err := other.loadConfig(ctx, found.Config); err != nil {
		return false, fmt.Errorf("restore what an earlier sweep found: %w", err)
	}
	return true, t.forget()
}

func isAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && pid > 0 && p.Signal(syscall.Signal(0)) == nil
}

// Restore restores what an earlier sweetspot has not restored on the server at an address, and returns the name of the model;
// "" if there was nothing to do. Of c it uses what says how a server is called.
func Restore(ctx context.Context, c Config, address, file string) (string, error) {
	c.Address = strings.TrimPrefix(address, Prefix)
	t := &triton{api: newCaller(c), file: file}
	defer t.api.close()
	saved, err := ReadSaved(file)
	if err != nil {
		return "", err
	}
	if restored, err := t.restoreEarlier(ctx); err != nil || !restored {
		return "", err
	}
	return saved.Model, nil
}
