package catalog

import (
	"bufio"
	"fmt"
	"os"

	"sweetspot/engine/archive"
	"sweetspot/engine/onnxgraph"
)

// quickSize is the size of a file up to which Check reads all of it.
const quickSize = 64 << 20

// Check returns the error of Open for a MODEL that cannot be opened, as far as it is known in a moment:
// of the path, the kind of file and, unless the file is large, the graph. Open may still fail.
func Check(arg string) error {
	_, model, err := splitName(arg)
	if err != nil {
		return err
	}
	r := request{model: model}
	r.found, r.err = os.Stat(model)
	switch {
	case isSimulated(r), isBuiltin(r):
		return nil
	case isArchive(r):
		return checkArchive(r)
	case isFolder(r):
		path, err := modelIn(r.model)
		if err != nil {
			return err
		}
		return checkFile(path)
	case isFile(r):
		return checkFile(r.model)
	}
	return r.unknownError()
}

// checkArchive returns why an archive cannot be served.
func checkArchive(r request) error {
	if r.err != nil {
		return r.unknownError()
	}
	a, err := archive.Open(r.model, archive.Limits{})
	if err != nil {
		return err
	}
	_, err = a.ONNX()
	return err
}

// checkFile returns why a file is no ONNX model.
func checkFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	head, _ := r.Peek(512)
	if err := otherFile(head); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	info, err := f.Stat()
	if err != nil || info.Size() > quickSize {
		return err
	}
	if _, err := onnxgraph.Inspect(r); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
