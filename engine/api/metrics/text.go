package metrics

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"sweetspot/engine/api/wire"
)

// contentType is that of the text format.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// scrape answers GET /metrics in the text format, whatever else the scraper knows.
func (h *Handler) scrape(w http.ResponseWriter, r *http.Request) {
	c := &collector{Config: h.cfg, only: r.URL.Query()["name[]"], order: map[string][]string{}}
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		wire.Fail(w, err)
		return
	}
	wire.SetHeaders(w.Header(), string(wire.AppendID(nil)))
	w.Header().Set("Content-Type", contentType)
	out := io.Writer(w)
	if acceptsGzip(r.Header) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close() //nolint:errcheck // the client has left
		out = z
	}
	for _, f := range families {
		if order := c.order[f.GetName()]; order != nil {
			_, err = io.WriteString(out, javaText(f, order))
		} else {
			_, err = expfmt.MetricFamilyToText(out, f)
		}
		if err != nil {
			return // the client has left
		}
	}
}

// acceptsGzip reports whether the answer may be compressed.
func acceptsGzip(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == "gzip" {
			quality, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			return !ok || strings.Trim(quality, "0.") != ""
		}
	}
	return false
}

// javaText returns counters or gauges as the Java client of TorchServe writes them: the labels in
// their own order, a comma after each, and a point in each number. To a parser it is the same, but
// not to the many scripts that search in the text.
func javaText(f *dto.MetricFamily, order []string) string {
	var b strings.Builder
	b.WriteString("# HELP " + f.GetName() + " " + f.GetHelp() + "\n")
	b.WriteString("# TYPE " + f.GetName() + " " + strings.ToLower(f.GetType().String()) + "\n")
	for _, m := range f.GetMetric() {
		b.WriteString(f.GetName() + "{")
		labels := slices.Clone(m.GetLabel())
		slices.SortFunc(labels, func(x, y *dto.LabelPair) int {
			return slices.Index(order, x.GetName()) - slices.Index(order, y.GetName())
		})
		for _, l := range labels {
			b.WriteString(l.GetName() + `="` + labelEscapes.Replace(l.GetValue()) + `",`)
		}
		v := m.GetGauge().GetValue()
		if m.GetCounter() != nil {
			v = m.GetCounter().GetValue()
		}
		b.WriteString("} " + javaDouble(v) + "\n")
	}
	return b.String()
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
