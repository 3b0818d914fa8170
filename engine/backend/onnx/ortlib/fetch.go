package ortlib

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// fetcher fetches one archive to the empty folder dir and returns its path. It finds package
// clients in searchPath.
type fetcher func(ctx context.Context, searchPath, dir string) (archive string, err error)

// npmPack fetches a package with npm, which uses the user's registry and proxy settings. It
// runs no scripts of the package.
func npmPack(spec string) fetcher {
	return func(ctx context.Context, searchPath, dir string) (string, error) {
		return client(ctx, searchPath, dir, []string{"npm"}, "pack", "--loglevel=error", "--ignore-scripts", spec)
	}
}

// pipDownload fetches a wheel with pip, for a fixed Python and platform so that
// its sum can be pinned.
func pipDownload(spec, platform string) fetcher {
	return func(ctx context.Context, searchPath, dir string) (string, error) {
		return client(ctx, searchPath, dir, []string{"pip3", "pip"}, "download", "--quiet", "--disable-pip-version-check",
			"--no-input", "--no-deps", "--only-binary=:all:", "--python-version="+wheelPython, "--platform="+platform, "--dest=.", spec)
	}
}

// client runs the first program that it finds of names, in dir, and returns the single file
// that the program writes there.
func client(ctx context.Context, searchPath, dir string, names []string, args ...string) (string, error) {
	program := findProgram(searchPath, names)
	if program == "" {
		return "", errors.New("not installed")
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stderr = dir, &stderr
	cmd.WaitDelay = 5 * time.Second // a child process of the client may keep stderr open
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, errorLine(stderr.String()))
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(left) != 1 {
		return "", fmt.Errorf("wrote %d files, expected one archive", len(left))
	}
	return filepath.Join(dir, left[0].Name()), nil
}

// findProgram returns the first executable of these names in a list of folders, or "".
func findProgram(searchPath string, names []string) string {
	for _, dir := range filepath.SplitList(searchPath) {
		for _, name := range names {
			if !filepath.IsAbs(dir) {
				continue
			}
			if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return p
			}
		}
	}
	return ""
}

// errorLine returns the most useful line of a client's stderr.
func errorLine(stderr string) string {
	var last string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if strings.Contains(strings.ToLower(line), "error") {
			return line
		}
		if line != "" {
			last = line
		}
	}
	return last
}

// download fetches the archive at url.
func download(url string) fetcher {
	return func(ctx context.Context, _, dir string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return "", fmt.Errorf("GET %s: %s", url, resp.Status)
		}
		archive := filepath.Join(dir, path.Base(url))
		return archive, save(archive, resp.Body, 0o644)
	}
}
