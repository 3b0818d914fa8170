// Package restorefile keeps what a server had in force before a sweep changed it. A restore file
// exists from before the first change until everything is restored, so that a later run finds it
// after kill -9.
//
// A restore file has one writer: the process that changes the server.
package restorefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Owner is the part of a restore file that says which process changes the server. The content of a
// file embeds it.
type Owner struct {
	PID int `json:"pid"`
}

// Me returns this process as an owner.
func Me() Owner { return Owner{os.Getpid()} }

func (o Owner) owner() Owner { return o }

// content is what a restore file has.
type content interface{ owner() Owner }

// Write replaces the file at path by saved as JSON, completely or not at all.
func Write(path string, saved any) error {
	text, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "restore-*.tmp")
	if err != nil {
		return fmt.Errorf("write what to restore: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write what to restore: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// Read reads the file at path with parse. An error of parse gets the name of the file.
func Read[T any](path string, parse func([]byte) (T, error)) (saved T, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return saved, err
	}
	if saved, err = parse(text); err != nil {
		return saved, fmt.Errorf("%s: %w", path, err)
	}
	return saved, nil
}

// Abandoned reads the file at path if a process that no longer runs has left it. found is false if
// there is no file. It is an error if the owner is another process that still runs.
func Abandoned[T content](path string, parse func([]byte) (T, error)) (saved T, found bool, err error) {
	saved, err = Read(path, parse)
	switch pid := saved.owner().PID; {
	case errors.Is(err, fs.ErrNotExist):
		return saved, false, nil
	case err != nil:
		return saved, false, err
	case pid != os.Getpid() && isAlive(pid):
		return saved, false, fmt.Errorf("process %d is changing this server; if it is no sweetspot, remove %s", pid, path)
	}
	return saved, true, nil
}

func isAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && pid > 0 && p.Signal(syscall.Signal(0)) == nil
}
