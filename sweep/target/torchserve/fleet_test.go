package torchserve_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/torchserve"
	"sweetspot/sweep/trial"
)

// fleetOf returns the configuration of a target for several servers, behind a proxy that sends them the requests in turn.
func fleetOf(t *testing.T, servers ...*testServer) torchserve.Config {
	t.Helper()
	c := servers[0].config()
	c.Management = nil
	var inference []string
	for _, s := range servers {
		inference = append(inference, s.inference)
		c.Management = append(c.Management, s.management)
		c.RestoreFiles = append(c.RestoreFiles, filepath.Join(t.TempDir(), "restore.json"))
	}
	c.Inference = balancer(t, inference...)
	return c
}

// balancer sends requests to servers in turn, and returns its URL.
func balancer(t *testing.T, servers ...string) string {
	t.Helper()
	var proxies []http.Handler
	for _, s := range servers {
		at, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		proxies = append(proxies, httputil.NewSingleHostReverseProxy(at))
	}
	var n atomic.Int64
	return listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxies[n.Add(1)%int64(len(proxies))].ServeHTTP(w, r)
	}))
}

// TestFleet: a change is applied to all servers, each has to be ready, and all are restored.
func TestFleet(t *testing.T) {
	a, b := start(t, true, false, "m"), start(t, true, false, "m")
	c := fleetOf(t, a, b)
	before := a.inForce(t, "m")
	d, err := torchserve.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want := settings(t, d, 2, 4, 2*time.Millisecond)
	if _, err := d.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*testServer{a, b} {
		if got := s.inForce(t, "m"); got != "workers 2-2, batch 4, delay 2ms" {
			t.Errorf("in force %s", got)
		}
	}
	r, err := d.Measure(t.Context(), sweep.Measurement{
		Load: load.Spec{Concurrency: 2}, SLA: trial.SLA{Percentile: 50, Limit: time.Minute}, Max: 40,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	})
	if err != nil || r.Counts.OK == 0 || r.Counts.Failed > 0 {
		t.Errorf("%+v, %v", r.Counts, err)
	}
	for i, s := range []*testServer{a, b} {
		if n := s.engine.Services()[0].Stats().OK; n < 10 {
			t.Errorf("server %d got %d requests", i, n)
		}
	}
	// One server cannot be changed: both have the settings before it.
	b.store.refuses.Store(1)
	_, err = d.Apply(t.Context(), settings(t, d, 2, 8, 2*time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), b.management+": ") || a.inForce(t, "m") != "workers 2-2, batch 4, delay 2ms" || b.inForce(t, "m") != a.inForce(t, "m") {
		t.Errorf("%v; in force %s and %s", err, a.inForce(t, "m"), b.inForce(t, "m"))
	}
	if err := d.Close(t.Context()); err != nil || a.inForce(t, "m") != before || b.inForce(t, "m") != before {
		t.Errorf("after Close %s and %s, %v; want %s", a.inForce(t, "m"), b.inForce(t, "m"), err, before)
	}
	for _, file := range c.RestoreFiles {
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestFleetErrors: servers with different settings, without a common inference address, or named twice are an error.
func TestFleetErrors(t *testing.T) {
	a, b := start(t, true, false, "m"), start(t, true, false, "m")
	req, _ := http.NewRequest(http.MethodPut, b.management+"/models/m?min_worker=2&max_worker=3&synchronous=true", nil)
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	for _, tc := range []struct {
		name   string
		change func(*torchserve.Config)
		want   string
	}{
		{"different", func(*torchserve.Config) {}, fmt.Sprintf("the servers differ: %s has url m.mar, min_worker 1, max_worker 1, batch_size 1", a.management)},
		{"no inference", func(c *torchserve.Config) { c.Inference = "" }, "give it with --inference URL"},
		{"twice", func(c *torchserve.Config) { c.Management[1] = c.Management[0] }, a.management + " is given twice"},
		{"one without the model", func(c *torchserve.Config) { c.Management[1] = start(t, true, false, "other").management; c.Model = "m" }, "404"},
		{"one address of metrics", func(c *torchserve.Config) {
			c.Management[1] = start(t, true, false, "m").management
			c.Metrics = []string{"x"}
		}, "1 addresses for 2 servers"},
	} {
		c := fleetOf(t, a, b)
		tc.change(&c)
		if _, err := torchserve.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
