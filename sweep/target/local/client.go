package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
)

// client uses the control API of one child.
type client struct {
	base  string // http://127.0.0.1:port
	token string
	http  *http.Client
}

// newClient returns the client of a child that listens at addr. A call that is not answered within limit is an error for
// which isSilent is true.
func newClient(addr, token string, limit time.Duration) *client {
	return &client{"http://" + addr, token, &http.Client{Timeout: limit, Transport: &http.Transport{Proxy: nil, MaxIdleConns: 2}}}
}

// isSilent reports whether err is that of a call that was not answered within its limit.
func isSilent(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (c *client) close() { c.http.CloseIdleConnections() }

func (c *client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, answerError(resp)
	}
	return resp, nil
}

// answerError returns the message of an error response.
func answerError(resp *http.Response) error {
	var e struct {
		Message string `json:"message"`
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(b, &e) == nil && e.Message != "" {
		return errors.New(e.Message)
	}
	return fmt.Errorf("engine answered %s", resp.Status)
}

// info returns the description of the engine and its only model.
func (c *client) info(ctx context.Context) (control.Info, error) {
	resp, err := c.do(ctx, http.MethodGet, "/engine/v1/info", nil)
	if err != nil {
		return control.Info{}, err
	}
	defer resp.Body.Close()
	var out control.Info
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("engine info: %w", err)
	}
	if len(out.Models) != 1 {
		return out, fmt.Errorf("engine info: %d models, want 1", len(out.Models))
	}
	return out, nil
}

// stats asks for the counters of the one model the child serves.
func (c *client) stats(ctx context.Context) (engine.Stats, error) {
	resp, err := c.do(ctx, http.MethodGet, "/engine/v1/stats", nil)
	if err != nil {
		return engine.Stats{}, err
	}
	defer resp.Body.Close()
	var out control.Stats
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return engine.Stats{}, fmt.Errorf("engine stats: %w", err)
	}
	for _, s := range out.Models {
		return s, nil
	}
	return engine.Stats{}, errors.New("engine stats: no model")
}

// apply changes the model's settings and reads the steps until the last one.
func (c *client) apply(ctx context.Context, model string, s knob.Settings) (sweep.Applied, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return sweep.Applied{}, err
	}
	resp, err := c.do(ctx, http.MethodPut, "/engine/v1/models/"+url.PathEscape(model)+"/settings", body)
	if err != nil {
		return sweep.Applied{}, err
	}
	defer resp.Body.Close()
	var out sweep.Applied
	for dec := json.NewDecoder(resp.Body); ; {
		var l control.Line
		if err := dec.Decode(&l); err != nil {
			return out, fmt.Errorf("apply was interrupted: %w", err)
		}
		took := time.Duration(l.MS * float64(time.Millisecond))
		switch {
		case l.Error != "":
			return out, errors.New(l.Error)
		case l.Applied != nil:
			out.Settings, out.Took = *l.Applied, took
			return out, nil
		}
		out.Steps = append(out.Steps, sweep.Step{What: l.Step, Took: took})
	}
}
