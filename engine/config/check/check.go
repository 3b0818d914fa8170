// Package check says what a server really does with a configuration file, line by line.
//
// [Run] recognizes TorchServe's config.properties and model-config.yaml and Triton's
// config.pbtxt by their content and returns a [Report]: the findings, each with what the server
// does and what to write instead, and the values that are in force. [Fix] writes what the
// findings say and changes no other line. The files are untrusted input: any bytes give a
// report or an error that names file and line.
package check

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"sweetspot/engine/config"
)

// Kind is a kind of file.
type Kind string

// The kinds.
const (
	Properties  Kind = "config.properties"
	ModelConfig Kind = "model-config.yaml"
	Triton      Kind = "config.pbtxt"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Properties, ModelConfig, Triton} }

// maxFile is the largest file that is read: each kind is a page of text.
const maxFile = 256 << 10

// Report is what a server does with a file.
type Report struct {
	File     string           `json:"file"`
	Kind     Kind             `json:"kind"`
	Findings []config.Finding `json:"findings"`
	Effects  []config.Effect  `json:"effects,omitempty"` // of TorchServe's files, unless the server does not start
}

// Clean reports whether there is nothing to change.
func (r Report) Clean() bool { return r.worst() == config.Note }

// Starts reports whether the server takes the file.
func (r Report) Starts() bool { return r.worst() < config.Refuses }

func (r Report) worst() config.Severity {
	worst := config.Note
	for _, f := range r.Findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

// Options of a check.
type Options struct {
	Kind  Kind         // "" is recognized
	Store config.Store // the archives of load_models; nil is unknown
	// Folder is the name of the folder of a config.pbtxt, which is the name of its model; "" is
	// unknown.
	Folder string
}

// Run checks a file. name is for messages, and its end tells the kind.
func Run(name string, data []byte, o Options) (Report, error) {
	r := Report{File: name, Kind: o.Kind}
	if len(data) > maxFile {
		return r, fmt.Errorf("%s: %d bytes, expected at most %d", name, len(data), maxFile)
	}
	if bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		return r, fmt.Errorf("%s is an archive and no configuration; its model-config.yaml can be checked", name)
	}
	if r.Kind == "" {
		r.Kind = recognize(name, data)
	}
	var err error
	switch r.Kind {
	case Properties:
		err = r.properties(data, o.Store)
	case ModelConfig:
		r.modelConfig(data)
	case Triton:
		r.triton(data, o.Folder)
	default:
		err = fmt.Errorf("kind %q: want %s", r.Kind, joinKinds())
	}
	if r.Findings == nil {
		r.Findings = []config.Finding{} // an empty list in JSON
	}
	return r, err
}

func joinKinds() string {
	var out []string
	for _, k := range Kinds() {
		out = append(out, string(k))
	}
	return strings.Join(out, ", ")
}

// recognize tells the kind by the name, else by the first line that says something.
func recognize(name string, data []byte) Kind {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".properties", ".cfg":
		return Properties
	case ".yaml", ".yml":
		return ModelConfig
	case ".pbtxt", ".prototxt", ".textproto":
		return Triton
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		before, after, colon := strings.Cut(line, ":")
		isKey := slices.ContainsFunc(config.Keys(), func(k config.Key) bool { return k.Name == strings.TrimSpace(before) })
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case isKey:
			return Properties
		case strings.Contains(line, "{") && !strings.Contains(line, "=") || strings.Contains(line, "["),
			slices.Contains([]string{"name", "backend", "platform", "max_batch_size"}, strings.TrimSpace(before)):
			return Triton
		case colon && !strings.Contains(before, "=") && !strings.HasPrefix(after, "//"):
			return ModelConfig
		}
		break
	}
	return Properties
}

func (r *Report) properties(data []byte, store config.Store) error {
	f, err := config.Parse(r.File, data)
	if err != nil {
		for text := range strings.SplitSeq(err.Error(), "\n") {
			r.Findings = append(r.Findings, fromError(r.File, text, "TorchServe does not start"))
		}
		return nil
	}
	t, list := f.Check(store)
	r.Findings = list
	if r.Starts() {
		r.Effects = f.Effects(t, store)
	}
	return nil
}

func (r *Report) modelConfig(data []byte) {
	_, list, err := config.ParseModelConfig(r.File, data)
	if err != nil {
		r.Findings = []config.Finding{fromError(r.File, err.Error(), "TorchServe ignores the whole file, and its worker fails")}
		return
	}
	r.Findings, r.Effects = list, []config.Effect{config.ConfigEffect(r.File, data)}
}

// fromError makes a finding of an error text that begins with file:line.
func fromError(file, text, does string) config.Finding {
	n := 1
	if rest, ok := strings.CutPrefix(text, file+":"); ok {
		if _, err := fmt.Sscanf(rest, "%d:", &n); err == nil {
			_, text, _ = strings.Cut(rest, ":")
		}
	}
	return config.Finding{File: file, Line: n, Severity: config.Refuses, Does: strings.TrimSpace(text) + ": " + does}
}

// Fix returns data with all fixes, and how many. It applies one after the other and checks
// again, because a fix may change what the next one sees.
func Fix(name string, data []byte, o Options) (fixed []byte, n int, err error) {
	r, err := Run(name, data, o)
	if err != nil {
		return data, 0, err
	}
	for most := 4*len(r.Findings) + 4; n < most; n++ {
		next, after := fixOne(r, data, o)
		if next == nil {
			break
		}
		data, r = next, after
	}
	return data, n, nil
}

// fixOne applies the first fix that changes something, and after which the server takes the
// file if it did before: a name that was ignored has a value that nobody has read yet. It
// returns nil if there is none.
func fixOne(r Report, data []byte, o Options) ([]byte, Report) {
	o.Kind = r.Kind
	for _, f := range r.Findings {
		if !f.Fixable || f.Severity == config.Note {
			continue
		}
		next := f.Fix(data)
		if bytes.Equal(next, data) {
			continue
		}
		if after, err := Run(r.File, next, o); err == nil && after.worst() <= r.worst() {
			return next, after
		}
	}
	return nil, r
}
