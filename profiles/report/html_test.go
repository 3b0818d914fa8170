package report_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sweetspot/profiles"
	"sweetspot/profiles/report"
	"sweetspot/sweep/trial"
)

// TestPage: the page says the answer and the reasons, is complete in itself, and escapes what
// comes from outside.
func TestPage(t *testing.T) {
	p := suiteProfile()
	p.Header.Model.Name = `<script>alert("x")</script>`
	p.Choices[0].Why.Lines[0].Text += " <b>&"
	page := write(t, "html", p, suiteProfile())
	for _, want := range []string{
		"1 worker, batch 1", "execution | takes 23 ms", "P99 of request latency", "&lt;script&gt;", `<svg class="pic wide"`, `<svg class="pic narrow"`,
		"eager_mode_drawings", "prefers-color-scheme:dark", "&lt;b&gt;&amp;",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, bad := range []string{"<script", "NaN", "Inf", "ZgotmplZ", "<b>&"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if urls := regexp.MustCompile(`(?:src|href|url|@import)[=("']+(?:https?:|//|file:)[^"')]*`).FindAllString(page, -1); urls != nil {
		t.Errorf("the page loads %v", urls)
	}
}

// TestPageWithoutAnswer: a profile without a choice says why, one without a trial has no chart.
func TestPageWithoutAnswer(t *testing.T) {
	for _, c := range []struct {
		name string
		end  *profiles.End
		want string
	}{
		{"none passed", &profiles.End{Exit: 2}, "No setting keeps the promise"},
		{"undecided", &profiles.End{Exit: 3}, "Cannot tell whether a setting keeps the promise"},
		{"interrupted", nil, "The sweep did not end: nothing is recommended"},
	} {
		p := suiteProfile()
		p.Choices, p.End = nil, c.end
		if page := write(t, "html", p); !strings.Contains(page, c.want) || strings.Contains(page, `class="chosen"`) {
			t.Errorf("%s: no %q, or a chosen row", c.name, c.want)
		}
	}
	empty := suiteProfile()
	empty.Trials, empty.Choices = nil, nil
	if page := write(t, "html", empty); strings.Contains(page, "<svg") {
		t.Error("a chart without trials")
	}
}

// TestCharts: all charts are valid XML and PNG files of the same shape.
func TestCharts(t *testing.T) {
	all := report.Plots(suiteProfile())
	if len(all) < 3 {
		t.Fatalf("%d charts", len(all))
	}
	for _, c := range all {
		dec := xml.NewDecoder(bytes.NewReader(c.Picture.SVG()))
		for {
			if _, err := dec.Token(); err != nil {
				if err.Error() != "EOF" {
					t.Errorf("%s: %v", c.Name, err)
				}
				break
			}
		}
		data, err := c.Picture.PNG(1)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.DecodeConfig(bytes.NewReader(data))
		if err != nil || float64(img.Width) != c.Picture.Width {
			t.Errorf("%s: %d wide, %v", c.Name, img.Width, err)
		}
	}
}

// TestChartsOfExtremes: figures that are zero, equal or missing neither panic nor leave the chart.
func TestChartsOfExtremes(t *testing.T) {
	for _, rate := range []float64{0, 1e-9, 1e12} {
		p := suiteProfile()
		for i := range p.Trials {
			p.Trials[i].Throughput.Value = trial.NumOf(rate)
			p.Trials[i].Verdict.ValueMS = trial.NumOf(rate)
		}
		for _, c := range report.Plots(p) {
			if svg := string(c.Picture.SVG()); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Errorf("%s at %g has a coordinate that is no number", c.Name, rate)
			}
		}
	}
}

// TestPageInChromium opens the page in a browser: it must load nothing and report no error.
func TestPageInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes seconds: make test-long runs it")
	}
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
		}
	}
	if browser == "" {
		t.Skip("no chromium in PATH")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "report.html")
	if err := os.WriteFile(file, []byte(write(t, "html", suiteProfile())), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	netlog := filepath.Join(dir, "net.json")
	c := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(dir, "data"),
		"--enable-logging=stderr", "--log-net-log="+netlog, "--disable-background-networking", "--disable-component-update", "--no-first-run",
		"--virtual-time-budget=2000", "--dump-dom", "file://"+file)
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	if err := c.Run(); err != nil {
		t.Skipf("the browser does not run here: %v\n%s", err, log.String())
	}
	if !strings.Contains(out.String(), "1 worker, batch 1") {
		t.Errorf("the page is not shown:\n%.500s", out.String())
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("message of the page: %s", line)
		}
	}
	net, err := os.ReadFile(netlog)
	if err != nil {
		t.Fatal(err)
	}
	// The browser asks for things by itself; these requests have no origin.
	for _, m := range regexp.MustCompile(`"initiator":"([^"]*)"[^{}]*"url":"(https?:[^"]*)"`).FindAllStringSubmatch(string(net), -1) {
		if m[1] != "not an origin" {
			t.Errorf("the page of %s asks for %s", m[1], m[2])
		}
	}
}
