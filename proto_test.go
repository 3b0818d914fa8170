package sweetspot_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// protocVersion is the line of a generated file with the version of protoc, which Debian
// chooses.
var protocVersion = regexp.MustCompile(`(?m)^// .*protoc +v.*\n`)

// The committed code of the protocol files is what `make proto` makes.
func TestProtoIsFresh(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		t.Skip("there is no protoc: the generated files were not compared")
	}
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "tools/proto.sh", out)
	cmd.Env = append(os.Environ(), "GOPROXY=off") // nothing is downloaded for a test
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("the plugins cannot be built without a download: %v\n%s", err, text)
	}
	made := 0
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		made++
		name := strings.TrimPrefix(path, out+"/")
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			return nil
		}
		if !bytes.Equal(protocVersion.ReplaceAll(got, nil), protocVersion.ReplaceAll(want, nil)) {
			t.Errorf("%s is not what its protocol file says: run make proto", name)
		}
		return nil
	})
	if err != nil || made == 0 {
		t.Fatalf("%d files: %v", made, err)
	}
}
