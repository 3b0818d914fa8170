package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/config"
)

const metricsFile = `dimensions:
  - &model_name "ModelName"
  - &level "Level"
  - &hostname "Hostname"

ts_metrics:
  counter:
    - name: Requests2XX
      unit: Count
      dimensions: [*level, *hostname]
  gauge:
    - name: QueueTime
      unit: Milliseconds
      dimensions: [*level, *hostname]
  histogram:

model_metrics:
  gauge:
    - name: PredictionTime
      unit: ms
      dimensions: [*model_name, *level]
`

func TestParseMetrics(t *testing.T) {
	got, err := config.ParseMetrics("metrics.yaml", []byte(metricsFile))
	if err != nil {
		t.Fatal(err)
	}
	host := []string{"Level", "Hostname"}
	want := []config.FileMetric{
		{Name: "Requests2XX", Kind: "counter", Unit: "Count", Dimensions: host, Line: 8},
		{Name: "QueueTime", Kind: "gauge", Unit: "Milliseconds", Dimensions: host, Line: 12},
		{Name: "PredictionTime", Kind: "gauge", Unit: "ms", Dimensions: []string{"ModelName", "Level"}, Model: true, Line: 19},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestMetricsFileErrors has files that are refused, unsafe ones among them.
func TestMetricsFileErrors(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nts_metrics: {counter: [*b,*b,*b,*b,*b,*b,*b,*b]}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"empty":              {"", "m has no metrics: want ts_metrics"},
		"no YAML":            {"ts_metrics: [", "m: line 1: "},
		"other key":          {"ts_metric: {}", `m:1: "ts_metric": want dimensions, ts_metrics or model_metrics`},
		"other kind":         {"ts_metrics:\n  timer: []", `m:2: "timer": want counter, gauge or histogram`},
		"no unit":            {"ts_metrics:\n  gauge:\n  - name: A", "m:3: a metric needs a name and a unit"},
		"twice":              {"ts_metrics:\n  gauge:\n  - {name: A, unit: s}\n  - {name: A, unit: s}", "m:4: A is there twice"},
		"unknown field":      {"ts_metrics:\n  gauge:\n  - {name: A, unit: s, help: x}", `m:3: "help": a metric has name, unit and dimensions`},
		"label":              {"ts_metrics:\n  gauge:\n  - {name: A, unit: s, dimensions: [a b]}", `m:3: dimension "a b" of "A"`},
		"no anchor":          {"ts_metrics:\n  gauge:\n  - {name: *a, unit: s}", "*a: no text has this anchor before it"},
		"aliases of lists":   {bomb, "want dimensions, ts_metrics or model_metrics"},
		"a tag of an object": {"ts_metrics: !!python/object/apply:os.system [ls]", "m:1: ts_metrics: want a mapping"},
		"a tag of a text":    {"ts_metrics:\n  gauge:\n  - {name: !!java.net.URL [x], unit: s}", "m:3: want a text"},
		"large":              {strings.Repeat("#", 1<<20+1), "has 1048577 bytes"},
	} {
		if _, err := config.ParseMetrics("m", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add([]byte(metricsFile))
	f.Add([]byte("ts_metrics: &a {gauge: [*a, {name: ?, unit: !!x y}]}\n<<: *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := config.ParseMetrics("metrics.yaml", data)
		if err != nil {
			return
		}
		for _, m := range list {
			if m.Name == "" || m.Unit == "" || m.Kind == "" {
				t.Errorf("an incomplete metric: %+v", m)
			}
		}
	})
}
