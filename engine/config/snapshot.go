package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Snapshot is one model version of model_snapshot, with which TorchServe restores what it served
// before. Its numbers have priority over those of the archive.
type Snapshot struct {
	Model
	Default bool // the version that requests without one get
}

// Snapshot reads model_snapshot; nil if the file has none. The versions are in the order of
// their names.
func (f *File) Snapshot() ([]Snapshot, error) {
	l, ok := f.Lookup(keySnapshot)
	if !ok {
		return nil, nil
	}
	var doc struct {
		Models map[string]map[string]struct {
			DefaultVersion  bool   `json:"defaultVersion"`
			MarName         string `json:"marName"`
			MinWorkers      int    `json:"minWorkers"`
			MaxWorkers      int    `json:"maxWorkers"`
			BatchSize       int    `json:"batchSize"`
			MaxBatchDelay   int    `json:"maxBatchDelay"`
			ResponseTimeout int    `json:"responseTimeout"`
			StartupTimeout  int    `json:"startupTimeout"`
		} `json:"models"`
	}
	if err := json.Unmarshal([]byte(l.Value), &doc); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", f.From(keySnapshot), keySnapshot, err)
	}
	var out []Snapshot
	for _, name := range slices.Sorted(maps.Keys(doc.Models)) {
		for _, version := range slices.Sorted(maps.Keys(doc.Models[name])) {
			v := doc.Models[name][version]
			if v.MarName == "" {
				return nil, fmt.Errorf("%s: %s: %s %s has no marName", f.From(keySnapshot), keySnapshot, name, version)
			}
			out = append(out, Snapshot{Default: v.DefaultVersion, Model: Model{
				Name: name, Version: version, Line: l.Number, MarName: v.MarName,
				MinWorkers: max(0, v.MinWorkers), MaxWorkers: max(0, v.MaxWorkers), BatchSize: max(0, v.BatchSize), MaxBatchDelay: max(0, v.MaxBatchDelay),
				ResponseTimeout: max(0, v.ResponseTimeout), StartupTimeout: max(0, v.StartupTimeout),
			}})
		}
	}
	return out, nil
}
