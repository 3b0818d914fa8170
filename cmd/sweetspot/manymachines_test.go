//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestManyMachinesPage: the commands of docs/many-machines.md print what the page says.
func TestManyMachinesPage(t *testing.T) {
	found := examples(t, "many-machines.md")
	if len(found) < 8 {
		t.Errorf("%d commands were found on the page", len(found))
	}
	if testing.Short() {
		t.Log("the page is only read: it sweeps three times")
		return
	}
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("no jq here")
	}
	_, shell := pageFolder(t, "many-machines.md")
	for _, e := range found {
		out, err := shell(e.command)
		if err != nil || !sameAnswer(e.out, out) {
			t.Errorf("docs/many-machines.md:%d: %s: %v: -page +answer\n%s", e.line, e.command, err, cmp.Diff(e.out, out))
		}
	}
	for _, path := range []string{"slurm/array.sh", "kubernetes/indexed-job.yaml"} {
		if _, err := os.Stat(filepath.Join("../../docs/examples", path)); err != nil {
			t.Error(err)
		}
	}
}
