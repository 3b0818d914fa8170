// Package torchservetest starts a real TorchServe for tests that compare with it.
//
// [Find] skips the test unless SWEETSPOT_TORCHSERVE names the virtual environment that
// `make torchserve` makes; `make test-torchserve` sets it. [Start] runs one server on free
// loopback ports, with a folder of its own for everything it writes, and ends it with the test.
//
// It has no tests of its own: all of it runs in TestRealTorchServe and the others of make test-torchserve, and without a
// TorchServe it does nothing.
package torchservetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Variable names the folder of the virtual environment.
const Variable = "SWEETSPOT_TORCHSERVE"

// startTime is a guard, not a measurement: a start takes 5 to 10 s on a quiet machine.
const startTime = 3 * time.Minute

// Find returns the folder of the virtual environment, or skips the test.
func Find(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(Variable)
	if dir == "" {
		t.Skip("needs a real TorchServe: make test-torchserve installs one and runs this test")
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "torchserve")); err != nil {
		t.Fatalf("%s: %v; make torchserve makes it", Variable, err)
	}
	return dir
}

// Options of a server. The model API is on.
type Options struct {
	// Secure is the path of the certificate that clients trust, in PEM: the addresses are https, and tokens are required. The config
	// names it and its key. If it is "", the addresses are http and tokens are off.
	Secure string
	Config string   // text of config.properties; addresses that it does not have are added
	Store  string   // folder of the archives
	Env    []string // added to the environment
	Args   []string // added to the command line
	// Snapshots lets it write snapshots, to LOG_LOCATION/config or logs/config.
	Snapshots bool
}

// Server is a TorchServe that runs.
type Server struct {
	Inference, Management, Metrics string // URLs
	GRPCInference, GRPCManagement  string // host:port
	Dir                            string // its working folder: logs, key file

	http   *http.Client
	secure bool
	output *output
	exited chan struct{} // closed when the process has ended
}

// output collects what the process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// Output returns what the server has printed so far, which is its log.
func (s *Server) Output() string {
	s.output.mu.Lock()
	defer s.output.mu.Unlock()
	return s.output.buf.String()
}

// Start starts a server and waits until it answers. If it ends before that, or does not start
// in time, Start returns an error, and the server is only good for its Output.
func Start(t testing.TB, o Options) (*Server, error) {
	t.Helper()
	venv, dir := Find(t), t.TempDir()
	ports := freePorts(t, 5)
	scheme, client := "http", http.DefaultClient
	if o.Secure != "" {
		scheme, client = "https", trusting(t, o.Secure)
	}
	url := func(i int) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, ports[i]) }
	var config strings.Builder
	config.WriteString(o.Config + "\n")
	for key, value := range map[string]any{
		"inference_address": url(0), "management_address": url(1), "metrics_address": url(2),
		"grpc_inference_port": ports[3], "grpc_management_port": ports[4],
	} {
		if !strings.Contains("\n"+o.Config, "\n"+key+"=") {
			config.WriteString(fmt.Sprintf("%s=%v\n", key, value))
		}
	}
	file := filepath.Join(dir, "config.properties")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{
		"--start", "--foreground", "--ts-config", file, "--model-store", o.Store,
		"--enable-model-api",
	}, o.Args...)
	if o.Secure == "" {
		args = append(args, "--disable-token-auth")
	}
	if !o.Snapshots {
		args = append(args, "--ncs")
	}
	cmd := exec.Command(filepath.Join(venv, "bin", "torchserve"), args...)
	// Its pid file and its sockets are in the folder for temporary files.
	cmd.Env = append(append(os.Environ(), "TEMP="+dir, "TMPDIR="+dir, "PATH="+filepath.Join(venv, "bin")+":"+os.Getenv("PATH")), o.Env...)
	port := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	s := &Server{GRPCInference: port(3), GRPCManagement: port(4), Inference: url(0), Management: url(1), Metrics: url(2), Dir: dir, http: client, secure: o.Secure != "", output: &output{}, exited: make(chan struct{})}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, s.output, s.output
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait() //nolint:errcheck // it is killed
		close(s.exited)
	}()
	t.Cleanup(func() {
		killGroup(cmd)
		<-s.exited
		if t.Failed() {
			t.Logf("TorchServe printed:\n%s", tail(s.Output()))
		}
	})
	return s, s.wait(t.Context())
}

// wait waits until the server answers on its management address, which it binds last.
func (s *Server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if status, _, err := s.get(ctx, s.Management+"/models"); err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("TorchServe ended at its start:\n%s", tail(s.Output()))
		case <-ctx.Done():
			return fmt.Errorf("TorchServe did not start:\n%s", tail(s.Output()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Describe returns what GET /models/NAME/all answers: one map for each version.
func (s *Server) Describe(ctx context.Context, model string) ([]map[string]any, error) {
	status, body, err := s.get(ctx, s.Management+"/models/"+model+"/all")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%d: %s", status, body)
	}
	var out []map[string]any
	return out, json.Unmarshal(body, &out)
}

// Models returns the names of the models.
func (s *Server) Models(ctx context.Context) ([]string, error) {
	_, body, err := s.get(ctx, s.Management+"/models")
	if err != nil {
		return nil, err
	}
	var list struct {
		Models []struct {
			Name string `json:"modelName"`
		} `json:"models"`
	}
	err = json.Unmarshal(body, &list)
	var out []string
	for _, m := range list.Models {
		out = append(out, m.Name)
	}
	return out, err
}

// WaitOutput waits until the server has printed a text.
func (s *Server) WaitOutput(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for !strings.Contains(s.Output(), text) {
		select {
		case <-s.exited:
			return fmt.Errorf("TorchServe ended without %q:\n%s", text, tail(s.Output()))
		case <-ctx.Done():
			return fmt.Errorf("TorchServe does not print %q:\n%s", text, tail(s.Output()))
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// WaitReady waits until a worker of a model is ready.
func (s *Server) WaitReady(ctx context.Context, model string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		found, err := s.Describe(ctx, model)
		for _, v := range found {
			workers, _ := v["workers"].([]any)
			for _, w := range workers {
				if w, _ := w.(map[string]any); w["status"] == "READY" {
					return nil
				}
			}
		}
		select {
		case <-s.exited:
			return fmt.Errorf("TorchServe ended:\n%s", tail(s.Output()))
		case <-ctx.Done():
			return fmt.Errorf("%s has no ready worker (%v):\n%s", model, err, tail(s.Output()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (s *Server) get(ctx context.Context, url string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	if s.secure {
		key, err := s.managementKey()
		if err != nil {
			return 0, nil, err
		}
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// trusting returns a client that trusts a certificate.
func trusting(t testing.TB, certificate string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s has no certificate", certificate)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// managementKey reads the token of the management API.
func (s *Server) managementKey() (string, error) {
	text, err := os.ReadFile(filepath.Join(s.Dir, "key_file.json"))
	if err != nil {
		return "", err
	}
	var keys struct {
		Management struct {
			Key string `json:"key"`
		} `json:"management"`
	}
	err = json.Unmarshal(text, &keys)
	return keys.Management.Key, err
}

// Archive makes the folder of a model in a store, with a handler that answers the number of
// bytes of each body. config is the text of its model-config.yaml; "" is none.
func Archive(t testing.TB, store, name, version, config string) {
	t.Helper()
	ArchiveOf(t, store, name, version, config, "def handle(data, context):\n"+
		"    return None if data is None else [len(bytes(row.get('body') or b'')) for row in data]\n")
}

// ArchiveOf is Archive with the text of the handler.
func ArchiveOf(t testing.TB, store, name, version, config, handler string) {
	t.Helper()
	dir := filepath.Join(store, name)
	manifest := map[string]any{"modelName": name, "modelVersion": version, "handler": "handler.py"}
	files := map[string]string{"handler.py": handler}
	if config != "" {
		manifest["configFile"], files["model-config.yaml"] = "model-config.yaml", config
	}
	text, err := json.Marshal(map[string]any{"runtime": "python", "model": manifest})
	if err != nil {
		t.Fatal(err)
	}
	files["MAR-INF/MANIFEST.json"] = string(text)
	for file, text := range files {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// freePorts returns free ports. All are held until all are known, so that no two are equal.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out
}

// tail returns the last lines of a log.
func tail(text string) string {
	const most = 60
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
