package catalog

import (
	"fmt"
	"os"
	"strings"
)

// splitName takes NAME= off arg. A path may hold a "=" too: it is one when it
// exists, or when the part before the "=" already looks like a path.
func splitName(arg string) (name, model string, err error) {
	name, model, found := strings.Cut(arg, "=")
	if !found || strings.ContainsAny(name, `/\:`) {
		return "", arg, nil
	}
	if _, err := os.Stat(arg); err == nil {
		return "", arg, nil
	}
	if name == "" || name != cleanName(name) {
		return "", "", fmt.Errorf("%s: the name %q is no model name; use letters, digits, _ . and -, such as %s=%s", arg, name, cleanName(name), model)
	}
	return name, model, nil
}

// cleanName makes a legal name from any text. Names are parts of URLs.
func cleanName(text string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '_'
	}, text)
	if strings.Trim(clean, "._") == "" { // "", ".." and what was no letter at all
		return "model"
	}
	return clean
}
