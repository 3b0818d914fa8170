package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sweetspot/engine/archive"
	"sweetspot/engine/catalog"
	"sweetspot/engine/config"
	"sweetspot/engine/config/check"
	"sweetspot/profiles/export"
)

// archiveFlags are the flags of archive.
type archiveFlags struct {
	to, version, config string
	force, json         bool
	open                modelFlags
}

// packedArchive is an archive that was written.
type packedArchive struct {
	Path    string `json:"path"`
	Model   string `json:"model"`
	Version string `json:"version"`
	Batches string `json:"batches"` // why requests are batched, or why not
}

// archiveCommand packs an ONNX model as an archive that TorchServe runs too.
func (a *app) archiveCommand() *cobra.Command {
	var f archiveFlags
	c := &cobra.Command{
		Use:   "archive [NAME=]MODEL",
		Short: "pack an ONNX model as a .mar archive that TorchServe runs too",
		Long: `archive writes a model archive with the ONNX model, its external weights, and a handler
in Python that runs it in TorchServe with onnxruntime: the same JSON and raw bodies, the
same answers, batches joined. sweetspot opens the archive as MODEL and runs no Python.`,
		Example: `  sweetspot archive model.onnx                                    writes model.mar
  sweetspot archive clf=model.onnx --version 2.0 --to store/clf.mar
  sweetspot export --format model-config.yaml --to model-config.yaml
  sweetspot archive model.onnx --config-file model-config.yaml    with the chosen settings`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.archive(c, args[0], f) },
	}
	c.Flags().StringVar(&f.to, "to", "", "file to write: .mar or .tar.gz (default: NAME.mar)")
	c.Flags().StringVar(&f.version, "version", "1.0", "version of the model")
	c.Flags().StringVar(&f.config, "config-file", "", "model-config.yaml to pack; it is checked")
	c.Flags().BoolVar(&f.force, "force", false, "overwrite a file")
	c.Flags().BoolVar(&f.json, "json", false, "as JSON")
	f.open.bind(c.Flags())
	f.open.bindInput(c.Flags())
	return c
}

func (a *app) archive(c *cobra.Command, arg string, f archiveFlags) error {
	text, err := a.packedConfig(f.config)
	if err != nil {
		return err
	}
	o, err := f.open.options()
	if err != nil {
		return err
	}
	b, err := a.onnx(a.logger())
	if err != nil {
		return err
	}
	o.Probe, o.Unpack = b, a.env.archiveCache()
	m, err := catalog.Open(c.Context(), arg, o)
	if err != nil {
		return err
	}
	m.Version = f.version
	manifest, files, err := catalog.Pack(m, text)
	if err != nil {
		return err
	}
	manifest.CreatedOn = time.Now().UTC().Format("02/01/2006 15:04:05")
	to := f.to
	if to == "" {
		to = m.Name + ".mar"
	}
	err = writeNew(to, f.force, func(w io.Writer) error {
		return archive.Create(w, archive.FormatOf(to), manifest, files)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "wrote %s: %s %s, %s\n", to, m.Name, m.Version, m.BatchWhy)
	if f.json {
		return a.printJSON(packedArchive{to, m.Name, m.Version, m.BatchWhy})
	}
	_, err = fmt.Fprintln(a.out, to)
	return err
}

// packedConfig reads and checks the model-config.yaml. What the server refuses is an error, the
// rest is printed.
func (a *app) packedConfig(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := export.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r, err := check.Run(path, data, check.Options{Kind: check.ModelConfig})
	if err != nil {
		return nil, err
	}
	for _, f := range r.Findings {
		if f.Severity == config.Refuses {
			return nil, errors.New(check.Line(f))
		}
		if f.Severity > config.Note {
			fmt.Fprintln(a.err, check.Line(f))
		}
	}
	return data, nil
}

// writeNew writes a file: completely or not at all. An existing one is replaced only with force.
func writeNew(path string, force bool, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(path); err == nil && !force {
		return withHint("give --force to overwrite it, or --to another one", "%s exists", path)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // fails if it was renamed
	if err := write(temp); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := errors.Join(temp.Chmod(0o644), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
