package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Override is a value from elsewhere than the file.
type Override struct {
	Value string
	From  string // for messages, such as "--listen"
}

// Resolve returns the file as TorchServe uses it: with $$NAME$$ replaced by environment
// variables, then with the values of the command line, then, if the file has
// enable_envvars_config=true, with those of TS_ environment variables, which have priority over
// both. TS_ALLOWED_URLS also needs use_env_allowed_urls=true. flags are by key. The error is
// about variables that $$NAME$$ names and that are not set.
func (f *File) Resolve(getenv func(string) (string, bool), flags map[string]Override) (*File, error) {
	out := &File{Name: f.Name, Lines: slices.Clone(f.Lines)}
	var errs []error
	for i, l := range out.Lines {
		if l.Kind != Pair {
			continue
		}
		value, err := expand(l.Value, getenv)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %s: %w", f.Name, l.Number, l.Key, err))
			continue
		}
		if value != l.Value {
			out.Lines[i].Value, out.Lines[i].marks = value, nil
		}
	}
	for _, key := range slices.Sorted(maps.Keys(flags)) {
		out.override(key, flags[key])
	}
	if isTrue(out.Get(keyEnableEnvVars)) {
		for _, k := range Keys() {
			value, ok := getenv(k.Env)
			if k.Env == "" || !ok || k.Name == keyAllowedURLs && !isTrue(out.Get(keyEnvURLs)) {
				continue
			}
			out.override(k.Name, Override{value, k.Env})
		}
	}
	return out, errors.Join(errs...)
}

// override sets a key from elsewhere.
func (f *File) override(key string, o Override) {
	f.Set(key, o.Value)
	l := &f.Lines[f.last(key)]
	l.from, l.raw, l.last = o.From, key+"="+o.Value, l.Number
}

func isTrue(value string) bool { return strings.EqualFold(value, "true") }

// expand replaces $$NAME$$.
func expand(value string, getenv func(string) (string, bool)) (string, error) {
	var missing []error
	out := variable.ReplaceAllStringFunc(value, func(match string) string {
		name := strings.Trim(match, "$")
		text, ok := getenv(name)
		if !ok {
			missing = append(missing, fmt.Errorf("the environment variable %s is not set", name))
		}
		return text
	})
	return out, errors.Join(missing...)
}

// From returns where the value of a key is from: file and line, a flag, an environment variable;
// "default" if it is not set.
func (f *File) From(key string) string {
	l, ok := f.Lookup(key)
	switch {
	case !ok:
		return "default"
	case l.from != "":
		return l.from
	}
	return fmt.Sprintf("%s:%d", f.Name, l.Number)
}
