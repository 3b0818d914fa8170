package export

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Diff returns what turns before into after, as a unified diff; "" when they are
// the same.
func Diff(before, after string) string {
	return udiff.Unified("there now", "to be written", before, after)
}

// ReadFile reads what is at path, to compare an export with. It is not there yet
// (fs.ErrNotExist), or it is a regular file, else the error says so: of a device
// there may be no end.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, plainly(path, err)
	case info.IsDir():
		return nil, fmt.Errorf("export: %s is a folder", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("export: %s is no regular file; without --to the export goes to stdout", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, plainly(path, err)
	}
	return data, nil
}

// plainly is an error about path without the system call, or the temporary file,
// that it came from.
func plainly(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("export: %s: %w", path, err)
}

// WriteFile puts data at path, whole or not at all. A file that already says the
// same is left alone; one that says something else is overwritten only with
// force, else the error shows what differs. A link is followed, not replaced.
func WriteFile(path string, data []byte, force bool) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	old, err := ReadFile(path)
	switch {
	case err == nil && bytes.Equal(old, data):
		return nil
	case err == nil && !force:
		return differs(path, string(old), string(data))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	temp, err := writeTemp(path, data, mode)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("export: %s: there is no folder %s; make it first", path, filepath.Dir(path))
	case err != nil:
		return plainly(path, err)
	}
	defer os.Remove(temp) // gone already when it was renamed
	if force {
		err = os.Rename(temp, path)
	} else {
		err = place(temp, path)
	}
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("export: %s came into being meanwhile; look at it with --diff", path)
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// place gives temp its name without overwriting: a link does that in one step.
// File systems without hard links get a rename.
func place(temp, path string) error {
	err := os.Link(temp, path)
	if err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Rename(temp, path)
}

// writeTemp writes data into a new file beside path and syncs it.
func writeTemp(path string, data []byte, mode os.FileMode) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}

// differs is the refusal to overwrite; it shows as much as fits a screen.
func differs(path, before, after string) error {
	const most = 20
	lines := strings.SplitAfter(Diff(before, after), "\n")
	more := ""
	if len(lines) > most {
		more = fmt.Sprintf("... and %d more lines\n", len(lines)-most)
		lines = lines[:most]
	}
	return fmt.Errorf("export: %s exists and differs:\n%s%s--force overwrites it, --diff shows all of it",
		path, strings.Join(lines, ""), more)
}
