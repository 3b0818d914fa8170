package report_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/report"
	"sweetspot/sweep/trial"
)

// recorded returns the profiles that earlier versions recorded.
func recorded(t *testing.T) []*profiles.Profile {
	t.Helper()
	files, err := filepath.Glob("../testdata/earlier/*.jsonl")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d profiles, %v", len(files), err)
	}
	var out []*profiles.Profile
	for _, f := range files {
		p, err := profiles.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// families parses the text as the scrapers of Prometheus's text format do.
func families(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	out, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// sample returns the value of the first sample with these labels.
func sample(f *dto.MetricFamily, want map[string]string) (float64, bool) {
	for _, m := range f.GetMetric() {
		have := map[string]string{}
		for _, l := range m.Label {
			have[l.GetName()] = l.GetValue()
		}
		matches := true
		for k, v := range want {
			matches = matches && have[k] == v
		}
		if matches {
			return m.GetGauge().GetValue(), true
		}
	}
	return 0, false
}

func TestOpenMetrics(t *testing.T) {
	p := profile()
	own := knob.OwnValues("")
	if err := errors.Join(own.Set("buckets-a", "3"), own.Set("load_", "x")); err != nil {
		t.Fatal(err)
	}
	p.Trials[1].Settings.Own = own
	choice := p.Trials[2]
	p.Choices = []trial.Choice{{N: choice.N, Settings: choice.Settings, Why: trial.Explanation{Headroom: trial.NumOf(.25)}}}
	p.Trials[1].Latency.P99 = trial.Estimate{Value: trial.NumOf(41.2), Low: trial.NumOf(39)}
	var b strings.Builder
	if err := report.OpenMetrics(&b, []*profiles.Profile{p}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if !strings.HasSuffix(text, "\n# EOF\n") {
		t.Error("the text does not end with # EOF")
	}
	all := families(t, text)
	n := "2"
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"sweetspot_trial_request_latency_seconds", map[string]string{"trial": n, "quantile": "0.99"}, .0412},
		{"sweetspot_trial_request_latency_low_seconds", map[string]string{"trial": n, "quantile": "0.99"}, .039},
		{"sweetspot_trial_throughput_requests_per_second", map[string]string{"trial": n}, 3.45},
		{"sweetspot_trial_info", map[string]string{"trial": n, "workers": "2", "buckets_a": "3"}, 1},
		{"sweetspot_choice_headroom_ratio", map[string]string{}, .25},
		{"sweetspot_chosen", map[string]string{"profile": p.Header.ID}, 1},
	} {
		got, ok := sample(all[c.name], c.labels)
		if diff := got - c.want; !ok || diff > 1e-9 || diff < -1e-9 {
			t.Errorf("%s%v = %v (exists: %v), want %v", c.name, c.labels, got, ok, c.want)
		}
	}
	if _, ok := sample(all["sweetspot_trial_request_latency_high_seconds"], map[string]string{"trial": n, "quantile": "0.99"}); ok {
		t.Error("an end of an interval that is not known has a sample")
	}
	for name, f := range all {
		if f.GetType() != dto.MetricType_GAUGE || f.GetHelp() == "" {
			t.Errorf("%s: type %v, help %q", name, f.GetType(), f.GetHelp())
		}
	}
}

// TestOpenMetricsParser: the parser of Prometheus's Python client, which refuses what the
// specification does not allow, reads the metrics of all recorded profiles together.
func TestOpenMetricsParser(t *testing.T) {
	var b bytes.Buffer
	ps := recorded(t)
	if err := report.Write(&b, append(ps, ps[0], profile()), "openmetrics", ""); err != nil {
		t.Fatal(err)
	}
	families(t, b.String())
	const script = `import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
n = 0
for f in text_string_to_metric_families(sys.stdin.read()):
    assert f.type == 'gauge' and f.documentation and (not f.unit or f.name.endswith('_' + f.unit)), f
    n += len(f.samples)
print(n)`
	c := exec.Command(pythonWithClient(t), "-c", script)
	c.Stdin = &b
	want := 0
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "#") {
			want++
		}
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := strings.TrimSpace(string(out)); got != strconv.Itoa(want) || want < 100 {
		t.Errorf("%s of %d samples were read", got, want)
	}
}

// pythonWithClient returns a Python that has the package prometheus_client, such as that of the
// servers of `make peers`; it skips the test if there is none.
func pythonWithClient(t *testing.T) string {
	t.Helper()
	candidates := []string{"python3"}
	if cache, err := os.UserCacheDir(); err == nil {
		candidates = append(candidates, filepath.Join(cache, "sweetspot", "peers", "bin", "python"))
	}
	for _, p := range candidates {
		if exec.Command(p, "-c", "import prometheus_client").Run() == nil {
			return p
		}
	}
	t.Skip("no Python with the package prometheus_client: make peers installs one")
	return ""
}
