package token_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine/api/token"
	"sweetspot/engine/api/wire"
)

// keyFile is the JSON of the file, as TorchServe's clients read it.
type keyFile struct {
	Inference, Management struct {
		Key     string    `json:"key"`
		Expires time.Time `json:"expiration time"`
	}
	API struct {
		Key     string     `json:"key"`
		Expires *time.Time `json:"expiration time"`
	}
}

// newTokens makes tokens and writes their file.
func newTokens(t *testing.T, file string, life time.Duration) *token.Tokens {
	t.Helper()
	tokens, err := token.New(file, life)
	if err == nil {
		err = tokens.WriteFile()
	}
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func open(t *testing.T, life time.Duration) (*token.Tokens, func() keyFile) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.json")
	tokens := newTokens(t, file, life)
	return tokens, func() keyFile {
		t.Helper()
		var k keyFile
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &k)
		}
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

func request(path, key string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if key != "" {
		r.Header.Set("Authorization", key)
	}
	return r
}

// call sends a request to h and returns status, error type and message.
func call(t *testing.T, h http.Handler, path, key string) (int, string, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(path, key))
	var e wire.Error
	if w.Code != http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v in %s", path, err, w.Body)
		}
	}
	return w.Code, e.Type, e.Message
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

func TestGuard(t *testing.T) {
	tokens, read := open(t, 0)
	keys := read()
	tests := []struct {
		name, key string
		kind      token.Kind
		code      int
		text      string
	}{
		{"inference", "Bearer " + keys.Inference.Key, token.Inference, 200, ""},
		{"management", "Bearer " + keys.Management.Key, token.Management, 200, ""},
		{"none", "", token.Inference, 400, "the inference key is missing; send the header Authorization: Bearer KEY with the inference key of keys.json"},
		{"other scheme", "Basic " + keys.Inference.Key, token.Inference, 400, "the inference key is missing; send the header Authorization: Bearer KEY with the inference key of keys.json"},
		{"empty", "Bearer ", token.Inference, 400, "the inference key is missing; send the header Authorization: Bearer KEY with the inference key of keys.json"},
		{"wrong", "Bearer x", token.Inference, 400, "the key is not the inference key; send the inference key of keys.json"},
		{"of another kind", "Bearer " + keys.Inference.Key, token.Management, 400, "the key is not the management key; send the management key of keys.json"},
		{"API key", "Bearer " + keys.API.Key, token.Management, 400, "the key is not the management key; send the management key of keys.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, typ, text := call(t, tokens.Guard(tt.kind, http.HandlerFunc(ok)), "/", tt.key)
			if code != tt.code || text != tt.text {
				t.Errorf("got %d %q, want %d %q", code, text, tt.code, tt.text)
			}
			if code == 400 && typ != wire.InvalidKey {
				t.Errorf("type = %s", typ)
			}
		})
	}
}

func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key_file.json")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	tokens := newTokens(t, file, time.Minute)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", info.Mode())
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const key, at = `"key": "[\w-]{24}"`, `"expiration time": "\d{4}-\d\d-\d\dT[\d:.]+Z"`
	want := regexp.MustCompile(`^\{\n  "API": \{\n    ` + key + `\n  \},\n  "inference": \{\n    ` + key + `,\n    ` + at +
		`\n  \},\n  "management": \{\n    ` + key + `,\n    ` + at + `\n  \}\n\}\n$`)
	if !want.Match(body) {
		t.Errorf("file = %s", body)
	}
	for range 2 {
		if err := tokens.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the key file is still there: %v", err)
	}
	if lost, err := token.New(filepath.Join(t.TempDir(), "no", "file"), 0); err != nil || lost.WriteFile() == nil {
		t.Errorf("New in a missing directory = %v; WriteFile succeeded", err)
	}
	if _, err := token.New(file, -1); err == nil {
		t.Error("New with a negative life succeeded")
	}
}

// Tokens neither remove nor overwrite a file that another server has written since, nor one
// that they have not written.
func TestFileOfAnotherServer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key_file.json")
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := newTokens(t, file, 0)
	var keys keyFile
	if err := json.Unmarshal([]byte(read()), &keys); err != nil {
		t.Fatal(err)
	}
	unused, err := token.New(file, 0)
	if err != nil {
		t.Fatal(err)
	}
	before := read()
	if err := unused.Close(); err != nil || read() != before {
		t.Errorf("Close of tokens that were never written: %v", err)
	}
	second, err := token.New(file, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("token: another server that is running (process %d) keeps its keys in %s; start this one in another folder, or with --disable-token-auth", os.Getpid(), file)
	if err := second.WriteFile(); err == nil || err.Error() != want || read() != before {
		t.Errorf("WriteFile beside a running server: %v, want %s", err, want)
	}
	if err := second.Close(); err != nil || read() != before {
		t.Errorf("Close of a server that did not start: %v", err)
	}
	before = "of another program, such as TorchServe"
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	code, typ, text := call(t, first, "/token?type=inference", "Bearer "+keys.API.Key)
	if want = "key_file.json now has the keys of another server; start each server in its own folder"; code != 409 || typ != wire.Conflict || text != want {
		t.Errorf("renewal by the first: %d %s %q, want 409 %q", code, typ, text, want)
	}
	if err := first.Close(); err != nil || read() != before {
		t.Errorf("Close of the first changed the other's file: %v", err)
	}
	if err := second.WriteFile(); err != nil || read() == before {
		t.Errorf("WriteFile after the first has ended: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// The files of a server that was killed are those of the next one.
func TestFileOfAKilledServer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key_file.json")
	for _, name := range []string{file, filepath.Join(filepath.Dir(file), ".key_file.json.lock")} {
		if err := os.WriteFile(name, []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := newTokens(t, file, 0).Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

func TestExpiryAndRenewal(t *testing.T) {
	tokens, read := open(t, time.Minute)
	synctest.Test(t, func(t *testing.T) {
		// The bubble's clock starts long before the keys were made, so they are
		// renewed in it first.
		api := "Bearer " + read().API.Key
		for _, kind := range []string{"inference", "management"} {
			if code, _, text := call(t, tokens, "/token?type="+kind, api); code != 200 {
				t.Fatalf("renewal of %s: %d %s", kind, code, text)
			}
		}
		first := read()
		guarded := tokens.Guard(token.Inference, http.HandlerFunc(ok))
		time.Sleep(time.Minute - time.Nanosecond)
		if code, _, text := call(t, guarded, "/", "Bearer "+first.Inference.Key); code != 200 {
			t.Errorf("before it expires: %d %s", code, text)
		}
		time.Sleep(time.Nanosecond)
		code, typ, text := call(t, guarded, "/", "Bearer "+first.Inference.Key)
		want := "the inference key expired at 2000-01-01T00:01:00Z; renew it with GET /token?type=inference and the API key on the management listener"
		if code != 400 || typ != wire.InvalidKey || text != want {
			t.Errorf("after it expired: %d %s %q", code, typ, text)
		}
		if code, _, text := call(t, tokens, "/token?type=inference", api); code != 200 {
			t.Errorf("the API key expired: %d %s", code, text)
		}
		second := read()
		if second.Inference.Key == first.Inference.Key || second.Management != first.Management || second.API != first.API {
			t.Errorf("a renewal of inference changed %+v into %+v", first, second)
		}
		if code, _, text := call(t, guarded, "/", "Bearer "+second.Inference.Key); code != 200 {
			t.Errorf("renewed: %d %s", code, text)
		}
	})
}

func TestRenewalErrors(t *testing.T) {
	tokens, read := open(t, 0)
	keys := read()
	check := func(h http.Handler, path, key, typ string) {
		t.Helper()
		status := http.StatusBadRequest
		if typ == wire.ResourceNotFound {
			status = http.StatusNotFound
		}
		if code, got, text := call(t, h, path, key); code != status || got != typ {
			t.Errorf("%s: %d %s %q, want %d %s", path, code, got, text, status, typ)
		}
	}
	check(tokens, "/token?type=inference", "", wire.InvalidKey)
	check(tokens, "/token?type=inference", "Bearer "+keys.Management.Key, wire.InvalidKey)
	check(tokens, "/token?type=API", "Bearer "+keys.API.Key, wire.BadRequest)
	check(tokens, "/token", "Bearer "+keys.API.Key, wire.BadRequest)
	check(token.Fixed("t"), "/token?type=inference", "Bearer t", wire.ResourceNotFound)
	check((*token.Tokens)(nil), "/token?type=inference", "", wire.ResourceNotFound)
	if read() != keys {
		t.Error("a refused renewal changed the keys")
	}
}

func TestFixedAndDisabled(t *testing.T) {
	for _, kind := range []token.Kind{token.Inference, token.Management} {
		if err := token.Fixed("secret").Check(kind, request("/", "Bearer secret")); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if err := token.Fixed("secret").Check(kind, request("/", "Bearer other")); err == nil {
			t.Errorf("%s: a wrong token is accepted", kind)
		}
		var off *token.Tokens
		if err := off.Check(kind, request("/", "")); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if code, _, _ := call(t, off.Guard(kind, http.HandlerFunc(ok)), "/", ""); code != 200 {
			t.Errorf("%s: disabled tokens answer %d", kind, code)
		}
	}
	if err := (*token.Tokens)(nil).Close(); err != nil {
		t.Error(err)
	}
}
