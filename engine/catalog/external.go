package catalog

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// weights are the external files of a model.
type weights struct {
	path string // of the model, in whose folder the files are
	sum  string // of the model and its files, hex
	size int64  // of the files
}

// findWeights looks for the external files of the model at path, whose own sum is given, in its
// folder. If the path is a link, they may be in the folder of the file that it links to.
func findWeights(path, sum string, files []string) (weights, error) {
	w, err := hashWeights(path, sum, files)
	if !errors.Is(err, fs.ErrNotExist) {
		return w, err
	}
	if linked, failed := filepath.EvalSymlinks(path); failed == nil && linked != path {
		if w, failed := hashWeights(linked, sum, files); failed == nil {
			return w, nil
		}
	}
	return w, err
}

// missingWeights means that a file of external weights is not there.
type missingWeights struct {
	file string
	err  error
}

func (e *missingWeights) Error() string {
	return fmt.Sprintf("its external weights are missing: there is no file %s; copy it beside the model, under that name", e.file)
}

func (e *missingWeights) Unwrap() error { return e.err }

// hashWeights adds the names and contents of the files to the sum.
func hashWeights(path, sum string, files []string) (weights, error) {
	w := weights{path: path}
	all := sha256.New()
	_, _ = io.WriteString(all, sum)
	for _, name := range files {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return w, fmt.Errorf("its external weights are in %q, outside the folder of the model; save the model again with both in one folder", name)
		}
		file := filepath.Join(filepath.Dir(path), filepath.FromSlash(name))
		_, _ = fmt.Fprintf(all, "\n%q ", name)
		n, err := hashFile(all, file)
		if err != nil {
			return w, err
		}
		w.size += n
	}
	w.sum = hex.EncodeToString(all.Sum(nil))
	return w, nil
}

// hashFile adds the contents of a file of weights to the sum and returns its size.
func hashFile(sum io.Writer, file string) (int64, error) {
	if err := checkRegular(file); errors.Is(err, fs.ErrNotExist) {
		return 0, &missingWeights{file, err}
	} else if err != nil {
		return 0, fmt.Errorf("its external weights: %w", err)
	}
	f, err := os.Open(file)
	if err != nil {
		return 0, fmt.Errorf("its external weights: %w", err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	if head, _ := r.Peek(len(pointerHead)); string(head) == pointerHead {
		return 0, fmt.Errorf("its external weights %s are a Git LFS pointer; fetch the file itself with: git lfs pull", file)
	}
	n, err := io.Copy(sum, r)
	if err != nil {
		return n, fmt.Errorf("read external weights: %w", err)
	}
	return n, nil
}

// pointerHead is the beginning of a file that stands for one in Git LFS.
const pointerHead = "version https://git-lfs"

// checkRegular refuses what is no regular file: reading a FIFO may wait for ever, and a device may never end.
func checkRegular(file string) error {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file)
	}
	return err
}
