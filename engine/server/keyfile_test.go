package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/api/token"
	"sweetspot/engine/server"
)

// A second server that could not bind the first one's address removed the key file of
// the first, so that its clients lost their keys.
func TestKeyFileBelongsToTheAddress(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key_file.json")
	tokens := func() *token.Tokens {
		t.Helper()
		k, err := token.New(file, 0)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	content := func() string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	e := newEngine(t, newDoubler())
	first := tokens()
	s := open(t, server.Config{Tokens: first}, e)
	run(t, s)
	at, keys := s.Addrs(), content()
	for _, c := range []server.Config{
		{Inference: at.Inference, Management: anyPort},
		{Inference: anyPort, Management: at.Management}, // the second of two addresses
	} {
		c.Tokens = tokens()
		if _, err := server.Open(c, e); err == nil {
			t.Fatalf("Open(%s, %s) succeeded", c.Inference, c.Management)
		}
		if err := c.Tokens.Close(); err != nil {
			t.Error(err)
		}
		if content() != keys {
			t.Error("a server that did not start changed the key file")
		}
	}
	// Neither does a server on other addresses, which does not start while the first one runs.
	second := tokens()
	if _, err := server.Open(server.Config{Inference: anyPort, Management: anyPort, Tokens: second}, e); err == nil || !strings.Contains(err.Error(), "start this one in another folder") {
		t.Errorf("a second server in the folder: %v", err)
	}
	if err := second.Close(); err != nil || content() != keys {
		t.Errorf("the second server changed the first one's key file: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	run(t, open(t, server.Config{Tokens: second}, e))
	if content() == keys {
		t.Error("the next server has the keys of the first one")
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the second server's end left its key file: %v", err)
	}
}
