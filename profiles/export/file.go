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

// Diff returns a unified diff of before and after; "" if they are equal.
func Diff(before, after string) string {
	return udiff.Unified("existing file", "new file", before, after)
}

// ReadFile reads the file at path, to compare it with an export. If there is none, the error
// wraps fs.ErrNotExist. It is an error if it is not a regular file, because a device may
// have no end.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, pathError(path, err)
	case info.IsDir():
		return nil, fmt.Errorf("export: %s is a folder", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("export: %s is not a regular file; without --to the export is written to stdout", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	return data, nil
}

// pathError returns an error about path that does not mention the system call or the
// temporary file.
func pathError(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("export: %s: %w", path, err)
}

// WriteFile writes data to path, completely or not at all. It does not write if the file has
// the same content. It overwrites another content only with force; otherwise the error
// shows the differences. If path is a symbolic link, its target is written.
func WriteFile(path string, data []byte, force bool) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	old, err := ReadFile(path)
	switch {
	case err == nil && bytes.Equal(old, data):
		return nil
	case err == nil && !force:
		return errDiffers(path, string(old), string(data))
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
		return fmt.Errorf("export: %s: there is no folder %s; create it first", path, filepath.Dir(path))
	case err != nil:
		return pathError(path, err)
	}
	defer os.Remove(temp) // fails if it was renamed
	if force {
		err = os.Rename(temp, path)
	} else {
		err = rename(temp, path)
	}
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("export: %s was created by another program meanwhile; --diff shows the differences", path)
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// rename renames temp to path and fails if path exists: a hard link does that in one step.
// On a file system without hard links, it uses os.Rename.
func rename(temp, path string) error {
	err := os.Link(temp, path)
	if err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Rename(temp, path)
}

// writeTemp writes data to a new file in the folder of path and syncs it.
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

// errDiffers returns the error for a file with another content, with the first lines of the
// differences.
func errDiffers(path, before, after string) error {
	const maxLines = 20
	lines := strings.SplitAfter(Diff(before, after), "\n")
	more := ""
	if len(lines) > maxLines {
		more = fmt.Sprintf("... and %d more lines\n", len(lines)-maxLines)
		lines = lines[:maxLines]
	}
	return fmt.Errorf("export: %s exists and differs:\n%s%s--force overwrites it, --diff shows all differences",
		path, strings.Join(lines, ""), more)
}
