// Package token guards the listeners with TorchServe's bearer tokens: one key
// for inference, one for management, and one that renews the other two.
//
// [Open] makes fresh keys and writes them to a file that only its owner can
// read; [Fixed] takes one token for everything, as the child of a workbench
// does. [Tokens.Guard] wraps a handler, and Tokens itself answers GET /token. A
// nil *Tokens lets everything pass: that is how tokens are switched off. All
// methods are safe for concurrent use.
package token

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sweetspot/engine/api/wire"
)

// Kind is what a key opens.
type Kind uint8

// The kinds.
const (
	Inference  Kind = iota // predictions and ping
	Management             // settings, statistics, models
	API                    // GET /token; never expires
)

var kindNames = []string{Inference: "inference", Management: "management", API: "API"}

func (k Kind) String() string { return kindNames[k] }

// DefaultFile is where TorchServe's clients look for the keys: in the directory
// in which the server was started.
const DefaultFile = "key_file.json"

// DefaultLife is how long inference and management keys are valid.
const DefaultLife = time.Hour

// keyBytes of randomness make a key. TorchServe's have 6, few enough to guess.
const keyBytes = 18

// Tokens are the keys in force.
type Tokens struct {
	file string        // "" for a fixed token
	life time.Duration // of a renewed key

	mu   sync.RWMutex // guards keys
	keys [3]key       // by Kind
}

type key struct {
	text    string
	expires time.Time // zero is never
}

// expired tells whether k is past its time at now.
func (k key) expired(now time.Time) bool { return !k.expires.IsZero() && !now.Before(k.expires) }

// Open makes new keys, valid for life, and writes them to file with mode 0600.
// An empty file is DefaultFile, a life of 0 is DefaultLife. Close removes it.
func Open(file string, life time.Duration) (*Tokens, error) {
	if life < 0 {
		return nil, fmt.Errorf("token: life of %v is below 0", life)
	}
	if file == "" {
		file = DefaultFile
	}
	if life == 0 {
		life = DefaultLife
	}
	t := &Tokens{file: file, life: life}
	expires := time.Now().Add(life)
	t.keys = [3]key{Inference: newKey(expires), Management: newKey(expires), API: newKey(time.Time{})}
	if err := t.write(); err != nil {
		return nil, err
	}
	return t, nil
}

// Fixed makes tokens of which every one is text and none expires.
func Fixed(text string) *Tokens {
	k := key{text: text}
	return &Tokens{keys: [3]key{k, k, k}}
}

func newKey(expires time.Time) key {
	var b [keyBytes]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return key{base64.RawURLEncoding.EncodeToString(b[:]), expires}
}

// Close removes the key file; the keys in it are of no use any more.
func (t *Tokens) Close() error {
	if t == nil || t.file == "" {
		return nil
	}
	if err := os.Remove(t.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}

// Check reports why r may not do what k opens, as an Error of status 400, as
// TorchServe has it.
func (t *Tokens) Check(k Kind, r *http.Request) error {
	if t == nil {
		return nil
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || given == "" {
		return denied("the %s key is missing; send the header Authorization: Bearer KEY with %s", k, t.whose(k))
	}
	t.mu.RLock()
	have := t.keys[k]
	t.mu.RUnlock()
	switch {
	case subtle.ConstantTimeCompare([]byte(given), []byte(have.text)) != 1:
		return denied("the key is not the %s key; send %s", k, t.whose(k))
	case have.expired(time.Now()):
		return denied("the %s key expired at %s; renew it with GET /token?type=%s and the API key on the management listener",
			k, have.expires.UTC().Format(time.RFC3339), k)
	}
	return nil
}

// whose says where a caller finds the key.
func (t *Tokens) whose(k Kind) string {
	if t.file == "" {
		return "the token this server was started with"
	}
	return fmt.Sprintf("the %s key of %s", k, filepath.Base(t.file))
}

func denied(format string, a ...any) error {
	return wire.Errorf(http.StatusBadRequest, wire.InvalidKey, format, a...)
}

// Guard returns next for callers with the key k; others get the error.
func (t *Tokens) Guard(k Kind, next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := t.Check(k, r); err != nil {
			wire.Fail(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP answers GET /token?type=inference|management with the API key: it
// makes a new key of that kind and writes the file anew. The answer holds no
// key; who may read the file may have it.
func (t *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := t.renew(r); err != nil {
		wire.Fail(w, err)
		return
	}
	wire.Stamp(w.Header(), string(wire.AppendID(nil)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte("\n"))
}

func (t *Tokens) renew(r *http.Request) error {
	if t == nil || t.file == "" {
		return wire.Errorf(http.StatusBadRequest, wire.BadRequest, "this server has no keys to renew")
	}
	if err := t.Check(API, r); err != nil {
		return err
	}
	var k Kind
	switch kind := r.URL.Query().Get("type"); kind {
	case "inference":
		k = Inference
	case "management":
		k = Management
	default:
		return wire.Errorf(http.StatusBadRequest, wire.BadRequest, "type %q: want inference or management", kind)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.keys[k]
	t.keys[k] = newKey(time.Now().Add(t.life))
	if err := t.write(); err != nil {
		t.keys[k] = old // the key in the file stays the key in force
		return err
	}
	return nil
}

// keyJSON is one key in the file, in TorchServe's words.
type keyJSON struct {
	Key     string     `json:"key"`
	Expires *time.Time `json:"expiration time,omitempty"`
}

// write replaces the file in one step, so that no reader finds half of one and
// an older file's wider mode does not survive. The caller holds mu, or is alone.
func (t *Tokens) write() error {
	out := map[string]keyJSON{}
	for k, v := range t.keys {
		j := keyJSON{Key: v.text}
		if !v.expires.IsZero() {
			utc := v.expires.UTC()
			j.Expires = &utc
		}
		out[Kind(k).String()] = j
	}
	body, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if err := replace(t.file, append(body, '\n')); err != nil {
		return fmt.Errorf("token: key file: %w", err)
	}
	return nil
}

// replace writes body to a file of mode 0600 beside name and renames it.
func replace(name string, body []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".key_file-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(body)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
