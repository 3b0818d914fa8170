//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// findGRPCurl returns the folder of grpcurl, which it builds without downloads, or skips the test.
func findGRPCurl(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("building grpcurl takes long")
	}
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-modfile=tools/go.mod", "-n", "grpcurl")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "GOPROXY=off")
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("grpcurl cannot be built without a download: %v", err)
	}
	dir := t.TempDir()
	if err := os.Symlink(strings.TrimSpace(string(out)), filepath.Join(dir, "grpcurl")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// grpcAddresses returns the addresses that serve has printed.
func grpcAddresses(t *testing.T, printed []string) (inference, management string) {
	t.Helper()
	line := printed[len(printed)-1]
	m := regexp.MustCompile(`gRPC ([^\s,]+), gRPC management ([^\s,]+)`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("no gRPC addresses in %q", line)
	}
	return m[1], m[2]
}

// grpcurl lists the services and calls them as docs/grpc.md says.
func TestGRPCPage(t *testing.T) {
	tool := findGRPCurl(t)
	dir, err := filepath.Abs(bodiesFolder)
	if err != nil {
		t.Fatal(err)
	}
	var addresses *strings.Replacer
	asked := 0
	for _, e := range examples(t, "grpc.md") {
		if args, ok := strings.CutPrefix(e.command, "sweetspot serve "); ok {
			_, _, said := startServerIn(t, dir, strings.Fields(args)...)
			inference, management := grpcAddresses(t, said)
			addresses = strings.NewReplacer("127.0.0.1:7070", inference, "127.0.0.1:7071", management)
			continue
		}
		asked++
		shell := exec.CommandContext(t.Context(), "sh", "-c", addresses.Replace(e.command))
		shell.Dir, shell.Env = dir, append(os.Environ(), "PATH="+tool+":"+os.Getenv("PATH"))
		out, err := shell.Output()
		if err != nil || !sameAnswer(e.out, string(out)) {
			t.Errorf("docs/grpc.md:%d: %s: %v: -page +answer\n%s", e.line, e.command, err, cmp.Diff(e.out, string(out)))
		}
	}
	if asked < 7 {
		t.Errorf("%d commands were found on the page", asked)
	}
}
