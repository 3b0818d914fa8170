package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/servicetime"
)

// Store opens the models that requests to a running server name. A request may name a file or
// folder in the folder of the store, builtin:NAME, sim:NAME with a built-in table, and a URL
// that is allowed; never another file of the machine. Of a path that the folder does not have, the last
// name counts.
type Store struct {
	Dir     string           // folder with models; "" is none
	Allowed []*regexp.Regexp // URLs; each matches a whole URL
	// MaxBytes is the largest download; 0 is DefaultDownload.
	MaxBytes int64
	Options  Options
}

// DefaultDownload is the default of Store.MaxBytes.
const DefaultDownload = 8 << 30

// downloadTime is the longest time of a download.
const downloadTime = 30 * time.Minute

// ErrNotInStore is what errors about models that do not exist or are not allowed are.
var ErrNotInStore = errors.New("not in the model store")

// notInStore is the text of such an error.
type notInStore string

func (e notInStore) Error() string { return string(e) }

// Is says that the error is ErrNotInStore.
func (notInStore) Is(target error) bool { return target == ErrNotInStore }

func notInStoref(format string, a ...any) error { return notInStore(fmt.Sprintf(format, a...)) }

// ParseAllowed reads a comma-separated list of regular expressions for whole URLs, as in
// TorchServe's allowed_urls. Case does not matter.
func ParseAllowed(text string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		re, err := regexp.Compile("(?i)^(?:" + part + ")$")
		if err != nil {
			return nil, fmt.Errorf("allowed URL %q: %w", part, err)
		}
		out = append(out, re)
	}
	return out, nil
}

// Open opens the model that a request names. The model has the name, if it is not "".
func (s Store) Open(ctx context.Context, where, name string) (*engine.Model, error) {
	if name != "" && name != legalName(name) {
		return nil, fmt.Errorf("%q is not a model name; use letters, digits, _ . and -, such as %s", name, legalName(name))
	}
	path, err := s.find(ctx, where)
	if err != nil {
		return nil, err
	}
	if name != "" {
		path = name + "=" + path
	}
	m, err := Open(ctx, path, s.Options)
	if err != nil {
		return nil, s.withoutDir(err)
	}
	m.Source = where
	return m, nil
}

// withoutDir returns err with the paths of files in the folder as they are there. Where the folder
// is on the machine is not for callers.
func (s Store) withoutDir(err error) error {
	dir, failed := filepath.Abs(s.Dir) // as find returns it
	if failed != nil || s.Dir == "" {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator), ""))
}

// find returns the argument of Open for what a request names. The result has no "=" before its
// first slash or colon.
func (s Store) find(ctx context.Context, where string) (string, error) {
	kind, rest, _ := strings.Cut(where, ":")
	switch {
	case slices.Contains(strings.FieldsFunc(where, func(r rune) bool { return r == '/' || r == '\\' }), ".."):
		return "", notInStoref("relative path is not allowed in url: %s", where)
	case kind == "builtin", kind == "sim" && slices.Contains(servicetime.Names(), rest):
		return where, nil
	case strings.Contains(where, "://"), kind == "file":
		return s.download(ctx, where)
	case s.Dir == "":
		return "", notInStoref("this server has no model store; start it with --model-store FOLDER")
	}
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return "", err
	}
	names := []string{where}
	if rel, err := filepath.Rel(dir, where); err == nil && filepath.IsAbs(where) { // what describe says of a model that was loaded at the start
		names = append(names, rel)
	}
	// As in TorchServe, the last part alone is enough: scripts register /home/me/store/x.mar.
	for _, name := range append(names, filepath.Base(where)) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil && name != "." && filepath.IsLocal(name) {
			return path, nil
		}
	}
	if !filepath.IsLocal(where) {
		return "", notInStoref("%s is not the name of a file or folder in the model store", where)
	}
	return "", notInStoref("model not found at: %s", where)
}

// allowed reports whether a URL may be registered.
func (s Store) allowed(where string) bool {
	return slices.ContainsFunc(s.Allowed, func(re *regexp.Regexp) bool { return re.MatchString(where) })
}

// download copies the file of an allowed URL to the store, unless it has a file of that name.
func (s Store) download(ctx context.Context, where string) (path string, err error) {
	if !s.allowed(where) {
		return "", notInStoref("given URL %s does not match any allowed URL(s); the server's --allowed-urls lists them", where)
	}
	u, err := url.Parse(where)
	if err != nil {
		return "", notInStoref("%v", err)
	}
	if u.Scheme == "file" {
		return filepath.Clean("/" + u.Path), nil
	}
	if s.Dir == "" {
		return "", notInStoref("a download needs a model store; start the server with --model-store FOLDER")
	}
	name := filepath.Base(u.Path)
	if name == "." || name == "/" || name == ".." || !filepath.IsLocal(name) || (u.Scheme != "http" && u.Scheme != "https") {
		return "", notInStoref("%s names no file", where)
	}
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("model file already exists %s", name)
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTime)
	defer cancel()
	if err := s.fetch(ctx, where, path); err != nil {
		return "", fmt.Errorf("failed to download archive from: %s: %w", where, err)
	}
	return path, nil
}

// fetch writes the body of a URL to a file that does not exist. A redirect must lead to an
// allowed URL too. On an error no file is left.
func (s Store) fetch(ctx context.Context, where, path string) (err error) {
	client := &http.Client{CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 10 || !s.allowed(r.URL.String()) {
			return fmt.Errorf("a redirect to %s, which is not allowed", r.URL.Redacted())
		}
		return nil
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer was %s", resp.Status)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".download-*")
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err == nil {
			err = os.Link(f.Name(), path) // fails if the file exists by now
		}
		err = errors.Join(err, os.Remove(f.Name()))
	}()
	most := s.MaxBytes
	if most == 0 {
		most = DefaultDownload
	}
	n, err := io.Copy(f, io.LimitReader(resp.Body, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return err
}
