package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Store knows the archives of a model store. Archive returns the name and the version that an
// archive has, and the text of its model-config.yaml; nil is none.
//
// An error that wraps fs.ErrNotExist says that there is no such archive. Archives returns the
// files that load_models=all loads.
type Store interface {
	Archive(file string) (Archive, error)
	Archives() ([]string, error)
}

// Archive is what decides about the settings of an archive's model.
type Archive struct {
	Name, Version string
	Config        []byte
	ConfigName    string
}

// across reports what several keys together do.
func (v *checker) across() {
	v.addresses()
	v.openRegistration()
	v.queue()
	v.envelope()
	v.launcher()
	if l, ok := v.lookup(keySnapshot); ok {
		if load, both := v.lookup(keyLoadModels); both {
			v.addf(Differs, load, "", outOfForce(load), "remove it, or model_snapshot",
				"TorchServe ignores it, because line %d has model_snapshot", l.Number)
		}
		if block, both := v.lookup(keyModels); both {
			v.addf(Note, block, "", nil, "", "it counts only for models that are registered later, because line %d has model_snapshot", l.Number)
		}
		return
	}
	v.unmatched()
	v.versions()
}

// addresses reports a shared listener, and a management API for everybody.
func (v *checker) addresses() {
	inference, management := v.t.InferenceAddress, v.t.ManagementAddress
	l, ok := v.lookup(keyManagement)
	if !ok {
		return
	}
	if inference == management && inference != "" {
		v.addf(Note, l, "", nil, "", "the same as inference_address: one listener for both, where tokens of the management API are refused while tokens are on")
	}
	if host := hostOf(management); host == "0.0.0.0" || host == "[" {
		v.addf(Note, l, "", nil, "", "everybody who reaches this machine reaches the management API; 127.0.0.1 is safe")
	}
}

func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, ":")
	return host
}

// openRegistration reports that any URL can be registered.
func (v *checker) openRegistration() {
	api, ok := v.lookup(keyModelAPI)
	if _, limited := v.lookup(keyAllowedURLs); ok && !limited && strings.EqualFold(api.Value, "true") {
		v.addf(Note, api, "", nil, "", "without allowed_urls a model from any URL can be registered, and its code runs")
	}
}

// queue reports a queue that cannot fill a batch.
func (v *checker) queue() {
	l, ok := v.lookup(keyQueueSize)
	if !ok || v.t.QueueSize == 0 {
		return
	}
	largest := 0
	for _, m := range v.t.Models {
		largest = max(largest, m.BatchSize)
	}
	if v.t.QueueSize < largest {
		v.addf(Hinders, l, "", setPair(l, strconv.Itoa(largest)), fmt.Sprintf("write %d or more", largest),
			"the queue holds %d requests, fewer than a batch of %d: more are refused with 503 while a batch forms", v.t.QueueSize, largest)
	}
}

// envelope reports an envelope that takes one request a batch.
func (v *checker) envelope() {
	l, ok := v.lookup(keyEnvelope)
	if !ok || l.Value != "kserve" && l.Value != "kservev2" {
		return
	}
	for _, m := range v.t.Models {
		if m.BatchSize > 1 {
			v.addf(Hinders, l, "", nil, "write batchSize 1, or another envelope", "this envelope uses only the first request of a batch, and %s has batchSize %d: the others fail", m.Name, m.BatchSize)
			return
		}
	}
}

// unmatched reports entries of the block that belong to no loaded model.
func (v *checker) unmatched() {
	if len(v.t.Models) == 0 {
		return
	}
	l, _ := v.lookup(keyModels)
	_, hasLoads := v.lookup(keyLoadModels)
	if len(v.t.LoadModels) == 0 && !v.t.LoadAll {
		var fix func() []edit
		if entry := v.entries(); entry != "" && !hasLoads {
			fix = func() []edit { return []edit{{l.Number, l.Number - 1, []string{keyLoadModels + "=" + entry}}} }
		}
		v.add(Differs, v.t.Models[0].Line, keyModels, "the block loads nothing, and its settings apply to nothing that is loaded at the start", "name the archives in load_models", fix)
		return
	}
	if v.t.LoadAll || v.store != nil {
		return // the archives say it: see versions
	}
	for _, m := range v.t.Models {
		found := slices.ContainsFunc(v.t.LoadModels, func(l Load) bool {
			return l.Name == m.Name || l.Name == "" && stem(l.File) == m.Name
		})
		if !found {
			v.find(l, m.Line, Differs, m, "", fmt.Sprintf("load_models loads no %q, so its settings apply to nothing", m.Name), "", nil)
		}
	}
}

// entries returns a load_models for the archives that the block names.
func (v *checker) entries() string {
	var out []string
	for _, m := range v.t.Models {
		if m.MarName == "" || strings.ContainsAny(m.MarName+m.Name, ",= ") {
			return ""
		}
		out = append(out, m.Name+"="+m.MarName)
	}
	return strings.Join(out, ",")
}

// versions compares the block with the archives that are loaded.
func (v *checker) versions() {
	if v.store == nil {
		return
	}
	l, _ := v.lookup(keyModels)
	loads, _ := v.lookup(keyLoadModels)
	matched := map[int]bool{}
	unknown := false
	for _, load := range v.t.loads(v.store) {
		a, err := v.store.Archive(load.File)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			v.addf(Differs, loads, "", nil, "", "the model store has no %s: TorchServe starts without it", load.File)
		case err != nil:
			v.addf(Note, loads, "", nil, "", "%s: %v: what is in it was not compared", load.File, err)
		}
		if err != nil {
			unknown = true
			continue
		}
		v.match(l, load.named(a), matched)
	}
	for i, m := range v.t.Models {
		if !matched[i] && !unknown {
			v.find(l, m.Line, Differs, m, "", fmt.Sprintf("load_models loads no %q, so its settings apply to nothing", m.Name), "", nil)
		}
	}
}

// named returns the archive with the name and version that its model gets.
func (l Load) named(a Archive) Archive {
	switch {
	case l.Name != "":
		a.Name = l.Name
	case a.Name == "":
		a.Name = stem(path.Base(l.File))
	}
	if a.Version == "" {
		a.Version = "1.0"
	}
	return a
}

// match finds the entries of one archive, and reports those of another version.
func (v *checker) match(l Line, a Archive, matched map[int]bool) {
	var others []int
	for i, m := range v.t.Models {
		switch {
		case m.Name == a.Name && m.Version == a.Version:
			matched[i] = true
			v.overruled(l, m, a)
			return
		case m.Name == a.Name:
			others = append(others, i)
		}
	}
	for _, i := range others {
		m := v.t.Models[i]
		matched[i] = true
		var fix func() []edit
		if len(others) == 1 {
			fix = editBlock(l, func(t *tree) {
				if name := t.at(m.Name); name != nil {
					name.rename(m.Version, a.Version)
				}
			})
		}
		v.add(Differs, m.Line, strings.Join([]string{keyModels, m.Name, m.Version}, "."),
			fmt.Sprintf("the archive has version %q, so TorchServe ignores this entry without a message: it compares the text", a.Version),
			fmt.Sprintf("write %q", a.Version), fix)
	}
}

// overruled reports values of the block that the model-config.yaml of the archive overrules.
func (v *checker) overruled(l Line, m Model, a Archive) {
	if a.Config == nil {
		return
	}
	c, _, err := ParseModelConfig(a.ConfigName, a.Config)
	if err != nil {
		return // TorchServe ignores such a file
	}
	for _, key := range numberFields {
		if ours, theirs := *m.field(key), c.over(key); ours > 0 && theirs > 0 && ours != theirs {
			v.find(l, m.Line, Differs, m, key, fmt.Sprintf("%s in the archive has priority: %d, not %d", a.ConfigName, theirs, ours),
				"change the archive, or write the same here", func(t *tree) { t.set(key, strconv.Itoa(theirs)) })
		}
	}
}
