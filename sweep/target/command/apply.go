package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/process"
)

// Limits of the requests that are no load.
const (
	callLimit  = 30 * time.Second // of a call that changes knobs, and of the first request
	probeLimit = 2 * time.Second  // of a request that asks whether the server is ready
	probeEvery = 50 * time.Millisecond
	maxShown   = 200 // bytes of an answer in an error
)

// Apply applies s. After an error the settings before it are in force; if that needs a new start, it
// is made before the next load.
func (t *Target) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	if err := s.Validate(t.limits()); err != nil {
		return sweep.Applied{}, err
	}
	begin := time.Now()
	out := sweep.Applied{Settings: s}
	err := t.gate.Change(func() (err error) {
		if out.Steps, err = t.change(ctx, s); err == nil {
			t.current, out.Fresh = s, !t.running.loaded.Load()
		}
		return err
	})
	if err != nil {
		return sweep.Applied{}, err
	}
	out.Took = time.Since(begin)
	return out, nil
}

// change changes the running server with calls, or starts another. No load runs.
func (t *Target) change(ctx context.Context, s knob.Settings) ([]sweep.Step, error) {
	r := t.running
	switch {
	case r == nil || r.HasEnded():
	case s == t.current:
		return nil, nil
	case t.onlyLive(s):
		begin := time.Now()
		err := t.callLive(ctx, r, s, t.current)
		if err == nil {
			return timed(nil, "call", begin), nil
		}
		if back := t.callLive(context.WithoutCancel(ctx), r, t.current, knob.Settings{}); back != nil {
			t.stop() // its settings are unknown
		}
		return nil, err
	}
	begin := time.Now()
	t.stop()
	steps := timed(nil, "end", begin)
	begin = time.Now()
	r, err := t.start(ctx, s)
	if err != nil {
		return nil, err
	}
	t.running = r
	return timed(steps, "start", begin), nil
}

// changed returns the names of the knobs whose values differ.
func (t *Target) changed(s, before knob.Settings) []string {
	var out []string
	for n := range t.cfg.Plan.Knobs {
		if s.Get(n) != before.Get(n) {
			out = append(out, string(n))
		}
	}
	return out
}

// onlyLive reports whether calls can change everything in which s differs from the settings in
// force.
func (t *Target) onlyLive(s knob.Settings) bool {
	var live []string
	for _, c := range t.cfg.Plan.Server.Live {
		live = append(live, plan.Placeholders(c.Texts()...)...)
	}
	return !slices.ContainsFunc(t.changed(s, t.current), func(n string) bool { return !slices.Contains(live, n) })
}

// callLive sends the calls that have one of the knobs in which s differs from before.
func (t *Target) callLive(ctx context.Context, r *running, s, before knob.Settings) error {
	values := maps.Clone(r.values)
	t.setKnobs(values, s)
	changed := t.changed(s, before)
	for _, c := range t.cfg.Plan.Server.Live {
		names := plan.Placeholders(c.Texts()...)
		if !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(changed, n) }) {
			continue
		}
		err := t.send(ctx, callLimit, c.Method, plan.Fill(c.URL, values), fillMap(c.Header, values), []byte(plan.Fill(c.Body, values)))
		if err != nil {
			return fmt.Errorf("call: %w", err)
		}
	}
	return nil
}

// setKnobs adds the values of the knobs.
func (t *Target) setKnobs(values map[string]string, s knob.Settings) {
	for n := range t.cfg.Plan.Knobs {
		values[string(n)] = s.Get(n)
	}
}

func fillMap(m, values map[string]string) map[string]string {
	out := map[string]string{}
	for n, v := range m {
		out[n] = plan.Fill(v, values)
	}
	return out
}

// start starts a server with s and waits until it is ready.
func (t *Target) start(ctx context.Context, s knob.Settings) (*running, error) {
	folder, err := os.MkdirTemp("", "sweetspot-server-")
	if err != nil {
		return nil, err
	}
	values, err := t.placeholders(s, folder)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	server := t.cfg.Plan.Server
	if err := portsFree(plan.Fill(server.Request.URL, values), plan.Fill(server.Ready.URL, values)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	var argv []string
	for _, word := range server.Command {
		argv = append(argv, plan.Fill(word, values))
	}
	env := slices.Clone(t.cfg.Env)
	for _, n := range slices.Sorted(maps.Keys(server.Env)) {
		env = append(env, n+"="+plan.Fill(server.Env[n], values))
	}
	r := &running{values: values}
	if r.load, err = t.loadConfig(values); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if r.Process, err = process.Start(process.Config{Supervisor: t.cfg.Supervisor, Folder: folder, Argv: argv, Env: env, Log: t.cfg.Log}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err = t.waitReady(ctx, r); err == nil {
		err = t.callLive(ctx, r, s, knob.Settings{})
	}
	if err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// placeholders returns the values of all placeholders, and writes the config files into the folder.
func (t *Target) placeholders(s knob.Settings, folder string) (map[string]string, error) {
	values, err := t.freePorts()
	if err != nil {
		return nil, err
	}
	t.setKnobs(values, s)
	paths := map[string]string{}
	for n, f := range t.templates {
		sub := filepath.Join(folder, n) // two templates may have the same name
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, err
		}
		paths[n] = filepath.Join(sub, f.name)
		if err := os.WriteFile(paths[n], []byte(plan.Fill(f.text, values)), 0o600); err != nil {
			return nil, err
		}
	}
	maps.Copy(values, paths)
	return values, nil
}

// freePorts returns a port of the loopback interface, on which nothing listens, for each placeholder
// of a port.
func (t *Target) freePorts() (map[string]string, error) {
	out := map[string]string{}
	for _, n := range plan.Placeholders(allTexts(t.cfg.Plan.Server, t.templates)...) {
		if !plan.IsPort(n) {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // after all ports are chosen, so that they differ
		if _, out[n], err = net.SplitHostPort(l.Addr().String()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// portsFree returns an error if something listens on the port of a URL: it would answer in place of the
// server.
func portsFree(urls ...string) error {
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			continue
		}
		port := u.Port()
		if port == "" {
			port = "80"
		}
		if listens(net.JoinHostPort(u.Hostname(), port)) {
			return &process.StartError{Kind: process.PortTaken, How: "another program listens on " + u.Host}
		}
	}
	return nil
}

// listens reports whether something accepts connections at an address. A free port of this machine refuses them at once, so
// that no answer is one of a busy machine, and is asked for again.
func listens(address string) bool {
	const tries = 5
	for range tries {
		c, err := net.DialTimeout("tcp", address, probeLimit)
		if err == nil {
			c.Close()
			return true
		}
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			return false
		}
	}
	return false
}

// loadConfig returns the common part of all runs.
func (t *Target) loadConfig(values map[string]string) (load.Config, error) {
	r := t.cfg.Plan.Server.Request
	header := fillMap(r.Header, values)
	e := load.Endpoint{URL: plan.Fill(r.URL, values), Bodies: slices.Clone(t.cfg.Bodies)}
	for _, n := range slices.Sorted(maps.Keys(header)) {
		if strings.EqualFold(n, "Content-Type") { // in place of what the names of the files say
			for i := range e.Bodies {
				e.Bodies[i].Type = header[n]
			}
			continue
		}
		e.Header = append(e.Header, [2]string{n, header[n]})
	}
	return e.Config(load.Spec{})
}

// waitReady waits until the server is ready.
func (t *Target) waitReady(ctx context.Context, r *running) error {
	ready := t.cfg.Plan.Server.Ready
	ctx, cancel := context.WithTimeoutCause(ctx, ready.Within, errNotReady)
	defer cancel()
	for {
		err := t.isReady(ctx, r)
		if r.HasEnded() {
			return r.Failure("before it was ready")
		}
		if err == nil {
			return nil
		}
		select {
		case <-r.Done():
		case <-time.After(probeEvery):
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errNotReady) {
				return &process.StartError{Kind: process.NeverReady, How: fmt.Sprintf("not ready within %v: %v", ready.Within, err), Lines: r.LastLines()}
			}
			return context.Cause(ctx)
		}
	}
}

var errNotReady = errors.New("not ready")

// isReady asks the server once.
func (t *Target) isReady(ctx context.Context, r *running) error {
	ready := t.cfg.Plan.Server.Ready
	if ready.URL == "" {
		return t.tryRequest(ctx, r)
	}
	return t.send(ctx, probeLimit, http.MethodGet, plan.Fill(ready.URL, r.values), nil, nil)
}

// tryRequest sends the first request of the load.
func (t *Target) tryRequest(ctx context.Context, r *running) error {
	req := t.cfg.Plan.Server.Request
	body := r.load.Bodies[0]
	header := fillMap(req.Header, r.values)
	if body.Type != "" {
		header["Content-Type"] = body.Type
	}
	return t.send(ctx, callLimit, http.MethodPost, plan.Fill(req.URL, r.values), header, body.Data)
}

// send sends a request, whose answer must be 200-299.
func (t *Target) send(ctx context.Context, limit time.Duration, method, at string, header map[string]string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for n, v := range header {
		req.Header.Set(n, v)
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxShown))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s %s: answered with %s: %.200q", method, at, resp.Status, text)
	}
	return nil
}
