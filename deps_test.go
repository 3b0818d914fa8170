package sweetspot_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDependencies: docs/dependencies.md has a row with a reason for each direct dependency of
// go.mod and no other row, and what it says is in the program is in it.
func TestDependencies(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	program := modulesOf(t, "./cmd/sweetspot")
	bench := modulesOf(t, "./cmd/bench")
	rows := map[string][]string{} // why, instead of, in, licence
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.+)\\|$").FindAllStringSubmatch(string(page), -1) {
		cells := strings.Split(m[2], "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) != 4 || slices.Contains(cells, "") {
			t.Errorf("docs/dependencies.md: %s: want four cells that are not empty, have %q", m[1], cells)
			continue
		}
		rows[m[1]] = cells
	}
	direct := 0
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+(.*)$`).FindAllStringSubmatch(string(mod), -1) {
		name, comment := m[1], m[2]
		if strings.Contains(comment, "// indirect") {
			continue
		}
		direct++
		row, ok := rows[name]
		if !ok {
			t.Errorf("docs/dependencies.md has no row for %s: say why it is needed", name)
			continue
		}
		delete(rows, name)
		want := "tests"
		switch {
		case slices.Contains(program, name):
			want = "program"
		case slices.Contains(bench, name):
			want = "bench"
		}
		if row[2] != want {
			t.Errorf("docs/dependencies.md: %s is in %q, the page says %q", name, want, row[2])
		}
	}
	for name := range rows {
		t.Errorf("docs/dependencies.md: %s is no direct dependency of go.mod any more", name)
	}
	if direct == 0 {
		t.Error("no direct dependency was found: the pattern is wrong")
	}
}

// modulesOf lists the modules that a command is linked with.
func modulesOf(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", command).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
