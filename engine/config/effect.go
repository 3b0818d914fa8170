package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
)

// Effect is what TorchServe serves a model version with.
type Effect struct {
	Model   string  `json:"model"`
	Version string  `json:"version"`
	Values  []Value `json:"values"`
}

// Value is a value in force. Names are those of TorchServe's describe answer, and jobQueueSize.
type Value struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // file and line, or why it is so

	origin origin
}

// origin is the kind of place of a value.
type origin uint8

const (
	byDefault origin = iota
	byServer         // a key of config.properties for all models
	byBlock          // the model's entry in the block
	byArchive        // the model-config.yaml of the archive
)

// DefaultWorkers is the value of workers that are nowhere set.
const DefaultWorkers = "one for each GPU, or for each core"

// Effects returns what TorchServe does with the models that it loads at its start. Of an
// archive that store does not have, it takes the block's version and no model-config.yaml. It
// returns nothing if models are restored from a snapshot.
func (f *File) Effects(t TorchServe, store Store) []Effect {
	if _, ok := f.Lookup(keySnapshot); ok {
		return f.snapshotEffects(t, store)
	}
	var out []Effect
	for _, l := range t.loads(store) {
		a, err := Archive{}, error(nil)
		if store != nil {
			a, err = store.Archive(l.File)
		}
		a = l.named(a)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is not loaded
		}
		if store == nil || err != nil {
			if i := slices.IndexFunc(t.Models, func(m Model) bool { return m.Name == a.Name }); i >= 0 {
				a.Version = t.Models[i].Version
			}
		}
		out = append(out, f.effect(t, a))
	}
	return out
}

// loads returns the archives that are loaded; with load_models=all those of the store, or else
// of the block.
func (t TorchServe) loads(store Store) []Load {
	if !t.LoadAll {
		return t.LoadModels
	}
	var out []Load
	if store != nil {
		files, err := store.Archives()
		for _, f := range files {
			out = append(out, Load{File: f})
		}
		if err == nil {
			return out
		}
	}
	for _, m := range t.Models {
		if m.MarName != "" {
			out = append(out, Load{File: m.MarName})
		} else {
			out = append(out, Load{Name: m.Name, File: m.Name + ".mar"})
		}
	}
	return out
}

// source is one place of a value. A number of 0 is none.
type source struct {
	n      int
	from   string
	origin origin
}

// first returns the first source that has a number.
func first(name string, all ...source) Value {
	for _, s := range all {
		if s.n > 0 {
			return Value{name, strconv.Itoa(s.n), s.from, s.origin}
		}
	}
	return Value{name, DefaultWorkers, "default", byDefault}
}

// effect returns the values of one archive.
func (f *File) effect(t TorchServe, a Archive) Effect {
	m, inBlock := t.Model(a.Name, a.Version)
	block := func(n int) source { return source{n, fmt.Sprintf("%s:%d", f.Name, m.Line), byBlock} }
	if !inBlock {
		block = func(int) source { return source{} }
	}
	key := func(name string, n int) source { return source{n, f.From(name), byServer} }
	var c ModelConfig
	hasFile := false
	if a.Config != nil {
		read, _, err := ParseModelConfig(a.ConfigName, a.Config)
		if c, hasFile = read, err == nil; !hasFile {
			c = ModelConfig{}
		}
	}
	file := func(n int) source { return source{n, a.ConfigName, byArchive} }
	low, high, ok := c.Workers()
	if !ok {
		low, high = 0, 0
	}
	workers := key(keyDefaultWorkers, t.DefaultWorkers)
	out := Effect{Model: a.Name, Version: a.Version, Values: []Value{
		first("minWorkers", file(low), block(m.MinWorkers), workers),
		first("maxWorkers", file(high), block(m.MaxWorkers), workers),
		first("batchSize", file(c.BatchSize), block(m.BatchSize), source{1, "default", byDefault}),
		first("maxBatchDelay", file(c.MaxBatchDelay), block(m.MaxBatchDelay), source{100, "default", byDefault}),
		first("responseTimeout", file(c.ResponseTimeout), block(m.ResponseTimeout), key(keyResponseTimeout, t.ResponseTimeout), source{configTimeout, "default", byDefault}),
		first("startupTimeout", file(c.StartupTimeout), block(m.StartupTimeout), key(keyStartupTimeout, t.StartupTimeout), source{configTimeout, "default", byDefault}),
		first("jobQueueSize", file(c.JobQueueSize), key(keyQueueSize, t.QueueSize), source{100, "default", byDefault}),
	}}
	if hasFile && c.DeviceType != "" {
		device := Value{"deviceType", c.DeviceType, a.ConfigName, byArchive}
		if c.DeviceType == "gpu" {
			device.Value = "gpu, or cpu without one"
		}
		out.Values = append(out.Values, device)
	}
	return out
}

// ConfigEffect returns what TorchServe serves an archive with this model-config.yaml with, if
// config.properties says nothing about it.
func ConfigEffect(name string, data []byte) Effect {
	f := &File{Name: "config.properties"}
	return f.effect(TorchServe{}, Archive{Version: "1.0", Config: data, ConfigName: name})
}

// Number returns a number in force; ok is false if it is not set anywhere, such as the workers.
func (e Effect) Number(name string) (n int, ok bool) {
	for _, v := range e.Values {
		if v.Name == name {
			n, err := strconv.Atoi(v.Value)
			return n, err == nil
		}
	}
	return 0, false
}

// EffectOf returns what TorchServe serves an archive with. file is as in load_models.
func (f *File) EffectOf(t TorchServe, name string, a Archive) Effect {
	return f.effect(t, Load{Name: name, File: a.Name}.named(a))
}

// Set returns a number that a file or the command line sets; ok is false if it is a default.
func (e Effect) Set(name string) (n int, ok bool) { return e.from(name, byServer) }

// Own returns a number that has priority over what a registration says: of the workers that of
// the archive, of the timeouts also that of the block.
func (e Effect) Own(name string) (n int, ok bool) {
	if name == "minWorkers" || name == "maxWorkers" {
		return e.from(name, byArchive)
	}
	return e.from(name, byBlock)
}

// from returns a number whose place is of this kind or one with more priority.
func (e Effect) from(name string, least origin) (n int, ok bool) {
	for _, v := range e.Values {
		if v.Name == name && v.origin < least {
			return 0, false
		}
	}
	return e.Number(name)
}

// Restore sets the numbers of a snapshot, which have priority.
func (e *Effect) Restore(m Model) {
	for i, v := range e.Values {
		n := 0
		if dst := m.field(v.Name); dst != nil {
			n = *dst
		}
		if n > 0 {
			e.Values[i] = Value{v.Name, strconv.Itoa(n), keySnapshot, byArchive}
		}
	}
}
