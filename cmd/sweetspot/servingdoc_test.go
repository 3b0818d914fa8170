//go:build unix

package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The commands of docs/serving.md answer what the page says.
func TestServingPage(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	dir, err := filepath.Abs(bodiesFolder)
	if err != nil {
		t.Fatal(err)
	}
	var addresses *strings.Replacer
	asked := 0
	for _, e := range examples(t, "serving.md") {
		if args, ok := strings.CutPrefix(e.command, "sweetspot serve "); ok {
			inference, management, said := startServerIn(t, dir, strings.Fields(args)...)
			metrics := regexp.MustCompile(`metrics (http://[^\s,]+)`).FindStringSubmatch(said[len(said)-1])
			if metrics == nil {
				t.Fatalf("no metrics address in %q", said)
			}
			addresses = strings.NewReplacer("http://127.0.0.1:8080", inference, "http://127.0.0.1:8081", management, "http://127.0.0.1:8082", metrics[1])
			continue
		}
		asked++
		shell := exec.CommandContext(t.Context(), "sh", "-c", addresses.Replace(e.command))
		shell.Dir = dir
		out, err := shell.Output()
		if err != nil || !sameAnswer(e.out, string(out)) {
			t.Errorf("docs/serving.md:%d: %s: %v: -page +answer\n%s", e.line, e.command, err, cmp.Diff(e.out, string(out)))
		}
	}
	if asked < 15 {
		t.Errorf("%d commands were found on the page", asked)
	}
}
