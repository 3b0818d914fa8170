// Package token protects the listeners with TorchServe's bearer tokens: one key for
// inference, one for management, and one that renews the other two.
//
// [New] makes new keys, which [Tokens.WriteFile] writes to a file that only its owner can
// read. [Fixed] uses one token for all kinds, for the child of a workbench. [Tokens.Guard]
// wraps a handler, and Tokens itself answers GET /token. A nil *Tokens allows every
// request. All methods are safe for concurrent use.
package token

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sweetspot/engine/api/wire"
)

// Kind is the kind of a key.
type Kind uint8

// The kinds.
const (
	Inference  Kind = iota // predictions and ping
	Management             // settings, statistics, models
	API                    // GET /token; never expires
)

var kindNames = []string{Inference: "inference", Management: "management", API: "API"}

func (k Kind) String() string { return kindNames[k] }

// DefaultFile is the file in which TorchServe's clients look for the keys, in the working
// directory of the server.
const DefaultFile = "key_file.json"

// DefaultLife is the time for which inference and management keys are valid.
const DefaultLife = time.Hour

// keyBytes is the number of random bytes of a key. TorchServe's 6 can be guessed.
const keyBytes = 18

// Tokens are the keys in force.
type Tokens struct {
	file string        // "" for a fixed token
	life time.Duration // of a renewed key

	mu      sync.RWMutex // guards what follows
	keys    [3]key       // by Kind
	written []byte       // last written contents of the file; nil before
	lock    *lock        // of the file, from WriteFile to Close
}

type key struct {
	text    string
	expires time.Time // zero: never
}

// expired reports whether k has expired at now.
func (k key) expired(now time.Time) bool { return !k.expires.IsZero() && !now.Before(k.expires) }

// New makes new keys that are valid for life; WriteFile writes them to file. An empty file
// is DefaultFile, a life of 0 is DefaultLife.
func New(file string, life time.Duration) (*Tokens, error) {
	if life < 0 {
		return nil, fmt.Errorf("token: life of %v is below 0", life)
	}
	if file == "" {
		file = DefaultFile
	}
	if life == 0 {
		life = DefaultLife
	}
	expires := time.Now().Add(life)
	keys := [3]key{Inference: newKey(expires), Management: newKey(expires), API: newKey(time.Time{})}
	return &Tokens{file: file, life: life, keys: keys}, nil
}

// Fixed returns tokens whose keys are all text and never expire.
func Fixed(text string) *Tokens {
	k := key{text: text}
	return &Tokens{keys: [3]key{k, k, k}}
}

func newKey(expires time.Time) key {
	var b [keyBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return key{base64.RawURLEncoding.EncodeToString(b[:]), expires}
}

// Check returns an Error if r has no valid key of kind k. Its status is 400, as in
// TorchServe.
func (t *Tokens) Check(k Kind, r *http.Request) error {
	if t == nil {
		return nil
	}
	return t.CheckText(k, r.Header.Get("Authorization"))
}

// CheckText is Check with the text of the header Authorization.
func (t *Tokens) CheckText(k Kind, authorization string) error {
	if t == nil {
		return nil
	}
	given, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok || given == "" {
		return denied("the %s key is missing; send the header Authorization: Bearer KEY with %s", k, t.keyHint(k))
	}
	t.mu.RLock()
	have := t.keys[k]
	t.mu.RUnlock()
	switch {
	case subtle.ConstantTimeCompare([]byte(given), []byte(have.text)) != 1:
		return denied("the key is not the %s key; send %s", k, t.keyHint(k))
	case have.expired(time.Now()):
		return denied("the %s key expired at %s; renew it with GET /token?type=%s and the API key on the management listener",
			k, have.expires.UTC().Format(time.RFC3339), k)
	}
	return nil
}

// keyHint describes where a caller finds the key.
func (t *Tokens) keyHint(k Kind) string {
	if t.file == "" {
		return "the token this server was started with"
	}
	return fmt.Sprintf("the %s key of %s", k, filepath.Base(t.file))
}

func denied(format string, a ...any) error {
	return wire.Errorf(http.StatusBadRequest, wire.InvalidKey, format, a...)
}

// Guard returns a handler that checks the key before it calls next.
func (t *Tokens) Guard(k Kind, next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := t.Check(k, r); err != nil {
			wire.FailOn(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP answers GET /token?type=inference|management, which needs the API key: it makes
// a new key of that kind and rewrites the file. The answer has no key, because only readers
// of the file may know it.
func (t *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := t.renew(r); err != nil {
		wire.Fail(w, err)
		return
	}
	wire.SetHeaders(w.Header(), string(wire.AppendID(nil)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte("\n"))
}

func (t *Tokens) renew(r *http.Request) error {
	if t == nil || t.file == "" {
		return wire.Errorf(http.StatusNotFound, wire.ResourceNotFound, "no such resource: %s: this server has no keys to renew", r.URL.Path)
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
	switch owns, err := t.ownsFile(); {
	case err != nil:
		return err
	case !owns:
		return wire.Errorf(http.StatusConflict, wire.Conflict,
			"%s now has the keys of another server; start each server in its own folder", filepath.Base(t.file))
	}
	old := t.keys[k]
	t.keys[k] = newKey(time.Now().Add(t.life))
	if err := t.write(); err != nil {
		t.keys[k] = old // keep the key that is in the file
		return err
	}
	return nil
}
