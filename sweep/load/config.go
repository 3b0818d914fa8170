package load

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// The defaults of a Config.
const (
	defaultTimeout = 30 * time.Second
	defaultLimit   = 60 * time.Second
	defaultBlock   = 250 * time.Millisecond
)

// The limits of one generator.
const (
	maxClients = 10000      // closed: clients; open: connections
	maxPlanned = 20_000_000 // requests of an open load
	maxRamp    = time.Hour
)

// withDefaults sets the defaults of zero fields.
func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Limit == 0 {
		c.Limit = defaultLimit
	}
	if c.Block == 0 {
		c.Block = defaultBlock
	}
	return c
}

// validate reports all errors of a config with defaults.
func (c Config) validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Bodies) == 0 {
		fail("no request bodies: want at least one")
	}
	if c.Client == nil {
		errs = append(errs, c.validateHTTP()...)
	}
	if c.Timeout < 0 || c.Limit < 0 || c.Block < 0 || c.Max < 0 {
		fail("timeout %v, limit %v, block %v, max %d: want none below 0", c.Timeout, c.Limit, c.Block, c.Max)
	}
	if !(c.MaxRate >= 0 && c.MaxRate <= 1e9) {
		fail("largest rate %g: want 0 for none, or at most 1e9 requests per second", c.MaxRate)
	}
	if err := c.validateSpec(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// validateHTTP checks the fields of a load without a Client.
func (c Config) validateHTTP() []error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, port, err := net.SplitHostPort(c.Addr); err != nil || port == "" {
		fail("address %q: want host:port", c.Addr)
	}
	if !strings.HasPrefix(c.Path, "/") || strings.ContainsFunc(c.Path, func(r rune) bool { return r <= ' ' || r == 127 }) {
		fail("path %q: want /... without blanks", c.Path)
	}
	headers := c.Header
	for i, b := range c.Bodies {
		if strings.ContainsAny(b.Type, "\r\n") {
			fail("body %d: content type %q: want one line", i, b.Type)
		}
		headers = append(slices.Clip(headers), b.Header...)
	}
	for _, h := range headers {
		if h[0] == "" || strings.ContainsAny(h[0], " \t\r\n:") || strings.ContainsAny(h[1], "\r\n") {
			fail("header %q: %q: want a name without blanks and a value of one line", h[0], h[1])
		}
	}
	return errs
}

// validateSpec checks the fields of the load's mode.
func (c Config) validateSpec() error {
	s := c.Spec
	switch s.Mode {
	case Closed:
		if s.Concurrency < 1 || s.Concurrency > maxClients {
			return fmt.Errorf("concurrency %d: want 1-%d", s.Concurrency, maxClients)
		}
	case Open:
		if !(s.Rate > 0 && s.Rate <= 1e6) {
			return fmt.Errorf("rate %g: want above 0 and at most 1e6 requests per second", s.Rate)
		}
		if planned := s.Rate * c.Limit.Seconds(); planned > maxPlanned && (c.Max == 0 || c.Max > maxPlanned) {
			return fmt.Errorf("rate %g for %v is %.0f requests: want at most %d; set a limit or a maximum",
				s.Rate, c.Limit, planned, maxPlanned)
		}
	case Ramp:
		if !(min(s.From, s.To) > 0 && max(s.From, s.To) <= 1e6) {
			return fmt.Errorf("rates %g-%g: want above 0 and at most 1e6 requests per second", s.From, s.To)
		}
		if s.Over <= 0 || s.Over > maxRamp {
			return fmt.Errorf("a ramp over %v: want above 0 and at most %v", s.Over, maxRamp)
		}
		if planned := s.expectedRequests(s.Over); planned > maxPlanned && (c.Max == 0 || c.Max > maxPlanned) {
			return fmt.Errorf("%v is %.0f requests: want at most %d", s, planned, maxPlanned)
		}
	case Trace:
		if s.File == "" {
			return errors.New("trace: want a file")
		}
	default:
		return fmt.Errorf("load mode %d: want closed, open, trace or ramp", uint8(s.Mode))
	}
	return nil
}

// plan returns the send times of an open, ramp or trace load, nil for a closed one.
func (c Config) plan() ([]time.Duration, error) {
	if c.Spec.Mode != Trace {
		return Plan(c.Spec, c.Seed, c.Limit, c.Max), nil
	}
	plan, err := ReadTrace(c.Spec)
	return truncate(plan, c.Limit, c.Max), err
}

// requests returns the bytes to send for each body.
func (c Config) requests() [][]byte {
	host := true
	var common bytes.Buffer
	for _, h := range c.Header {
		fmt.Fprintf(&common, "%s: %s\r\n", h[0], h[1])
		host = host && !strings.EqualFold(h[0], "Host")
	}
	if host {
		fmt.Fprintf(&common, "Host: %s\r\n", c.Addr)
	}
	out := make([][]byte, len(c.Bodies))
	if c.Client != nil {
		return out // it has its own
	}
	for i, b := range c.Bodies {
		var req bytes.Buffer
		fmt.Fprintf(&req, "POST %s HTTP/1.1\r\n%s", c.Path, common.Bytes())
		if b.Type != "" {
			fmt.Fprintf(&req, "Content-Type: %s\r\n", b.Type)
		}
		for _, h := range b.Header {
			fmt.Fprintf(&req, "%s: %s\r\n", h[0], h[1])
		}
		fmt.Fprintf(&req, "Content-Length: %d\r\n\r\n", len(b.Data))
		req.Write(b.Data)
		out[i] = req.Bytes()
	}
	return out
}
