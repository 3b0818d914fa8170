package local

import (
	"bytes"
	"context"
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
		if err := t.sendBody(ctx, c.Path, c.Header, b.Type, b.Data); err != nil {
			return fmt.Errorf("the engine does not answer %s: %w", t.bodyName(b, i), err)
		}
		if time.Since(begin) > time.Second {
			return nil // with a slow model not all bodies are tried
		}
	}
	return nil
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

func (t *Target) sendBody(ctx context.Context, path string, header [][2]string, kind string, body []byte) error {
	_, err := t.askOnce(ctx, path, header, kind, body)
	return err
}

// askOnce sends a body and returns the body of the answer. An answer of another status than 200 is
// an error.
func (t *Target) askOnce(ctx context.Context, path string, header [][2]string, kind string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.child.addresses.Inference+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, h := range header {
		req.Header.Set(h[0], h[1])
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := t.client.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, answerError(resp)
	}
	return io.ReadAll(resp.Body)
}
