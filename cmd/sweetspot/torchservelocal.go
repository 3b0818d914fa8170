package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"sweetspot/engine/archive"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/torchserve"
)

// torchServeVar names the folder of a virtual environment with TorchServe, as for make torchserve.
const torchServeVar = "SWEETSPOT_TORCHSERVE"

// cachedTorchServe is the folder that make torchserve makes, in the cache of the user.
const cachedTorchServe = "sweetspot/torchserve-0.12.0"

// startTorchServe starts a TorchServe on this machine with the archive of a plan.
func startTorchServe(ctx context.Context, a *app, p plan.Plan, start knob.Config) (sweep.Target, error) {
	l := torchserve.Local{Archive: p.Model, Start: start.Settings, Supervisor: []string{a.self, "supervise"}, Env: a.env.all}
	c, err := a.remoteConfig(p)
	if err != nil {
		return nil, err
	}
	if err := checkServable(p.Model); err != nil {
		return nil, err
	}
	if l.Program, err = a.findTorchServe(); err != nil {
		return nil, err
	}
	c.Cores = a.limits().Cores
	if c.Bodies, err = readBodies(p.Input, p.ContentType); err != nil {
		return nil, err
	}
	log, _ := a.logFile()
	if log != nil {
		l.Log = log
	}
	if a.verbose {
		l.Log = a.err
	}
	t, err := torchserve.Start(ctx, c, l)
	if err != nil {
		if log != nil {
			log.Close()
		}
		return nil, err // not t: an interface with a nil *Target is not nil
	}
	return t, nil
}

// checkServable returns an error if a model is no archive, which TorchServe needs.
func checkServable(model string) error {
	if archive.IsArchive(model) || archive.IsFolder(model) {
		return nil
	}
	if model == demoModel {
		return withHint("write: sweetspot MODEL.mar --target torchserve --input FILE", "TorchServe needs an archive of the model")
	}
	return withHint("pack it: sweetspot archive "+shellQuote(model), "%s is no archive (.mar, .tar.gz, or a folder with MAR-INF/MANIFEST.json), which TorchServe needs", model)
}

// findTorchServe returns the path of the program torchserve.
func (a *app) findTorchServe() (string, error) {
	if named := a.remote.program; named != "" {
		return programIn(named, "--torchserve")
	}
	path, err := exec.LookPath("torchserve")
	if dir := a.env.get(torchServeVar); dir != "" {
		if path, err = programIn(dir, torchServeVar); err != nil {
			return "", err
		}
	}
	if err != nil {
		path, err = programIn(filepath.Join(a.env.cacheDir(), filepath.FromSlash(cachedTorchServe)), "")
	}
	if err != nil {
		return "", withHint("install it: make torchserve in the folder of sweetspot, or pip install torchserve torch-model-archiver; or name it with --torchserve PATH",
			"there is no torchserve: neither in PATH nor where make torchserve puts it")
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	return path, a.checkJava()
}

// programIn returns the path of the program torchserve: path itself, or in the virtual environment path.
func programIn(path, from string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "bin", "torchserve")
	}
	if _, err := exec.LookPath(path); err != nil {
		return "", withHint("give the program, or the folder of a virtual environment with bin/torchserve", "%s: %w", from, err)
	}
	return path, nil
}

// checkJava returns an error if there is no Java, which TorchServe needs.
func (a *app) checkJava() error {
	name := "java"
	if home := a.env.get("JAVA_HOME"); home != "" {
		name = filepath.Join(home, "bin", "java")
	}
	if _, err := exec.LookPath(name); err != nil && !errors.Is(err, exec.ErrDot) {
		return withHint("install Java 17 (Debian, Ubuntu: apt-get install openjdk-17-jre-headless), or set JAVA_HOME", "TorchServe needs Java: %w", err)
	}
	return nil
}
