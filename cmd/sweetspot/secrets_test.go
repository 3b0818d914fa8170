package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/torchserve"
)

// echoing is a server of the Open Inference Protocol that puts all that it is sent into its errors. The first answers to
// requests are well-formed, so that a sweep gets as far as possible.
func echoing(t *testing.T, good int) string {
	t.Helper()
	var n int
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch path := strings.TrimSuffix(r.URL.Path, "/"); {
		case path == "/v2":
			_, _ = io.WriteString(w, `{"name":"echo","version":"1","extensions":[]}`)
		case path == "/v2/models/m":
			_, _ = io.WriteString(w, `{"name":"m","versions":["1"],"platform":"p","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,2]}]}`)
		case strings.HasSuffix(path, "/ready") || strings.HasSuffix(path, "/live"):
		case strings.HasSuffix(path, "/infer") && n < good:
			n++
			_, _ = io.WriteString(w, `{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[1,2]}]}`)
		default:
			w.WriteHeader(http.StatusInternalServerError)
			text := fmt.Sprintf("I got %v %v %v", r.URL, r.Header, len(body))
			_, _ = fmt.Fprintf(w, `{"error":%q}`, text)
		}
	}))
	s.Config.SetKeepAlivesEnabled(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// TestSecretsOfCalls: a server that repeats in its errors the keys and headers that it is sent brings none of them into a message, a
// profile, a log or JSON.
func TestSecretsOfCalls(t *testing.T) {
	t.Parallel()
	secrets := []string{"tok3n-of-header", "k3y-of-gateway"}
	for name, c := range map[string]struct {
		good int
		args []string
	}{
		"answers fail":    {0, []string{"m", "--json"}},
		"some fail":       {30, []string{"m", "--json=lines"}},
		"the model fails": {0, []string{"other", "--json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := append([]string{
				"sweetspot", "--sweep", "--target", "oip+" + echoing(t, c.good), "--header", "Authorization: Bearer " + secrets[0], "--header", "X-Api-Key: " + secrets[1],
				"--sla", "10s", "--percentile", "50", "--concurrency", "1", "--requests", "20", "--budget", "3s", "--verbose", "--out", filepath.Join(dir, "out"),
			}, c.args...)
			env := []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir + "/data", "XDG_STATE_HOME=" + dir + "/state", "XDG_CACHE_HOME=" + dir + "/cache"}
			var stdout, stderr bytes.Buffer
			code := run(args, env, nil, &stdout, &stderr)
			written := map[string]string{"stdout": stdout.String(), "stderr": stderr.String()}
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				text, err := os.ReadFile(path)
				written[path] = string(text)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for at, text := range written {
				for _, secret := range secrets {
					if strings.Contains(text, secret) {
						t.Errorf("exit %d: %q is in %s:\n%s", code, secret, at, text)
					}
				}
			}
			if c.good == 0 && !strings.Contains(written["stderr"], "Bearer ***") {
				t.Errorf("exit %d: the error of the server is not shown:\n%s", code, written["stderr"])
			}
		})
	}
}

func TestSecretWords(t *testing.T) {
	var s secretWords
	s.addTarget(torchserve.Config{ManagementKey: "management-key", InferenceKey: "inference-key", Header: [][2]string{{"A", "Basic dXNlcjpwYXNz"}, {"B", "short"}}},
		plan.Plan{Target: "http://u:pa55word@127.0.0.1:1?key=in-query,http://127.0.0.1:2"}, "http://127.0.0.1:3/?k=a%20blank%20one")
	const clear = "short http://127.0.0.1:2"
	text := "management-key inference-key Basic dXNlcjpwYXNz pa55word in-query a blank one a+blank+one " + clear
	if got, want := s.hide(text), "*** *** Basic *** *** *** *** *** "+clear; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var out bytes.Buffer
	if n, err := (hiding{&out, &s}).Write([]byte(text)); n != len(text) || err != nil || strings.Contains(out.String(), "inference-key") {
		t.Errorf("%d, %v, %q", n, err, out.String())
	}
	if unhidden(hiding{os.Stderr, &s}) != any(os.Stderr) || unhidden(os.Stdout) != any(os.Stdout) {
		t.Error("the writer below is another one")
	}
}
