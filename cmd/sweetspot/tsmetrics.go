package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"sweetspot/engine/api/metrics"
	"sweetspot/engine/config"
	"sweetspot/engine/server"
)

// metricsOf returns which metrics there are by a config.properties and its metrics.yaml. What is
// not as the files say is logged.
func metricsOf(file *config.File, t config.Metrics, log *slog.Logger) (server.MetricsWith, error) {
	out := server.MetricsWith{NoSystem: t.NoSystem, Interval: time.Duration(t.Interval) * time.Second}
	if t.Config == "" {
		return out, nil
	}
	data, err := os.ReadFile(t.Config)
	if err != nil {
		return out, fmt.Errorf("%s: metrics_config: %w", file.From("metrics_config"), err)
	}
	list, err := config.ParseMetrics(t.Config, data)
	if err != nil {
		return out, err
	}
	var named []metrics.Named
	for _, m := range list {
		labels := slices.Clone(m.Dimensions)
		if m.Model && !slices.Contains(labels, "Hostname") {
			labels = append(labels, "Hostname") // as TorchServe
		}
		named = append(named, metrics.Named{Name: m.Name, Counter: m.Kind == "counter", Unit: m.Unit, Labels: labels, From: fmt.Sprintf("%s:%d", t.Config, m.Line)})
	}
	var warnings []string
	out.Selection, warnings = metrics.Select(named)
	for _, w := range warnings {
		log.Warn(w)
	}
	return out, nil
}
