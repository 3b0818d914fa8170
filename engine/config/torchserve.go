package config

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
)

// TorchServe has the values of a config.properties that this project uses. Empty and 0 mean
// not set.
type TorchServe struct {
	InferenceAddress  string // URL, such as http://127.0.0.1:8080
	ManagementAddress string
	MetricsAddress    string

	GRPCInferencePort  int
	GRPCManagementPort int

	ModelStore string // folder of the archives
	LoadAll    bool   // load_models=all
	LoadModels []Load
	Models     []Model // in the file's order

	DefaultWorkers  int  // workers of a model that is not in the block
	QueueSize       int  // jobs that may wait, per model version
	NumberOfGPU     *int // upper bound; 0 forces the CPU; nil is all
	ResponseTimeout int  // s
	MaxRequestSize  int  // bytes of the body of a request
}

// Load is one entry of load_models.
type Load struct {
	Name string // "" when the archive names its model
	File string // in the model store, or a URL
}

// Model returns the block's entry for a model version.
func (t TorchServe) Model(name, version string) (Model, bool) {
	for _, m := range t.Models {
		if m.Name == name && m.Version == version {
			return m, true
		}
	}
	return Model{}, false
}

// checker collects the warnings and errors of a file.
type checker struct {
	file     string
	warnings []string
	errs     []error
}

func (v *checker) warn(line int, format string, a ...any) {
	v.warnings = append(v.warnings, fmt.Sprintf("%s:%d: %s", v.file, line, fmt.Sprintf(format, a...)))
}

func (v *checker) fail(line int, format string, a ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s:%d: %s", v.file, line, fmt.Sprintf(format, a...)))
}

// TorchServe reads the file as TorchServe does. The error joins the errors of all values that
// TorchServe would refuse. The warnings are about values that it would understand
// differently than they look. Each starts with file:line.
func (f *File) TorchServe() (TorchServe, []string, error) {
	v := &checker{file: f.Name}
	var t TorchServe
	inForce := map[string]int{} // index of the last pair, by key
	for i, l := range f.Lines {
		if l.Kind == Pair {
			inForce[l.Key] = i
		}
	}
	for i, l := range f.Lines {
		if l.Kind != Pair {
			continue
		}
		if last := inForce[l.Key]; last > i {
			v.warn(l.Number, "%s: overridden by line %d; the last one wins", l.Key, f.Lines[last].Number)
			continue
		}
		v.checkPair(l)
		v.readPair(&t, l)
	}
	v.warnUnmatched(t, f)
	return t, v.warnings, errors.Join(v.errs...)
}

// readPair reads one pair into t.
func (v *checker) readPair(t *TorchServe, l Line) {
	switch l.Key {
	case keyInference:
		t.InferenceAddress = l.Value
	case keyManagement:
		t.ManagementAddress = l.Value
	case keyMetrics:
		t.MetricsAddress = l.Value
	case keyModelStore:
		t.ModelStore = l.Value
	case keyLoadModels:
		t.LoadAll, t.LoadModels = v.loadModels(l)
	case keyModels:
		t.Models = v.models(l)
	case keyGRPCInference:
		t.GRPCInferencePort = v.number(l, 1, 65535)
	case keyGRPCManagement:
		t.GRPCManagementPort = v.number(l, 1, 65535)
	case keyDefaultWorkers:
		t.DefaultWorkers = v.number(l, 0, math.MaxInt32)
		if t.DefaultWorkers == 0 {
			v.warn(l.Number, "%s: 0 is not set: one worker for each GPU, or for each core", l.Key)
		}
	case keyQueueSize:
		t.QueueSize = v.number(l, 1, math.MaxInt32)
	case keyResponseTimeout:
		t.ResponseTimeout = v.number(l, 0, math.MaxInt32)
	case keyMaxRequestSize:
		t.MaxRequestSize = v.number(l, 1, math.MaxInt32)
	case keyNumberOfGPU:
		n := v.number(l, 0, math.MaxInt32)
		t.NumberOfGPU = &n
	default:
		if slices.Contains(numberKeys, l.Key) {
			v.number(l, math.MinInt32, math.MaxInt32)
		}
	}
}

// number reads an int. It ignores trailing blanks with a warning; TorchServe does not.
func (v *checker) number(l Line, low, high int64) int {
	text := strings.TrimSpace(l.Value)
	if text != l.Value {
		v.warn(l.Number, "%s: %q ends in blanks, which belong to the value: TorchServe will not start; remove them", l.Key, l.Value)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		v.fail(l.Number, "%s: %q is not a whole number%s", l.Key, l.Value, inlineHint(l.Value))
	case n < low || n > high:
		v.fail(l.Number, "%s: %d is outside %d-%d", l.Key, n, low, high)
	default:
		return int(n)
	}
	return 0
}

// checkPair checks a pair without the meaning of its value.
func (v *checker) checkPair(l Line) {
	switch {
	case !isKnown(l.Key):
		v.warn(l.Number, "%s: unknown key, which TorchServe ignores%s", l.Key, suggest(l.Key))
		return
	case slices.Contains(booleanKeys, l.Key):
		if !strings.EqualFold(l.Value, "true") && !strings.EqualFold(l.Value, "false") {
			v.warn(l.Number, "%s: %q reads as false; want true or false%s", l.Key, l.Value, inlineHint(l.Value))
		}
	case slices.Contains(textKeys, l.Key):
		if inlineHint(l.Value) != "" {
			v.warn(l.Number, "%s: %q%s", l.Key, l.Value, inlineHint(l.Value))
		} else if strings.TrimRight(l.Value, " \t") != l.Value {
			v.warn(l.Number, "%s: %q ends in blanks, which belong to the value; remove them", l.Key, l.Value)
		}
	}
	if strings.Count(l.Value, "$$") >= 2 {
		v.warn(l.Number, "%s: $$NAME$$ is not replaced here; TorchServe replaces it with the environment variable NAME", l.Key)
	}
}

// inlineHint explains a # within a value; empty if there is none.
func inlineHint(value string) string {
	if i := strings.IndexByte(value, '#'); i > 0 && (value[i-1] == ' ' || value[i-1] == '\t') {
		return "; a comment needs a line of its own: here it is part of the value"
	}
	return ""
}

// suggest suggests a key that is similar. It does not list all keys, which would hide the
// message.
func suggest(key string) string {
	if _, near := knob.Nearest(key, knownKeys()); !near {
		return ""
	}
	return knob.Suggest(key, knownKeys())
}

// loadModels reads load_models.
func (v *checker) loadModels(l Line) (all bool, out []Load) {
	if strings.EqualFold(l.Value, "all") {
		return true, nil
	}
	for part := range strings.SplitSeq(l.Value, ",") {
		part = strings.TrimSpace(part)
		name, file, named := strings.Cut(part, "=")
		if !named {
			name, file = "", part
		}
		switch {
		case part == "":
			continue
		case file == "" || named && name == "":
			v.fail(l.Number, "load_models: %q: want FILE, NAME=FILE or a URL", part)
		default:
			out = append(out, Load{name, file})
		}
	}
	return false, out
}

// warnUnmatched warns about entries of the block that belong to no loaded model.
func (v *checker) warnUnmatched(t TorchServe, f *File) {
	if _, ok := f.Lookup(keySnapshot); ok || t.LoadAll || len(t.Models) == 0 {
		return
	}
	if len(t.LoadModels) == 0 {
		v.warn(t.Models[0].Line, "models: the block loads nothing; name the archives in load_models")
		return
	}
	for _, m := range t.Models {
		found := slices.ContainsFunc(t.LoadModels, func(l Load) bool {
			return l.Name == m.Name || l.Name == "" && stem(l.File) == m.Name
		})
		if !found {
			v.warn(m.Line, "models: load_models loads no %q, so its settings apply to nothing", m.Name)
		}
	}
}

// stem returns a file name without folder and extension, which is usually the name of the
// archive's model.
func stem(file string) string {
	base := path.Base(file)
	return strings.TrimSuffix(base, path.Ext(base))
}
