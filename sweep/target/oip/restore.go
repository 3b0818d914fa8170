package oip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"sweetspot/sweep/target/restorefile"
)

// Saved is the content of a restore file: the configuration of a model before the first change.
type Saved struct {
	restorefile.Owner
	Address string          `json:"address"`
	Model   string          `json:"model"`
	Config  json.RawMessage `json:"config"`
}

// ReadSaved reads a restore file.
func ReadSaved(path string) (Saved, error) { return restorefile.Read(path, parseSaved) }

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
	return restorefile.Write(t.file, Saved{restorefile.Me(), t.api.base, t.name, t.initial})
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
	saved, found, err := restorefile.Abandoned(t.file, parseSaved)
	if err != nil || !found {
		return false, err
	}
	other := *t
	other.name = saved.Model
	if err := other.loadConfig(ctx, saved.Config); err != nil {
		return false, fmt.Errorf("restore what an earlier sweep found: %w", err)
	}
	return true, t.forget()
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
