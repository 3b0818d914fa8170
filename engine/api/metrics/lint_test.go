package metrics_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"sweetspot/engine/torchservetest"
)

// complaints returns what promtool check metrics says about a text, by metric. It is the check
// behind that command.
func complaints(t *testing.T, text string) map[string][]string {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, p := range problems {
		if !slices.Contains(out[p.Metric], p.Text) { // one for each series
			out[p.Metric] = append(out[p.Metric], p.Text)
		}
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}

// sampled reports whether a text has a sample of a metric.
func sampled(text, name string) bool {
	return strings.Contains("\n"+text, "\n"+name+"{")
}

// Only TorchServe's names break Prometheus's rules, and docs/torchserve-compatibility.md has them.
func TestComplaints(t *testing.T) {
	page, err := os.ReadFile("../../../docs/torchserve-compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| promtool says | of |")
	table, _, _ = strings.Cut(table, "\n\n")
	found := complaints(t, scrape(t, config(start(t, 3, 1)), ""))
	if len(found) < 10 {
		t.Errorf("%d metrics with complaints", len(found))
	}
	for name, list := range found {
		if !isTorchServes(name) {
			t.Errorf("%s: %s", name, list)
		}
		if n := strings.Count(table, "`"+name+"`"); n != len(list) {
			t.Errorf("the page has %s %d times, and promtool says %q", name, n, list)
		}
	}
}

// timedHandler is a handler of TorchServe's base class, which measures HandlerTime.
const timedHandler = `from ts.torch_handler.base_handler import BaseHandler


class Timed(BaseHandler):
    def initialize(self, context):
        self.context, self.initialized = context, True

    def preprocess(self, data):
        return data

    def inference(self, data):
        return data

    def postprocess(self, data):
        return ["ok"] * len(data)
`

// promtool has the same complaints about the metrics of a real TorchServe.
func TestRealTorchServeComplaints(t *testing.T) {
	torchservetest.Find(t)
	store := t.TempDir()
	torchservetest.ArchiveOf(t, store, "words", "1.0", "", timedHandler)
	s, err := torchservetest.Start(t, torchservetest.Options{Config: "metrics_mode=prometheus\nload_models=words\ndefault_workers_per_model=1\n", Store: store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a guard
	defer cancel()
	if err := s.WaitReady(ctx, "words"); err != nil {
		t.Fatal(err)
	}
	if status, body := get(ctx, t, http.MethodPost, s.Inference+"/predictions/words"); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	for _, path := range []string{"/predictions/none", "/nothing"} {
		get(ctx, t, http.MethodGet, s.Inference+path)
	}
	ours := scrape(t, config(start(t, 3, 1)), "")
	var theirs string
	for { // its metrics of the machine come from another process
		if _, theirs = get(ctx, t, http.MethodGet, s.Metrics+"/metrics"); sampled(theirs, "DiskUsage") && sampled(theirs, "HandlerTime") {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("not all metrics come:\n%s", theirs)
		}
		time.Sleep(200 * time.Millisecond)
	}
	a, b, both := complaints(t, theirs), complaints(t, ours), 0
	for line := range strings.Lines(ours) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "# TYPE ")
		if name, _, _ = strings.Cut(name, " "); !ok || !sampled(theirs, name) || !sampled(ours, name) {
			continue
		}
		both++
		if diff := cmp.Diff(a[name], b[name]); diff != "" {
			t.Errorf("%s (-TorchServe +ours):\n%s", name, diff)
		}
	}
	if both < 15 {
		t.Errorf("only %d metrics are in both", both)
	}
	t.Logf("the same complaints about all %d metrics that both have", both)
}

func get(ctx context.Context, t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// isTorchServes reports whether a metric has a name of TorchServe's, which breaks Prometheus's
// rules for names on purpose.
func isTorchServes(name string) bool { return !strings.HasPrefix(name, "sweetspot_") }
