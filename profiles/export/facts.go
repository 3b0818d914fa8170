package export

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// origin returns the first comment lines of a file: from where its values come.
func origin(title string, s Source) []string {
	m := s.Model
	model := m.Name + " " + m.Version + ", from " + m.Source
	if m.SHA256 != "" {
		model += ", sha256 " + m.SHA256
	}
	of := "on"
	if s.Trial != nil {
		of = "from figures of"
	}
	out := []string{
		fmt.Sprintf("%s, written by %s %s %s", title, s.Tool, of, s.Date.UTC().Format("2006-01-02")),
		"",
		"model     " + model,
		"machine   " + s.Machine.String(),
		"server    " + MeasuredOn(s),
		fmt.Sprintf("settings  %s, queue %s, %s", s.Settings, s.Settings.Display(knob.QueueSize), s.Options.Rule.Describe()),
	}
	if s.SLA != nil {
		out = append(out, fmt.Sprintf("promise   %s, errors <= %g%%", s.SLA, s.SLA.MaxErrorRate*100))
	}
	if s.Trial == nil {
		return append(out, "measured  nothing: these settings were not measured")
	}
	out = append(out, measuredLines(*s.Trial, s.Runs)...)
	if s.Profile != "" {
		out = append(out, fmt.Sprintf("profile   %s, trial %d", s.Profile, s.Trial.N))
	}
	return out
}

func measuredLines(t trial.Trial, runs int) []string {
	v := t.Verdict
	verdict := v.Label()
	if v.ValueMS.OK() {
		verdict += fmt.Sprintf(": %s, limit %g ms", v.Describe(), v.LimitMS)
	}
	if v.Why != "" {
		verdict += "; " + v.Why
	}
	rate := profiles.FormatInterval(t.Throughput) + " requests/s"
	if t.Role == trial.RoleLive {
		rate = fmt.Sprintf("live traffic of %g s: %s", t.Seconds, rate)
	}
	if runs > 1 {
		rate += fmt.Sprintf(" in %d runs", runs)
	}
	out := []string{
		"load      " + t.Load.String(),
		fmt.Sprintf("measured  %s, P99 %s ms, model P99 %s ms, errors %.3g%%",
			rate, profiles.LatencyCell(t), profiles.FormatFigure(t.Model.P99), t.Counts.Errors()*100),
		"verdict   " + verdict,
	}
	if t.FP16 != nil {
		out = append(out, "fp16      "+strings.TrimPrefix(t.FP16.String(), "fp16 ")) // agrees on ...
	}
	if t.Answers != nil {
		out = append(out, "answers   "+t.Answers.String())
	}
	return out
}

// archive returns the name of the file that TorchServe loads.
func archive(s Source) string {
	if path.Ext(s.Model.Source) == ".mar" {
		return path.Base(s.Model.Source)
	}
	return s.Model.Name + ".mar"
}

// gpu reports whether a device is a GPU, and returns its name after "gpu:".
func gpu(device string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(device, "gpu")
	return strings.TrimPrefix(rest, ":"), ok
}

// verdictNotes warns of settings whose verdict is not pass, or that no validation confirmed, under the load of their
// figures or under another one.
func verdictNotes(s Source) []string {
	if s.Trial == nil {
		return nil
	}
	out := verdictNote(s)
	if len(s.OtherLoads) > 0 {
		out = append(out, "These settings are not known to keep the promise under other loads: "+strings.Join(s.OtherLoads, "; ")+".")
	}
	return out
}

func verdictNote(s Source) []string {
	if s.Trial.FP16 != nil && !s.Trial.FP16.All() {
		return []string{"The answers in FP16 are not those of FP32: " + s.Trial.FP16.String() + "."}
	}
	if s.Trial.Verdict.Result == trial.Pass && s.Searched {
		return []string{"These settings are not validated: their verdict is from short runs of a search, and a sweep recommends none without a validation."}
	}
	if s.Trial.Verdict.Result == trial.Pass {
		return nil
	}
	known := "they are not known to keep the promise"
	if s.Trial.Verdict.Result == trial.Fail {
		known = "they break the promise"
	}
	return []string{fmt.Sprintf("The verdict of these settings is %s: %s.", s.Trial.Verdict.Result, known)}
}

// torchServeNotes returns the notes for all formats of TorchServe; withEnv is set for formats
// that set environment variables.
func torchServeNotes(s Source, withEnv bool) []string {
	out := slices.Concat(measuredNotes(s), verdictNotes(s), ownNotes(s))
	if s.Trial != nil && s.Trial.Settings.BatchDelay != s.Settings.BatchDelay {
		out = append(out, fmt.Sprintf("Batch delay %s ms was measured, %s ms is written: TorchServe accepts whole milliseconds only, and uses its default of 100 for 0.",
			s.Trial.Settings.Get(knob.BatchDelay), s.Settings.Get(knob.BatchDelay)))
	}
	if s.originalName != "" {
		out = append(out, fmt.Sprintf("The model is called %s here: the archiver of TorchServe does not accept %q.", s.Model.Name, s.originalName))
	}
	switch s.Options.Rule {
	case knob.Eager:
		out = append(out, "Measured under the eager rule: TorchServe has another batching rule, so that the figures above do not apply to it.")
	case knob.RuleUnreported:
		out = append(out, unreportedRule+"TorchServe.")
	}
	if s.Settings.BatchSize == 1 {
		out = append(out, "At batch size 1 the batch delay has no effect: one request fills a batch.")
	}
	out = append(out, precisionNote(s)...)
	if !s.Settings.Has(knob.Threads) {
		return append(out, "Measured on a TorchServe that does not report its threads and precision: start the other one with the same handler and environment.")
	}
	start := "has no key: start TorchServe with"
	if withEnv {
		start = "is set by"
	}
	threads := fmt.Sprintf("threads %d %s OMP_NUM_THREADS=%[1]d MKL_NUM_THREADS=%[1]d, which its workers inherit.", s.Settings.Threads, start)
	if !inPython(s) {
		threads += fmt.Sprintf(" A handler on ONNX Runtime sets intra_op_num_threads=%d itself.", s.Settings.Threads)
	}
	return append(append(out, threads), packNotes(s)...)
}

// inPython reports whether the handler of an archive was measured itself.
func inPython(s Source) bool { return s.Model.Backend == profiles.Python }

// packNotes say how to make the archive if the model was none that TorchServe loads.
func packNotes(s Source) []string {
	switch {
	case archive(s) == path.Base(s.Model.Source):
		return nil
	case s.Model.Handler != "":
		return []string{fmt.Sprintf("Pack the content of %s with zip as %s, version %q: its handler %s is in it.", path.Base(s.Model.Source), archive(s), s.Model.Version, s.Model.Handler)}
	}
	return []string{fmt.Sprintf("TorchServe loads archives: pack the model as %s, version %q, with your own handler; the handlers of TorchServe cannot run an ONNX model.",
		archive(s), s.Model.Version)}
}

// unreportedRule is the begin of a note; the name of the server follows.
const unreportedRule = "The measured server does not report its batching rule, so that it is not known whether the figures above apply to "

func precisionNote(s Source) []string {
	_, onGPU := gpu(s.Settings.Device)
	half := s.Settings.Precision == knob.HalfPrecision
	switch {
	case inPython(s) && half:
		return []string{"FP16 has no key of TorchServe: pack the archive with handler: precision: fp16 in its model-config.yaml. Its handler reads it, and was measured with it."}
	case inPython(s) && s.Settings.Has(knob.FP16) && !onGPU:
		return []string{"FP32: if the model-config.yaml of the archive has handler: precision, pack it with fp32."}
	case half:
		return []string{"FP16 has no key: call self.model.half() in the handler's initialize and .half() on its inputs, or pack an FP16 copy of an ONNX model."}
	case onGPU:
		return []string{"FP32: with TorchServe GPUs multiply float32 in TF32; to prevent that, call torch.set_float32_matmul_precision('highest') in the handler."}
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// heading returns the comment at the beginning of a file and an empty line.
func heading(title string, s Source, notes []string) []byte {
	lines := origin(title, s)
	for _, n := range notes {
		lines = append(append(lines, ""), wrap(n)...)
	}
	return append(comments(lines), '\n')
}

// wrap breaks a sentence into lines of at most 100 bytes, or of one longer word. A command is one line,
// so that it can be copied.
func wrap(text string) []string {
	const maxLen = 100
	if strings.HasPrefix(text, "sweetspot ") {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > maxLen {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// comments converts lines to comment lines in ASCII, because the formats have no escapes in
// comments.
func comments(lines []string) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		text := strings.Map(func(r rune) rune {
			switch {
			case r < ' ':
				return ' '
			case r > '~':
				return '?'
			}
			return r
		}, l)
		b.WriteString(strings.TrimRight("# "+text, " ") + "\n")
	}
	return b.Bytes()
}
