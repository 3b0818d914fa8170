package plan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
)

// Suite says where a plan stands in TorchServe's benchmark suite. It is not part of the
// canonical text.
type Suite struct {
	Group    string        // MODE_MODEL, with which the names of the suite's trials begin
	Hardware string        // the label of the suite file: cpu, gpu, neuron, neuronx or any other text; "" without a suite file
	Commands SuiteCommands // of the suite file

	workflow string // why it is no prediction of one model; "" if it is one
	neuron   string // the processor for which this program has no engine; "" for others
}

// TrialName returns the name that the suite gives to the trial of these settings:
// MODE_MODEL_wWORKERS_bBATCH.
func (s *Suite) TrialName(k knob.Settings) string {
	return fmt.Sprintf("%s_w%s_b%s", s.Group, k.Get(knob.Workers), k.Get(knob.BatchSize))
}

// Refusal returns why this program can list the plan but not run it; "" if it can.
func (p Plan) Refusal() string {
	switch s := p.Suite; {
	case s == nil:
		return ""
	case s.workflow != "":
		return s.workflow
	case s.neuron != "" && (p.Target == "local" || p.Target == Virtual):
		return fmt.Sprintf("there is no engine for the processor %s here; with --target torchserve a TorchServe that runs on one is measured", s.neuron)
	}
	return ""
}

// SuiteCommands are the commands that a suite file has for its results. Nothing in this
// package runs them.
type SuiteCommands struct {
	// Metrics is run after each trial; it reads the file stats_metrics.json of the trial. "" is none.
	Metrics string

	report []reportPart // of report_cmd; none if there is none
}

// reportPart is one entry of report_cmd: one word, or the elements of the destination.
type reportPart struct {
	word string
	dest []string
}

// Report returns the command that is run once at the end, with the date of today and the
// version as the last elements of its destination, as the suite does it; "" if there is none.
func (c SuiteCommands) Report(today time.Time, version string) string {
	var words []string
	for _, p := range c.report {
		if p.dest == nil {
			words = append(words, p.word)
			continue
		}
		dest := slices.Clone(p.dest)
		if i := slices.Index(dest, "today()"); i >= 0 {
			dest[i] = today.Format("2006-1-2")
		}
		words = append(words, strings.Join(dest, "/")+"/"+version)
	}
	return strings.Join(words, " ")
}

// Load reads the plans of a file with read, usually os.ReadFile: one of a plan file, or
// one for each model and mode of a file of TorchServe's benchmark suite, or one of a JSON
// file of its benchmark-ab.py. If the file lists model files, Load reads them too. It
// searches a name that is not absolute in the folder models_config next to the file, and
// then in the folder of the file. A name that is no file may be that of a test plan of
// benchmark-ab.py, see [TestPlans].
//
// Plans of the suite are in the order in which the suite runs them.
func Load(name string, read func(path string) ([]byte, error)) ([]Plan, error) {
	data, err := read(name)
	if text, ok := testPlan(name); ok && errors.Is(err, fs.ErrNotExist) {
		data, err = []byte(text), nil
	}
	if err != nil {
		return nil, err
	}
	root, err := newDecoder(name).root(data)
	if err != nil {
		return nil, err
	}
	if !isSuite(root) {
		return parseAll(name, data)
	}
	s := readSuite(name, root)
	var (
		plans []Plan
		errs  = []error{s.err}
	)
	for _, model := range s.models {
		path, data, err := readModel(name, model, read)
		if err == nil {
			var more []Plan
			more, err = s.modelFile(path, data)
			plans = append(plans, more...)
		}
		errs = append(errs, err)
	}
	switch err := errors.Join(errs...); {
	case err != nil:
		return nil, err
	case len(plans) == 0:
		return nil, fmt.Errorf("%s:1:1: models: none of them runs on hardware %s", name, s.folder())
	}
	sortPlans(plans)
	return plans, nil
}

// readModel finds and reads a model file that a suite file lists.
func readModel(suite, model string, read func(string) ([]byte, error)) (string, []byte, error) {
	dir := filepath.Dir(suite)
	paths := []string{filepath.Join(dir, "models_config", model), filepath.Join(dir, model)}
	if filepath.IsAbs(model) {
		paths = []string{model}
	}
	var first error
	for _, path := range paths {
		data, err := read(path)
		if err == nil {
			return path, data, nil
		}
		first = cmp.Or(first, err)
	}
	return "", nil, fmt.Errorf("%s: models: %q cannot be read: %w", suite, model, first)
}

// suiteFile is what a suite file says about all of its plans. The zero value is for a model
// file without a suite file.
type suiteFile struct {
	models   []string
	hardware string
	commands SuiteCommands
	notes    []string // keys that are not used, with the reasons
	err      error
}

// isSuite reports whether root is a suite file: it lists model files.
func isSuite(root *node) bool {
	models := root.find("models")
	return models != nil && models.kind == sequence && root.find("version") == nil
}

// readSuite reads the keys of a suite file.
func readSuite(name string, root *node) suiteFile {
	s := suiteFile{hardware: "cpu"}
	d := newDecoder(name)
	d.unknown = func(_, key string, _ pos, _ []string) {
		s.notes = append(s.notes, fmt.Sprintf("%q is not used: the suite has no such key", key))
	}
	d.mapping("", root, []field{
		{"models", d.eachItem(func(path string, n *node) {
			model := ""
			d.text(&model)(path, n)
			s.models = append(s.models, model)
		})},
		{"hardware", d.text(&s.hardware)},
		{"ts_version", func(string, *node) {
			s.notes = append(s.notes, "ts_version is not used: nothing is installed here; reports name the server that was measured")
		}},
		{"metrics_cmd", d.eachEntry(func(key string, n *node) {
			words := []string{key, oneWord(n, "")}
			if key == "cmd" {
				words = words[1:]
			}
			s.commands.Metrics = strings.Join(append(slices.DeleteFunc([]string{s.commands.Metrics}, empty), words...), " ")
		})},
		{"report_cmd", d.eachEntry(func(key string, n *node) {
			part := reportPart{word: oneWord(n, "/")}
			if key == "dest" {
				part = reportPart{dest: allWords(n)}
			}
			s.commands.report = append(s.commands.report, part)
		})},
	})
	if f := s.folder(); f != s.hardware {
		s.notes = append(s.notes, fmt.Sprintf("hardware %q is a label here: as in the suite, the plans for %s are run", s.hardware, f))
	}
	s.err = d.joined()
	return s
}

func empty(s string) bool { return s == "" }

// folder returns the hardware whose trials the suite would run. The suite treats a value that it
// does not know as cpu.
func (s suiteFile) folder() string {
	if slices.Contains([]string{"gpu", "neuron", "neuronx", ""}, s.hardware) {
		return s.hardware
	}
	return "cpu"
}

// eachEntry reads the words of a command: a list of maps with one key each.
func (d *decoder) eachEntry(read func(key string, n *node)) readFunc {
	return func(path string, n *node) {
		d.eachItem(func(path string, item *node) {
			if item.kind != mapping || len(item.keys) == 0 {
				d.addError(item.at, path, "want a map with one key, such as {cmd: aws s3 cp}, not %s", item.kind)
				return
			}
			read(item.keys[0].name, item.keys[0].value) // the suite reads only the first key
		})(path, n)
	}
}

// allWords returns the texts of a value or a list.
func allWords(n *node) []string {
	if n.kind != sequence {
		return []string{n.text}
	}
	out := []string{}
	for _, item := range n.items {
		out = append(out, item.text)
	}
	return out
}

func oneWord(n *node, between string) string { return strings.Join(allWords(n), between) }

// sortPlans sorts plans in the order in which the suite runs them: by the names of its JSON
// files. It says which trials the suite would lose because two of them have one name.
func sortPlans(plans []Plan) {
	slices.SortStableFunc(plans, func(a, b Plan) int {
		return strings.Compare(a.Suite.Group+"_w", b.Suite.Group+"_w")
	})
	for i := 1; i < len(plans); i++ {
		if a, b := plans[i-1].Suite.Group, plans[i].Suite.Group; a == b {
			plans[i].Notes = append(plans[i].Notes, fmt.Sprintf(
				"another plan is named %s too; in the suite the trials of the one replace those of the other with equal workers and batch size", a))
		}
	}
}

// nameOrder sorts the values of a range by the order of the suite's file names, in which end
// follows the value: "16_" is before "1_", and "1." before "16.".
func nameOrder(text, end string) string {
	values := strings.Split(text, ",")
	slices.SortStableFunc(values, func(a, b string) int { return strings.Compare(a+end, b+end) })
	return strings.Join(values, ",")
}
