package torchserve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sweetspot/sweep/load"
)

// Limits of calls.
const (
	callTime  = 30 * time.Second
	maxAnswer = 4 << 20
	shown     = 300 // bytes of an answer in an error
)

// client calls the management API.
type client struct {
	base   string
	key    string // management token
	infer  string // inference token
	header [][2]string
	http   *http.Client
}

// newClient returns a client for the server at a management address.
func newClient(c Config, management string) *client {
	return &client{strings.TrimRight(management, "/"), c.ManagementKey, c.InferenceKey, c.Header, newHTTP(c.TLS)}
}

// answerError is an answer other than 200-299.
type answerError struct {
	call    string
	status  int
	message string
}

func (e *answerError) Error() string {
	text := fmt.Sprintf("%s: answered with %d: %s", e.call, e.status, e.message)
	if strings.Contains(e.message, "InvalidKey") || strings.Contains(e.message, "oken") {
		text += "; tokens are in TorchServe's key_file.json: give it with --key-file"
	}
	return text
}

// do sends a request and returns the answer.
func (c *client) do(ctx context.Context, limit time.Duration, method, at, key string, body load.Body) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body.Data))
	if err != nil {
		return nil, err
	}
	if body.Type != "" {
		req.Header.Set("Content-Type", body.Type)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for _, h := range c.header {
		req.Header.Set(h[0], h[1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, &answerError{method + " " + req.URL.Path, resp.StatusCode, strings.Join(strings.Fields(string(text[:min(len(text), shown)])), " ")}
	}
	return text, nil
}

func (c *client) manage(ctx context.Context, limit time.Duration, method, path string) ([]byte, error) {
	return c.do(ctx, limit, method, c.base+path, c.key, load.Body{})
}

// predict sends one request.
func (c *client) predict(ctx context.Context, at string, body load.Body) error {
	_, err := c.do(ctx, callTime, http.MethodPost, at, c.infer, body)
	return err
}

// onlyModel returns the name of the server's model, if it has one.
func (c *client) onlyModel(ctx context.Context) (string, error) {
	text, err := c.manage(ctx, callTime, http.MethodGet, "/models")
	if err != nil {
		return "", err
	}
	var page struct {
		Models []struct {
			Name string `json:"modelName"`
		} `json:"models"`
	}
	if err := json.Unmarshal(text, &page); err != nil {
		return "", fmt.Errorf("GET /models: %w; is this the management address of TorchServe?", err)
	}
	var names []string
	for _, m := range page.Models {
		names = append(names, m.Name)
	}
	if len(names) != 1 {
		return "", fmt.Errorf("the server has %d models (%s): name one: sweetspot NAME --target %s", len(names), strings.Join(names, ", "), c.base)
	}
	return names[0], nil
}

func pathOf(name, version string) string {
	path := "/models/" + url.PathEscape(name)
	if version != "" {
		path += "/" + url.PathEscape(version)
	}
	return path
}

// describe describes a version; "" is the default version.
func (c *client) describe(ctx context.Context, name, version string) (description, error) {
	text, err := c.manage(ctx, callTime, http.MethodGet, pathOf(name, version))
	if err != nil {
		return description{}, err
	}
	return parseDescription(text)
}

// versions returns the number of versions of a model.
func (c *client) versions(ctx context.Context, name string) (int, error) {
	text, err := c.manage(ctx, callTime, http.MethodGet, pathOf(name, "all"))
	if err != nil {
		return 0, err
	}
	var all []json.RawMessage
	err = json.Unmarshal(text, &all)
	return len(all), err
}

// modelAPI reports whether models can be registered. It asks with a registration without a URL, which
// is always refused, with 405 if the API is off.
func (c *client) modelAPI(ctx context.Context) (bool, error) {
	_, err := c.manage(ctx, callTime, http.MethodPost, "/models")
	e, ok := err.(*answerError)
	switch {
	case ok && e.status == http.StatusMethodNotAllowed:
		return false, nil
	case ok && e.status == http.StatusBadRequest && strings.Contains(e.message, "url"):
		return true, nil
	case err == nil:
		return false, fmt.Errorf("POST /models without a URL was accepted; this is no TorchServe")
	}
	return false, err
}

// scale sets the workers.
func (c *client) scale(ctx context.Context, d description) error {
	query := url.Values{"min_worker": {strconv.Itoa(d.MinWorkers)}, "max_worker": {strconv.Itoa(d.MaxWorkers)}, "synchronous": {"true"}}
	_, err := c.manage(ctx, d.startTime(), http.MethodPut, pathOf(d.Name, d.Version)+"?"+query.Encode())
	return err
}

// startTime is the longest time for the start of workers.
func (d description) startTime() time.Duration {
	return max(callTime, time.Duration(d.StartupTimeout)*time.Second+callTime)
}

// unregister removes the version.
func (c *client) unregister(ctx context.Context, d description) error {
	_, err := c.manage(ctx, d.startTime(), http.MethodDelete, pathOf(d.Name, d.Version))
	return err
}

// register registers the model as d says.
func (c *client) register(ctx context.Context, d description) error {
	query := url.Values{
		"url": {d.URL}, "model_name": {d.Name}, "initial_workers": {strconv.Itoa(d.MinWorkers)}, "synchronous": {"true"},
		"batch_size": {strconv.Itoa(d.BatchSize)}, "max_batch_delay": {strconv.FormatFloat(d.MaxBatchDelay, 'f', -1, 64)},
	}
	if d.ResponseTimeout > 0 {
		query.Set("response_timeout", strconv.Itoa(d.ResponseTimeout))
	}
	if d.StartupTimeout > 0 {
		query.Set("startup_timeout", strconv.Itoa(d.StartupTimeout))
	}
	_, err := c.manage(ctx, d.startTime(), http.MethodPost, "/models?"+query.Encode())
	return err
}
