package main

import (
	"cmp"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/torchserve"
)

// secretWords are words that no message, profile or JSON may have: the keys and headers with which a server is called, and the
// passwords and queries of its addresses. A server may repeat them in its errors. It is safe for
// concurrent use.
type secretWords struct {
	mu  sync.Mutex
	all []string // the longest first
}

// leastSecret is the length of the shortest word that is hidden: shorter ones are in many texts by chance.
const leastSecret = 6

// add adds words.
func (s *secretWords) add(words ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range words {
		if len(w) >= leastSecret && !slices.Contains(s.all, w) {
			s.all = append(s.all, w)
		}
	}
	slices.SortStableFunc(s.all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
}

// words returns all words.
func (s *secretWords) words() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// hide replaces the words in a text.
func (s *secretWords) hide(text string) string {
	for _, w := range s.words() {
		text = strings.ReplaceAll(text, w, "***")
	}
	return text
}

// addTarget adds the secrets with which the server of a plan is started and called.
func (s *secretWords) addTarget(c torchserve.Config, p plan.Plan, addresses ...string) {
	s.add(p.Server.Secrets()...)
	s.add(c.ManagementKey, c.InferenceKey)
	for _, h := range c.Header {
		s.add(secretOf(h[1]))
	}
	for _, at := range append(plan.Targets(p.Target), addresses...) {
		s.add(addressSecrets(at)...)
	}
}

// secretOf is the part of the value of a header that is secret: without the scheme of Authorization.
func secretOf(value string) string {
	for _, scheme := range []string{"Bearer ", "Basic ", "Token "} {
		if rest, ok := strings.CutPrefix(value, scheme); ok {
			return strings.TrimSpace(rest)
		}
	}
	return value
}

// addressSecrets are the password and the values of the query of an address.
func addressSecrets(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	var out []string
	if password, ok := u.User.Password(); ok {
		out = append(out, password, u.User.String())
	}
	for _, values := range u.Query() {
		for _, v := range values {
			out = append(out, v, url.QueryEscape(v))
		}
	}
	return out
}

// hiding is a writer that hides words. A word that is in parts of two writes is not found: lines are written whole.
type hiding struct {
	io.Writer
	secrets *secretWords
}

func (h hiding) Write(b []byte) (int, error) {
	if len(h.secrets.words()) > 0 {
		if _, err := io.WriteString(h.Writer, h.secrets.hide(string(b))); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	return h.Writer.Write(b)
}

// unhidden is the writer below a hiding one.
func unhidden(w any) any {
	if h, ok := w.(hiding); ok {
		return h.Writer
	}
	return w
}
