package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sweetspot/engine/server"
)

// TestAccessLog checks that every answer of every listener has its line when the server has ended.
func TestAccessLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	a, stop := serve(t, server.Config{AccessLog: dir}, newEngine(t, newDoubler()))
	for url, body := range map[string]string{
		a.Inference + "/predictions/m": "[1]", a.Inference + "/predictions/n": "[1]", a.Management + "/models?limit=1": "", a.Metrics + "/metrics": "",
	} {
		read(t, do(t, "PUT", "http://"+url, "", body))
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "access_log.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"PUT /predictions/m HTTP/1\.1" 200`, `"PUT /predictions/n HTTP/1\.1" 404`, `"PUT /models\?limit=1 HTTP/1\.1" 405`, `"PUT /metrics HTTP/1\.1" 200`} {
		line := `(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3} - /127\.0\.0\.1:\d+ ` + want + ` \d+$`
		if n := len(regexp.MustCompile(line).FindAll(b, -1)); n != 1 {
			t.Errorf("%d lines with %s in\n%s", n, want, b)
		}
	}
	if n := strings.Count(string(b), "\n"); n != 4 {
		t.Errorf("%d lines, want 4", n)
	}
}

func TestAccessLogErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := server.Config{Inference: anyPort, Management: anyPort, AccessLog: file}
	if _, err := server.Open(c, newEngine(t, newDoubler())); err == nil || !strings.Contains(err.Error(), "access log: ") {
		t.Errorf("%v", err)
	}
}
