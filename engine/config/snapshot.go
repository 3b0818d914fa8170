package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Snapshot is one model version of model_snapshot, with which TorchServe restores what it served
// before. Its numbers have priority over those of the archive.
type Snapshot struct {
	Model
	Default bool // the version that requests without one get
}

// snapshotDoc is the JSON of model_snapshot.
type snapshotDoc struct {
	ModelCount int                                   `json:"modelCount"`
	Models     map[string]map[string]snapshotVersion `json:"models"`
}

// snapshotVersion has nil for what is not there.
type snapshotVersion struct {
	DefaultVersion  *bool   `json:"defaultVersion"`
	MarName         *string `json:"marName"`
	MinWorkers      *int    `json:"minWorkers"`
	MaxWorkers      *int    `json:"maxWorkers"`
	BatchSize       *int    `json:"batchSize"`
	MaxBatchDelay   *int    `json:"maxBatchDelay"`
	ResponseTimeout *int    `json:"responseTimeout"`
	StartupTimeout  *int    `json:"startupTimeout"`
	RuntimeType     string  `json:"runtimeType,omitempty"` // only written
}

// missing returns the keys without which TorchServe ends at its start.
func (v snapshotVersion) missing() []string {
	var out []string
	for _, k := range []struct {
		name string
		no   bool
	}{
		{"defaultVersion", v.DefaultVersion == nil},
		{"marName", v.MarName == nil},
		{"minWorkers", v.MinWorkers == nil},
		{"maxWorkers", v.MaxWorkers == nil},
		{"batchSize", v.BatchSize == nil},
		{"maxBatchDelay", v.MaxBatchDelay == nil},
	} {
		if k.no {
			out = append(out, k.name)
		}
	}
	return out
}

func readSnapshot(text string) (snapshotDoc, error) {
	var doc snapshotDoc
	err := json.Unmarshal([]byte(text), &doc)
	return doc, err
}

// versions calls visit for each version, by name and version.
func (d snapshotDoc) versions(visit func(name, version string, v snapshotVersion) error) error {
	for _, name := range slices.Sorted(maps.Keys(d.Models)) {
		for _, version := range slices.Sorted(maps.Keys(d.Models[name])) {
			if err := visit(name, version, d.Models[name][version]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Snapshot reads model_snapshot; nil if the file has none. The versions are in the order of
// their names.
func (f *File) Snapshot() ([]Snapshot, error) {
	l, ok := f.Lookup(keySnapshot)
	if !ok {
		return nil, nil
	}
	doc, err := readSnapshot(l.Value)
	var out []Snapshot
	if err == nil {
		err = doc.versions(func(name, version string, v snapshotVersion) error {
			if m := v.missing(); len(m) > 0 {
				return fmt.Errorf("%s %s has no %s", name, version, strings.Join(m, ", "))
			}
			out = append(out, Snapshot{Default: *v.DefaultVersion, Model: Model{
				Name: name, Version: version, Line: l.Number, MarName: *v.MarName,
				MinWorkers: numberOf(v.MinWorkers), MaxWorkers: numberOf(v.MaxWorkers), BatchSize: numberOf(v.BatchSize),
				MaxBatchDelay: numberOf(v.MaxBatchDelay), ResponseTimeout: numberOf(v.ResponseTimeout), StartupTimeout: numberOf(v.StartupTimeout),
			}})
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", f.From(keySnapshot), keySnapshot, err)
	}
	return out, nil
}

// numberOf returns a number; 0 if it is not there or below.
func numberOf(n *int) int {
	if n == nil {
		return 0
	}
	return max(0, *n)
}

// snapshot reports what TorchServe does with a snapshot that is not as it wrote it.
func (v *checker) snapshot(l Line) {
	doc, err := readSnapshot(l.Value)
	if err != nil {
		v.addf(Refuses, l, "", nil, "", "%v: TorchServe does not start", err)
		return
	}
	count := 0
	_ = doc.versions(func(name, version string, s snapshotVersion) error {
		count++
		v.restored(l, name, version, s)
		return nil
	})
	if doc.ModelCount <= 0 && count > 0 {
		v.addf(Differs, l, "modelCount", editBlock(l, func(t *tree) { t.set("modelCount", strconv.Itoa(len(doc.Models))) }),
			fmt.Sprintf("write \"modelCount\": %d", len(doc.Models)), "not above 0: TorchServe starts without any model")
	}
}

// restored checks one version of a snapshot.
func (v *checker) restored(l Line, name, version string, s snapshotVersion) {
	path := strings.Join([]string{"models", name, version}, ".")
	if m := s.missing(); len(m) > 0 {
		v.addf(Refuses, l, path, nil, "write them", "has no %s: TorchServe ends at its start", strings.Join(m, ", "))
		return
	}
	if v.store != nil {
		a, err := v.store.Archive(*s.MarName)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			v.addf(Refuses, l, path, nil, "", "the model store has no %s: TorchServe ends at its start", *s.MarName)
		case err == nil && (Load{Name: name}).named(a).Version != version:
			v.addf(Differs, l, path, nil, "", "the archive has version %q: the model gets that version", (Load{Name: name}).named(a).Version)
		}
	}
	if *s.MinWorkers < *s.MaxWorkers {
		v.addf(Note, l, path, nil, "", "TorchServe starts %d workers and never adds one by itself: maxWorkers %d only bounds later calls of the management API", *s.MinWorkers, *s.MaxWorkers)
	}
}

// snapshotEffects returns what TorchServe restores.
func (f *File) snapshotEffects(t TorchServe, store Store) []Effect {
	l, _ := f.Lookup(keySnapshot)
	doc, err := readSnapshot(l.Value)
	if err != nil || doc.ModelCount <= 0 {
		return nil
	}
	var out []Effect
	_ = doc.versions(func(name, version string, s snapshotVersion) error {
		a := Archive{Version: version}
		if store != nil && s.MarName != nil {
			if found, err := store.Archive(*s.MarName); err == nil {
				a = found
			}
		}
		a = Load{Name: name}.named(a)
		t.Models = nil // the block does not count
		e := f.effect(t, a)
		for i, v := range e.Values {
			if n := s.number(v.Name); n != nil {
				e.Values[i] = Value{v.Name, strconv.Itoa(*n), f.From(keySnapshot), byArchive}
			} else if v.Name == "responseTimeout" || v.Name == "startupTimeout" {
				e.Values[i] = Value{v.Name, strconv.Itoa(configTimeout), "default", byDefault}
			}
		}
		out = append(out, e)
		return nil
	})
	return out
}

// number returns a number of the version by its name; nil if it is not there.
func (v snapshotVersion) number(name string) *int {
	return map[string]*int{
		"minWorkers": v.MinWorkers, "maxWorkers": v.MaxWorkers, "batchSize": v.BatchSize, "maxBatchDelay": v.MaxBatchDelay,
		"responseTimeout": v.ResponseTimeout, "startupTimeout": v.StartupTimeout,
	}[name]
}
