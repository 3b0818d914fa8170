package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"sweetspot/engine/archive"
	"sweetspot/engine/config"
)

// Archive is the kind of a model archive; it is not among [Kinds], because it is no text.
const Archive Kind = "model archive"

// stockHandlers are TorchServe's own; an archive need not have their files.
var stockHandlers = strings.Fields("base_handler text_classifier image_classifier object_detector image_segmenter dali_image_classifier vllm_handler trt_llm_handler")

// RunArchive checks what TorchServe does with an archive: its manifest and its model-config.yaml.
// Nothing of it can be fixed in place.
func RunArchive(a *archive.Archive) Report {
	r := Report{File: a.Path, Kind: Archive, Findings: []config.Finding{}}
	r.manifest(a)
	name := a.Path + ": " + a.Manifest.Model.Config
	if a.Config == nil {
		r.Effects = []config.Effect{config.ConfigEffect(name, nil)}
	} else if inner, err := Run(name, a.Config, Options{Kind: ModelConfig}); err == nil {
		for _, f := range inner.Findings {
			r.Findings = append(r.Findings, config.NewFinding(f.File, f.Line, f.Key, f.Severity, f.Does, f.Write))
		}
		r.Effects = inner.Effects
	}
	for i := range r.Effects {
		r.Effects[i].Model, r.Effects[i].Version = a.Manifest.Model.Name, a.Manifest.Model.Version
	}
	return r
}

// manifest checks what the worker of TorchServe needs.
func (r *Report) manifest(a *archive.Archive) {
	m := a.Manifest.Model
	add := func(s config.Severity, key, write, format string, args ...any) {
		r.Findings = append(r.Findings, config.NewFinding(a.Path+": "+archive.ManifestFile, 1, key, s, fmt.Sprintf(format, args...), write))
	}
	file, _, _ := strings.Cut(m.Handler, ":")
	stock := slices.Contains(stockHandlers, strings.TrimSuffix(path.Base(file), ".py"))
	ext := strings.ToLower(path.Ext(m.Serialized))
	switch {
	case m.Handler == "":
		add(config.Refuses, "handler", "name a handler", "not there: the worker fails, unless config.properties has default_service_handler")
	case !stock && !hasModule(a, file):
		add(config.Refuses, "handler", "pack the file", "the archive has no %s: the worker fails", file)
	case stock && ext == ".onnx":
		add(config.Refuses, "handler", "pack the model with: sweetspot archive", "TorchServe's own handlers load an ONNX model and cannot run it: every request gets 503")
	case stock && m.File == "" && !slices.Contains([]string{".pt", ".onnx", ".so"}, ext):
		add(config.Refuses, "serializedFile", "write a TorchScript file .pt, or a modelFile", "%q without a modelFile: the worker fails with \"No model weights could be loaded\"", m.Serialized)
	}
	if m.Serialized != "" && !slices.ContainsFunc(a.Files, func(f archive.File) bool { return f.Name == path.Base(m.Serialized) }) {
		add(config.Refuses, "serializedFile", "pack the file", "the archive has no %s: the worker fails", m.Serialized)
	}
	if m.Name == "" {
		add(config.Note, "modelName", "", "not there: the model is called as the file")
	}
	if m.Requirements != "" {
		add(config.Note, "requirementsFile", "", "counts only if config.properties has install_py_dep_per_model=true")
	}
}

// hasModule reports whether the archive has the Python file or package of a handler.
func hasModule(a *archive.Archive, file string) bool {
	name := strings.TrimSuffix(path.Base(file), ".py")
	return slices.ContainsFunc(a.Files, func(f archive.File) bool { return f.Name == name+".py" || f.Name == name+"/__init__.py" })
}
