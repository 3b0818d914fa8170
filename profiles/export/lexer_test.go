package export

import (
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		in   string
		want [][]string
	}{
		{"", nil},
		{"a b\tc", [][]string{{"a", "b", "c"}}},
		{"a\n\n  b # c\nd#e", [][]string{{"a"}, {"b"}, {"d#e"}}},
		{"a \\\n  b\\\nc", [][]string{{"a", "bc"}}},
		{`'a b' "c $d" '' e'f'"g"`, [][]string{{"a b", "c $d", "", "efg"}}},
		{`"a\"b\\c\$d\e" \'`, [][]string{{`a"b\c$d\e`, "'"}}},
		{`x=$(cd -- 'a) b' && pwd) y`, [][]string{{"x=$(cd -- 'a) b' && pwd)", "y"}}},
		{"a '\n' b", [][]string{{"a", "\n", "b"}}},
		{`"a\\"`, [][]string{{`a\`}}},
		{`"\x\""`, [][]string{{`\x"`}}},
	} {
		got, err := split(c.in)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("split(%q): %v (-want +got):\n%s", c.in, err, diff)
		}
	}
}

// TestSplitErrors: a text that ends within quotes or a substitution is an error.
func TestSplitErrors(t *testing.T) {
	for in, want := range map[string]string{
		`a "b`: `missing closing quote "`, `a "b\`: `missing closing quote "`, `a "b\"`: `missing closing quote "`,
		"a 'b": "missing closing quote '", "x=$(a": "missing closing ) of $(", `x=$(a ')'`: "missing closing ) of $(",
	} {
		if got, err := split(in); err == nil || err.Error() != want {
			t.Errorf("split(%q) = %q, %v, want %s", in, got, err, want)
		}
	}
}

// TestQuote compares quote with a real shell.
func TestQuote(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh in PATH")
	}
	for _, text := range []string{"plain-1.0/x:y=z", "", "a b", "it's", "'", `"`, `\`, "$HOME `id` $(id)", "*", "~", "# x", "a\nb", "é", "!x", "a;b&c|d>e"} {
		out, err := exec.CommandContext(t.Context(), sh, "-c", "printf '<%s>' "+quote(text)).Output()
		if err != nil || string(out) != "<"+text+">" {
			t.Errorf("quote(%q) = %s, which the shell reads as %s, %v", text, quote(text), out, err)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("a 'b' \"c\" $(d) \\\n # e")
	f.Add("it's")
	f.Fuzz(func(t *testing.T, text string) {
		if commands, err := split(text); err == nil {
			for _, words := range commands {
				if len(words) == 0 {
					t.Error("an empty command")
				}
			}
		}
		got, err := split("x " + quote(text) + " y")
		if diff := cmp.Diff([][]string{{"x", text, "y"}}, got); err != nil || diff != "" {
			t.Errorf("quote(%q) = %s: %v (-want +got):\n%s", text, quote(text), err, diff)
		}
	})
}
