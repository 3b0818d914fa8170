package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// torchServeVariable names the folder of the virtual environment with TorchServe; make torchserve makes one in
// the user's cache.
const torchServeVariable = "SWEETSPOT_TORCHSERVE"

// torchServe is a real TorchServe that runs.
type torchServe struct {
	inference, management string // URLs
	cmd                   *exec.Cmd
	exited                chan struct{} // closed when its launcher has ended
}

// findTorchServe returns the program.
func findTorchServe() (string, error) {
	dir := os.Getenv(torchServeVariable)
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "sweetspot", "torchserve-0.12.0")
	}
	path := filepath.Join(dir, "bin", "torchserve")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("this needs a real TorchServe: make torchserve installs one (%w)", err)
	}
	return path, nil
}

// startTorchServe starts a server with these models of the folder, one worker each, and waits until
// it answers. Everything that it writes is in the folder.
func startTorchServe(ctx context.Context, folder string, models ...string) (*torchServe, error) {
	program, err := findTorchServe()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(5)
	if err != nil {
		return nil, err
	}
	at := func(i int) string { return fmt.Sprintf("http://127.0.0.1:%d", ports[i]) }
	loads := make([]string, len(models))
	for i, m := range models {
		loads[i] = m + "=" + m + ".mar"
	}
	file := filepath.Join(folder, "config.properties")
	text := fmt.Sprintf("inference_address=%s\nmanagement_address=%s\nmetrics_address=%s\ngrpc_inference_port=%d\ngrpc_management_port=%d\n"+
		"load_models=%s\ndefault_workers_per_model=1\n", at(0), at(1), at(2), ports[3], ports[4], strings.Join(loads, ","))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "--start", "--foreground", "--ncs", "--ts-config", file, "--model-store", folder, "--disable-token-auth", "--enable-model-api")
	cmd.Env = append(os.Environ(), "TEMP="+folder, "TMPDIR="+folder, "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	log, err := os.Create(filepath.Join(folder, "torchserve.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its launcher leaves the server running when it is killed
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &torchServe{inference: at(0), management: at(1), cmd: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // it is killed
		close(s.exited)
	}()
	if err := s.wait(ctx, models); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// stop ends the server with its workers.
func (s *torchServe) stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	<-s.exited
}

// wait waits until all models have a ready worker.
func (s *torchServe) wait(ctx context.Context, models []string) error {
	ready := func(model string) bool {
		found := false
		err := getText(ctx, s.management+"/models/"+model, func(text []byte) { found = bytes.Contains(text, []byte(`"READY"`)) })
		return err == nil && found
	}
	for len(models) > 0 {
		if ready(models[0]) {
			models = models[1:]
			continue
		}
		select {
		case <-s.exited:
			log, _ := os.ReadFile(filepath.Join(s.cmd.Dir, "torchserve.log"))
			return fmt.Errorf("TorchServe ended at its start:\n%s", log[max(0, len(log)-2000):])
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

func getText(ctx context.Context, at string, read func([]byte)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	read(b.Bytes())
	return err
}

// freePorts returns free ports of loopback. All are held until all are known, so that no two are equal.
func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return nil, errors.New("no TCP address")
		}
		out = append(out, addr.Port)
	}
	return out, nil
}
