package oip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	protocol "sweetspot/engine/oip"
	"sweetspot/sweep/load"
)

// The limits of a call.
const (
	callTime  = time.Minute // a model may be slow at first
	maxAnswer = 64 << 20
	maxText   = 300 // of an error text of the server
)

// caller asks a server over HTTP.
type caller struct {
	base   string
	header [][2]string
	http   *http.Client
}

func newCaller(c Config) *caller {
	return &caller{strings.TrimRight(c.Address, "/"), c.Header, &http.Client{Transport: &http.Transport{TLSClientConfig: c.TLS}}}
}

func (c *caller) close() { c.http.CloseIdleConnections() }

// answerError is an answer with another status than 2xx.
type answerError struct {
	status int
	text   string // of the server
}

func (e *answerError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", e.status, http.StatusText(e.status), e.text))
}

// do sends a request and returns the body of the answer. An answer of another status than 2xx is an answerError.
func (c *caller) do(ctx context.Context, method, at string, b load.Body) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(b.Data))
	if err != nil {
		return nil, err
	}
	for _, h := range append(c.header[:len(c.header):len(c.header)], b.Header...) {
		req.Header.Set(h[0], h[1])
	}
	if b.Type != "" {
		req.Header.Set("Content-Type", b.Type)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, &answerError{resp.StatusCode, errorText(data)}
	}
	return data, nil
}

// errorText returns the text of an error answer: {"error":"text"}, or the body itself.
func errorText(body []byte) string {
	var e struct {
		Error string `json:"error"`
	}
	text := strings.TrimSpace(string(body))
	if json.Unmarshal(body, &e) == nil && e.Error != "" {
		text = e.Error
	}
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return text
}

// read sends a request without a body, or with one in JSON, and decodes the answer.
func (c *caller) read(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	b := load.Body{Data: body}
	if body != nil {
		b.Type = typeJSON
	}
	data, err := c.do(ctx, method, c.base+path, b)
	if err == nil && into != nil {
		if err = json.Unmarshal(data, into); err != nil {
			err = fmt.Errorf("%s: the answer is not what the protocol says: %w", path, err)
		}
	}
	return err
}

func (c *caller) server(ctx context.Context) (m protocol.ServerMetadata, err error) {
	return m, c.read(ctx, http.MethodGet, "/v2", nil, &m)
}

func (c *caller) model(ctx context.Context, name, version string) (m protocol.ModelMetadata, err error) {
	return m, c.read(ctx, http.MethodGet, modelPath(name, version), nil, &m)
}

// models asks for the list of KServe, and else for that of Triton and MLServer.
func (c *caller) models(ctx context.Context) ([]string, error) {
	var list struct {
		Models []string `json:"models"`
	}
	err := c.read(ctx, http.MethodGet, "/v2/models", nil, &list)
	if err == nil {
		return list.Models, nil
	}
	var index []struct{ Name, State string }
	if err2 := c.read(ctx, http.MethodPost, "/v2/repository/index", []byte("{}"), &index); err2 != nil {
		return nil, errors.Join(err, err2)
	}
	var names []string
	for _, m := range index {
		if m.State == "READY" && (len(names) == 0 || names[len(names)-1] != m.Name) {
			names = append(names, m.Name)
		}
	}
	return names, nil
}

// modelPath is the path of a model.
func modelPath(name, version string) string {
	p := "/v2/models/" + url.PathEscape(name)
	if version != "" {
		p += "/versions/" + url.PathEscape(version)
	}
	return p
}
