package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// Extract unpacks all files into the folder dir, which must not exist yet: completely, or it
// leaves nothing. Files get mode 0600. A file with more bytes than the archive says is refused.
func (a *Archive) Extract(dir string) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(parent, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) // fails if it was renamed
	if err := a.extractTo(temp); err != nil {
		return fmt.Errorf("%s: %w", a.Path, err)
	}
	return os.Rename(temp, dir)
}

func (a *Archive) extractTo(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return a.walk(func(name string, size int64, r io.Reader) error {
		if parent := path.Dir(name); parent != "." {
			if err := root.MkdirAll(parent, 0o700); err != nil {
				return plainError(err)
			}
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("%s: %w", name, plainError(err))
		}
		n, err := io.Copy(f, io.LimitReader(r, size+1))
		if err == nil && n != size {
			err = fmt.Errorf("has %d bytes or more, and the archive says %d", n, size)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

// Size returns the bytes of all files, unpacked.
func (a *Archive) Size() int64 {
	var n int64
	for _, f := range a.Files {
		n += f.Size
	}
	return n
}

// Sum returns a SHA-256 sum of the content of the archive, in hex: of its file, or of the names and
// the contents of its files if it is a folder.
func (a *Archive) Sum() (string, error) {
	if !a.Folder {
		return a.sum()
	}
	h := sha256.New()
	root, err := os.OpenRoot(a.Path)
	if err != nil {
		return "", plainError(err)
	}
	defer root.Close()
	for _, f := range a.Files {
		fmt.Fprintf(h, "%s\x00%d\x00", f.Name, f.Size)
		r, err := root.Open(f.Name)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, plainError(err))
		}
		_, err = io.Copy(h, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// sum returns the SHA-256 sum of the archive's file, in hex.
func (a *Archive) sum() (string, error) {
	f, err := os.Open(a.Path)
	if err != nil {
		return "", plainError(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
