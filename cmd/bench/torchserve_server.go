package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
)

// torchServeVariable is another folder than the one in the user's cache, where `make torchserve` installs
// TorchServe.
const torchServeVariable = "SWEETSPOT_TORCHSERVE"

// findTorchServe returns the folder of its virtual environment.
func findTorchServe(getenv func(string) string, cache string) (string, error) {
	dir := getenv(torchServeVariable)
	if dir == "" {
		dir = filepath.Join(cache, "sweetspot", "torchserve-0.12.0")
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "torchserve")); err != nil {
		return "", fmt.Errorf("there is no TorchServe in %s: make torchserve installs it", dir)
	}
	return dir, nil
}

// torchServeFolders returns the folder of its virtual environment, and a new one for archives, which the caller removes.
func torchServeFolders() (venv, store string, err error) {
	cache, _ := os.UserCacheDir() // without it, the variable says where it is
	if venv, err = findTorchServe(os.Getenv, cache); err != nil {
		return "", "", err
	}
	store, err = os.MkdirTemp("", "sweetspot-archives-")
	return venv, store, err
}

// torchServe is a running TorchServe.
type torchServe struct {
	*supervised
	venv, dir             string // of its installation, and of all that it writes
	inference, management string // URLs
	environ               []string
}

// torchServeStart is the longest time until it answers; 5 to 10 s are usual.
const torchServeStart = 2 * time.Minute

// startTorchServe starts a TorchServe on free ports, with an empty registry. config is added to its
// config.properties, and environ to its environment; pause is the time between two questions whether it is ready.
func startTorchServe(ctx context.Context, e *env, venv, store, config string, pause time.Duration, environ ...string) (*torchServe, error) {
	dir, err := os.MkdirTemp("", "sweetspot-torchserve-")
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(5)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s := &torchServe{
		venv: venv, dir: dir,
		inference: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), management: fmt.Sprintf("http://127.0.0.1:%d", ports[1]),
		// Its pid file and its sockets are in the folder for temporary files.
		environ: append(append(os.Environ(), "TEMP="+dir, "TMPDIR="+dir, "PATH="+filepath.Join(venv, "bin")+string(os.PathListSeparator)+os.Getenv("PATH")), environ...),
	}
	text := fmt.Sprintf("inference_address=%s\nmanagement_address=%s\nmetrics_address=http://127.0.0.1:%d\ngrpc_inference_port=%d\ngrpc_management_port=%d\n%s",
		s.inference, s.management, ports[2], ports[3], ports[4], config)
	file := filepath.Join(dir, "config.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	argv := []string{
		filepath.Join(venv, "bin", "torchserve"), "--start", "--foreground", "--ncs", "--ts-config", file, "--model-store", store,
		"--disable-token-auth", "--enable-model-api",
	}
	if s.supervised, err = startSupervised(e, dir, argv, s.environ); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	err = s.wait(ctx, pause, torchServeStart, func(ctx context.Context) error { return s.call(ctx, http.MethodGet, s.inference+"/ping") })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start TorchServe: %w", err), s.close())
	}
	return s, nil
}

// call sends a request without a body, whose answer must be 200.
func (s *torchServe) call(ctx context.Context, method, at string) error {
	return doRequest(ctx, method, at, "", func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
}

// register registers an archive of the store with some settings, and waits for its workers.
func (s *torchServe) register(ctx context.Context, archive, name string, k knob.Settings) error {
	q := url.Values{
		"url": {filepath.Base(archive)}, "model_name": {name}, "synchronous": {"true"}, "initial_workers": {strconv.Itoa(k.Workers)},
		"batch_size": {strconv.Itoa(k.BatchSize)}, "max_batch_delay": {strconv.Itoa(int(k.BatchDelay / time.Millisecond))},
	}
	return s.call(ctx, http.MethodPost, s.management+"/models?"+q.Encode())
}

// unregister removes a model.
func (s *torchServe) unregister(ctx context.Context, name string) error {
	return s.call(ctx, http.MethodDelete, s.management+"/models/"+name)
}

// terminate ends the server with its own command, and waits until it has ended.
func (s *torchServe) terminate(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.venv, "bin", "torchserve"), "--stop")
	cmd.Dir, cmd.Env = s.dir, s.environ
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("torchserve --stop: %w: %s", err, strings.TrimSpace(string(out)))
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close ends the server in any case and removes its files.
func (s *torchServe) close() error {
	s.stop()
	return os.RemoveAll(s.dir)
}

// freePorts returns ports of the loopback interface on which nothing listens. All are held until all
// are known, so that they differ.
func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}
