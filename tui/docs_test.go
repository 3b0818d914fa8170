package tui

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// requireFile fails unless a file has this content. With the flag -update of the goldens
// it writes the file.
func requireFile(t *testing.T, path, want string) {
	t.Helper()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s differs from the program: run go test ./tui -update (%v)", path, err)
	}
}

func TestKeysPage(t *testing.T) {
	m := newScreen(t, 80, 24, serving()).model
	var b strings.Builder
	b.WriteString("# Keys\n\nA test of package tui writes this page from the table that the program itself uses.\n")
	var last heading
	for i := range m.bindings {
		k := &m.bindings[i]
		if k.Help().Desc == "" {
			continue
		}
		if k.group != last {
			where := ""
			for v, name := range viewNames {
				if k.views == 1<<v {
					where = ", in " + name
				}
			}
			fmt.Fprintf(&b, "\n## %s%s\n\n| key | does |\n|---|---|\n", k.group, where)
			last = k.group
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", k.Help().Key, k.Help().Desc)
	}
	b.WriteString("\nA letter has the same meaning in every view. Actions that are hard to undo ask first.\n" +
		"A key that does not work now shows the reason. In dialogs `esc` closes; `y` and `n` answer.\n")
	requireFile(t, "../docs/keys.md", b.String())
}
