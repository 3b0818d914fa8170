package catalog

import (
	"fmt"
	"os"
	"strings"
)

// splitName splits NAME=MODEL. A path may have a "=" too: arg is a path if it exists, or if
// the part before the "=" looks like a path.
func splitName(arg string) (name, model string, err error) {
	name, model, found := strings.Cut(arg, "=")
	if !found || strings.ContainsAny(name, `/\:`) {
		return "", arg, nil
	}
	if _, err := os.Stat(arg); err == nil {
		return "", arg, nil
	}
	if name == "" || name != legalName(name) {
		return "", "", fmt.Errorf("%s: the name %q is not a model name; use letters, digits, _ . and -, such as %s=%s", arg, name, legalName(name), model)
	}
	return name, model, nil
}

// legalName makes a legal model name from any text, because names are parts of URLs.
func legalName(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '_'
	}, text)
	if strings.Trim(name, "._") == "" { // "", ".." and text without letters
		return "model"
	}
	return name
}
