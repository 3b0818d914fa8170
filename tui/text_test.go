package tui

import "testing"

func TestShortPath(t *testing.T) {
	t.Setenv("HOME", "/home/ada")
	for path, want := range map[string]string{
		"/home/ada/x.jsonl": "~/x.jsonl", "/home/adam/x": "/home/adam/x", "/home/ada": "/home/ada",
		"x": "x", "": "", "/home/ada/my profiles/x": "/home/ada/my profiles/x", // the shell would not read it as one word
	} {
		if got := shortPath(path); got != want {
			t.Errorf("shortPath(%q) = %q, want %q", path, got, want)
		}
	}
	t.Setenv("HOME", "")
	if got := shortPath("/x"); got != "/x" {
		t.Errorf("without a home: %q", got)
	}
}
