package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"sweetspot/sweep/load"
)

// tryBodies sends each request body once, so that a body that the engine refuses is one clear error
// and not a trial with only failures. The lock is held, or no other goroutine has the target yet.
func (t *Target) tryBodies(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit) // the first requests may be slow
	defer cancel()
	c := t.runConfig(load.Spec{})
	if t.cfg.Bodies == nil {
		c.Bodies = c.Bodies[:1] // random bodies for the same inputs are either all accepted or all refused
	}
	begin := time.Now()
	for i, b := range c.Bodies {
		if _, err := askOnce(ctx, t.client.http, c, b); err != nil {
			return fmt.Errorf("the engine does not answer %s: %w", t.bodyName(b, i), err)
		}
		if time.Since(begin) > time.Second {
			return nil // with a slow model not all bodies are tried
		}
	}
	return nil
}

// sumOf is the SHA-256 of given bodies, one after the other, each after its type and size; "" without
// bodies.
func sumOf(all []load.Body) string {
	if all == nil {
		return ""
	}
	sum := sha256.New()
	for _, b := range all {
		fmt.Fprintf(sum, "%s %d\n%s", b.Type, len(b.Data), b.Data)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// bodyName returns the name of body i: that of its file, if it has one.
func (t *Target) bodyName(b load.Body, i int) string {
	switch {
	case b.Name != "":
		return b.Name
	case t.cfg.Bodies == nil:
		return "a request body made for the model's inputs"
	}
	return fmt.Sprintf("request body %d of %d", i+1, len(t.cfg.Bodies))
}

// askOnce sends a body and returns the body of the answer. An answer of another status than 200 is
// an error.
func askOnce(ctx context.Context, h *http.Client, c load.Config, b load.Body) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.Addr+c.Path, bytes.NewReader(b.Data))
	if err != nil {
		return nil, err
	}
	for _, h := range c.Header {
		req.Header.Set(h[0], h[1])
	}
	if b.Type != "" {
		req.Header.Set("Content-Type", b.Type)
	}
	resp, err := h.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, answerError(resp)
	}
	return io.ReadAll(resp.Body)
}
