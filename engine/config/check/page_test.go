package check_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/config/check"
)

// TestPage compares the example of docs/configuration.md with what check says.
func TestPage(t *testing.T) {
	const page = "../../../docs/configuration.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	between := func(begin string) string {
		_, rest, ok := strings.Cut(string(text), begin)
		block, _, closed := strings.Cut(rest, "```\n")
		if !ok || !closed {
			t.Fatalf("%s has no block %q", page, begin)
		}
		return block
	}
	const command = "```console\n$ sweetspot check config.properties\n"
	r, err := check.Run("config.properties", []byte(between("```properties\n")), check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	printed := between(command)
	if diff := cmp.Diff(r.Lines(), printed); diff != "" && !*update {
		t.Errorf("the example (-want +got); go test -update writes it:\n%s", diff)
	}
	if *update {
		out := strings.Replace(string(text), command+printed, command+r.Lines(), 1)
		if err := os.WriteFile(page, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
