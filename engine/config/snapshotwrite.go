package config

import (
	"encoding/json"
	"time"
)

// WithSnapshot returns the pairs in force of f with a model_snapshot of these versions, as
// TorchServe writes it: a server that starts with the file restores them.
func (f *File) WithSnapshot(name string, created time.Time, versions []Snapshot) (*File, error) {
	doc := struct {
		Name       string                                `json:"name"`
		ModelCount int                                   `json:"modelCount"`
		Created    int64                                 `json:"created"` // Unix ms
		Models     map[string]map[string]snapshotVersion `json:"models"`
	}{name, 0, created.UnixMilli(), map[string]map[string]snapshotVersion{}}
	for _, v := range versions {
		if doc.Models[v.Name] == nil {
			doc.Models[v.Name] = map[string]snapshotVersion{}
		}
		doc.Models[v.Name][v.Version] = snapshotVersion{
			DefaultVersion: &v.Default, MarName: &v.MarName, MinWorkers: &v.MinWorkers, MaxWorkers: &v.MaxWorkers,
			BatchSize: &v.BatchSize, MaxBatchDelay: &v.MaxBatchDelay, ResponseTimeout: &v.ResponseTimeout, StartupTimeout: &v.StartupTimeout,
			RuntimeType: "python", // of the handler that an archive has for TorchServe
		}
	}
	doc.ModelCount = len(versions) // as TorchServe counts
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	out := &File{Name: name}
	inForce := f.inForce()
	for i, l := range f.Lines {
		if l.Kind == Pair && inForce[l.Key] == i && l.Key != keySnapshot {
			out.Set(l.Key, l.Value)
		}
	}
	out.Set(keySnapshot, string(text))
	return out, nil
}
