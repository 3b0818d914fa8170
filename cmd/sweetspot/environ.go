package main

import (
	"os"
	"path/filepath"
	"strings"

	"sweetspot/engine/archive"
	"sweetspot/engine/gpu"
)

// environment has the environment variables of the program.
type environment struct {
	vars map[string]string
	all  []string
}

func parseEnviron(env []string) environment {
	e := environment{vars: map[string]string{}, all: env}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		e.vars[k] = v
	}
	return e
}

// visibleGPUs returns CUDA_VISIBLE_DEVICES.
func (e environment) visibleGPUs() gpu.Mask {
	text, set := e.vars["CUDA_VISIBLE_DEVICES"]
	return gpu.Mask{Text: text, Set: set}
}

func (e environment) get(k string) string { return e.vars[k] }

// cacheDir returns $XDG_CACHE_HOME, or the cache folder of the system.
func (e environment) cacheDir() string {
	if d := e.get("XDG_CACHE_HOME"); filepath.IsAbs(d) {
		return d
	}
	if d, err := os.UserCacheDir(); err == nil {
		return d
	}
	return os.TempDir()
}

// dataDir returns $XDG_DATA_HOME/sweetspot, by default in ~/.local/share. A relative XDG_DATA_HOME is ignored, as its
// specification demands.
func (e environment) dataDir() string {
	if d := e.get("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "sweetspot")
	}
	home := e.get("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	return filepath.Join(home, ".local", "share", "sweetspot")
}

// archiveCache is where archives are unpacked.
func (e environment) archiveCache() *archive.Cache {
	return &archive.Cache{Dir: filepath.Join(e.cacheDir(), "sweetspot", "archives")}
}

func (e environment) profileDir() string { return filepath.Join(e.dataDir(), "profiles") }

// stateFile returns the path of a file in $XDG_STATE_HOME/sweetspot, by default in
// ~/.local/state; "" if the folder cannot be created.
func (e environment) stateFile(name string) string {
	dir := e.get("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home := e.get("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	dir = filepath.Join(dir, "sweetspot")
	if os.MkdirAll(dir, 0o700) != nil {
		return ""
	}
	return filepath.Join(dir, name)
}
