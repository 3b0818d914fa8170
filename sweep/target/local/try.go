package local

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"sweetspot/sweep/load"
)

// try sends each distinct body once, so that a body the engine refuses is one
// clear error before the load and not a trial full of failures. The lock is held,
// or the target is not shared yet.
func (t *Target) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit) // no promise is about the first requests
	defer cancel()
	c := t.config(load.Spec{})
	if t.cfg.Bodies == nil {
		c.Bodies = c.Bodies[:1] // made alike from the same inputs
	}
	begin := time.Now()
	for i, b := range c.Bodies {
		if err := t.send(ctx, c.Path, c.Header, b.Type, b.Data); err != nil {
			return fmt.Errorf("the engine does not answer %s: %w", bodyName(b, i, len(c.Bodies)), err)
		}
		if time.Since(begin) > time.Second {
			return nil // slow models are not made slower for the last of them
		}
	}
	return nil
}

// bodyName names body i of n, by its file if it has one.
func bodyName(b load.Body, i, n int) string {
	if b.Name != "" {
		return b.Name
	}
	return fmt.Sprintf("request body %d of %d", i+1, n)
}

func (t *Target) send(ctx context.Context, path string, header [][2]string, kind string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.child.hello.Inference+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for _, h := range header {
		req.Header.Set(h[0], h[1])
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := t.client.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	return nil
}
