package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/archive"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// modelClassifier is the name of the model whose handler is in Python.
const modelClassifier = "classifier"

// classifierFolder is its archive, from the root of the repository: a small network with TorchServe's own handler for pictures, which
// computes for about 4 ms a picture.
const classifierFolder = "testdata/python/classifier"

var errNoClassifier = errors.New("no " + classifierFolder + " in this folder or above; run bench inside the repository")

// measureTorchServePython compares this program with a real TorchServe that has the same archive with a handler in Python. Both
// run TorchServe's own worker with the same interpreter, so that they differ only in what is before it.
func measureTorchServePython(ctx context.Context, e *env) (err error) {
	venv, store, err := torchServeFolders()
	if err != nil {
		return err
	}
	defer os.RemoveAll(store)
	m, err := writeClassifier(ctx, venv, store)
	if err != nil {
		return fmt.Errorf("%s: %w", modelClassifier, err)
	}
	// Its workers inherit the threads that this program gives to each of its workers.
	server, err := startTorchServe(ctx, e, venv, store, fmt.Sprintf("job_queue_size=%d\n", serverQueue), 200*time.Millisecond,
		"OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	bodies, err := pictures(comparedClients, e.seed)
	if err != nil {
		return err
	}
	p, err := openPair(ctx, e, server, m, bodies)
	if err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	_, err = p.compare(ctx, e, e.budget.torchServe().python)
	if err = errors.Join(err, p.close(ctx, server)); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return server.terminate(ctx)
}

// writeClassifier makes the weights of the classifier and packs it.
func writeClassifier(ctx context.Context, venv, dir string) (comparedModel, error) {
	m := comparedModel{name: modelClassifier, archive: filepath.Join(dir, modelClassifier+".mar")}
	from, err := findInRepository(classifierFolder, errNoClassifier)
	if err != nil {
		return m, err
	}
	folder := filepath.Join(dir, "folder")
	defer os.RemoveAll(folder)
	if err := os.CopyFS(folder, os.DirFS(from)); err != nil {
		return m, err
	}
	cmd := exec.CommandContext(ctx, pythonOf(venv), filepath.Join(folder, "weights.py"))
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return m, fmt.Errorf("weights.py: %w: %s", err, strings.TrimSpace(string(out)))
	}
	f, err := os.Create(m.archive)
	if err != nil {
		return m, err
	}
	w := zip.NewWriter(f)
	return m, errors.Join(w.AddFS(os.DirFS(folder)), w.Close(), f.Close())
}

// pythonOf is the interpreter of a virtual environment.
func pythonOf(venv string) string { return filepath.Join(venv, "bin", "python") }

// pictures returns requests with different pictures.
func pictures(n int, seed uint64) ([]load.Body, error) {
	const size, stripe = 256, 16
	rng := rand.New(rand.NewPCG(seed, 2))
	var out []load.Body
	for range n {
		img := image.NewRGBA(image.Rect(0, 0, size, size))
		var c color.RGBA
		for x := range size {
			if x%stripe == 0 {
				c = color.RGBA{uint8(rng.IntN(256)), uint8(rng.IntN(256)), uint8(rng.IntN(256)), 255}
			}
			for y := range size {
				img.SetRGBA(x, (y+x)%size, c)
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			return nil, err
		}
		out = append(out, load.Body{Data: b.Bytes(), Type: "image/png"})
	}
	return out, nil
}

// openPythonArchive returns an engine that has loaded an archive whose handler is in Python.
func openPythonArchive(ctx context.Context, path string, unpack *archive.Cache, cores int, c knob.Config) (*engine.Engine, time.Duration, error) {
	cache, _ := os.UserCacheDir() // without it, the variable says where it is
	venv, err := findTorchServe(os.Getenv, cache)
	if err != nil {
		return nil, 0, err
	}
	backend := python.New(python.Options{Where: python.Where{Python: pythonOf(venv), By: "the TorchServe of the comparison", Env: os.Environ()}, Cores: cores})
	m, err := catalog.Open(ctx, path, catalog.Options{Unpack: unpack, Python: backend})
	if err != nil {
		return nil, 0, err
	}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{python.Name: backend}, Cores: cores})
	if err := e.Load(ctx, m, c); err != nil {
		return nil, 0, errors.Join(err, e.Close(context.WithoutCancel(ctx)))
	}
	return e, 0, nil
}
