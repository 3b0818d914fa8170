package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

const dashboardFile = "../../../docs/grafana/serve.json"

// checkSchema checks a dashboard with Grafana's schema.
func checkSchema(data []byte) error {
	r := cog.NewRuntime()
	r.RegisterDataqueryVariant(prometheus.VariantConfig())
	r.RegisterPanelcfgVariant(timeseries.VariantConfig())
	var d dashboard.Dashboard
	err := d.UnmarshalJSONStrict(data)
	if none, ok := err.(cog.BuildErrors); ok && len(none) == 0 {
		err = nil // an empty list that is no nil
	}
	if err == nil {
		err = d.Validate()
	}
	if err == nil && len(d.Panels) < 10 {
		err = fmt.Errorf("%d panels", len(d.Panels))
	}
	return err
}

// The dashboard has Grafana's schema; a wrong one has not.
func TestDashboardSchema(t *testing.T) {
	data, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSchema(data); err != nil {
		t.Errorf("%v", err)
	}
	for _, change := range [][2]string{{`"schemaVersion"`, `"schemaVersions"`}, {`"gridPos"`, `"grid"`}, {`"legendFormat"`, `"legend_format"`}, {`"stacking"`, `"stack"`}, {`"graphTooltip": 1`, `"graphTooltip": "1"`}} {
		wrong := strings.Replace(string(data), change[0], change[1], 1)
		if wrong == string(data) || checkSchema([]byte(wrong)) == nil {
			t.Errorf("%s instead of %s was accepted", change[1], change[0])
		}
	}
}

// expressions returns the queries of the dashboard.
func expressions(t *testing.T) (out []string) {
	t.Helper()
	data, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			out = append(out, q.Expr)
		}
	}
	return out
}

// Every metric and every label of the dashboard is one that the server has.
func TestDashboardMetrics(t *testing.T) {
	series := scrape(t, config(start(t, 3, 1)), "")
	name := regexp.MustCompile(`sweetspot_\w+|CPUUtilization|MemoryUtilization`)
	label := regexp.MustCompile(`(?:by|on) \(([^)]*)\)`)
	for _, e := range expressions(t) {
		found := name.FindAllString(e, -1)
		if len(found) == 0 {
			t.Errorf("no metric in %s", e)
		}
		for _, n := range found {
			line := regexp.MustCompile(`(?m)^` + n + `(\{.*\})? .*$`).FindString(series)
			if line == "" {
				t.Errorf("no metric %s, for %s", n, e)
			}
			for _, group := range label.FindAllStringSubmatch(e, -1) {
				for l := range strings.SplitSeq(group[1], ", ") {
					// group_left's right side has fewer labels than its left one.
					if !strings.Contains(line, l+`="`) && !strings.Contains(e, "group_left") {
						t.Errorf("metric %s has no label %s, for %s", n, l, e)
					}
				}
			}
		}
	}
}

// Prometheus can parse the queries.
func TestDashboardQueries(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool: it is in the Debian package prometheus")
	}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, e := range expressions(t) {
		e = strings.NewReplacer("$__rate_interval", "1m", "$model", ".*", "$version", ".*").Replace(e)
		rules.WriteString("  - record: x\n    labels: {n: '" + strings.ReplaceAll(e[:min(10, len(e))], "'", "") + "'}\n    expr: '" + e + "'\n")
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool, "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
