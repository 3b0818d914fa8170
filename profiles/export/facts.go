package export

import (
	"bytes"
	"fmt"
	"path"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// facts are the first comment lines of a file: where its values come from.
func facts(title string, s Source) []string {
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
		fmt.Sprintf("settings  %s, queue %d, %s rule", s.Settings, s.Settings.QueueSize, s.Options.Rule),
	}
	if s.SLA != nil {
		out = append(out, fmt.Sprintf("promise   %s, errors <= %g%%", s.SLA, s.SLA.MaxErrorRate*100))
	}
	if s.Trial == nil {
		return append(out, "measured  nothing: these settings were never run")
	}
	out = append(out, measured(*s.Trial, s.Runs)...)
	if s.Profile != "" {
		out = append(out, fmt.Sprintf("profile   %s, trial %d", s.Profile, s.Trial.N))
	}
	return out
}

func measured(t trial.Trial, runs int) []string {
	v := t.Verdict
	verdict := v.Word()
	if v.ValueMS.OK() {
		verdict += fmt.Sprintf(": %s, against %g ms", v.Words(), v.LimitMS)
	}
	if v.Why != "" {
		verdict += "; " + v.Why
	}
	rate := profiles.FormatInterval(t.Throughput) + " requests/s"
	if runs > 1 {
		rate += fmt.Sprintf(" in %d runs", runs)
	}
	return []string{
		"load      " + t.Load.String(),
		fmt.Sprintf("measured  %s, P99 %s ms, model P99 %s ms, errors %.3g%%",
			rate, profiles.LatencyCell(t), profiles.FormatFigure(t.Model.P99), t.Counts.Errors()*100),
		"verdict   " + verdict,
	}
}

// archive is the file TorchServe loads.
func archive(s Source) string {
	if path.Ext(s.Model.Source) == ".mar" {
		return path.Base(s.Model.Source)
	}
	return s.Model.Name + ".mar"
}

// gpu is the part of a device after "gpu:", and whether it is a GPU at all.
func gpu(device string) (id string, is bool) {
	rest, is := strings.CutPrefix(device, "gpu")
	return strings.TrimPrefix(rest, ":"), is
}

// verdictNotes warn of settings that are not known to do what they are for.
func verdictNotes(s Source) []string {
	if s.Trial == nil || s.Trial.Verdict.Result == trial.Pass {
		return nil
	}
	return []string{fmt.Sprintf("The verdict of these settings is %s: they are not known to keep the promise.", s.Trial.Verdict.Result)}
}

// sharedNotes are what no file of TorchServe's can say; withEnv is for those
// that set the environment.
func sharedNotes(s Source, withEnv bool) []string {
	out := append(verdictNotes(s), ownNotes(s)...)
	if s.Trial != nil && s.Trial.Settings.BatchDelay != s.Settings.BatchDelay {
		out = append(out, fmt.Sprintf("Batch delay %s ms was measured, %s ms is written: TorchServe takes whole milliseconds and reads 0 as unset, which is 100.",
			s.Trial.Settings.Get(knob.BatchDelay), s.Settings.Get(knob.BatchDelay)))
	}
	if s.ownName != "" {
		out = append(out, fmt.Sprintf("The model is called %s here: TorchServe's archiver does not take %q.", s.Model.Name, s.ownName))
	}
	if s.Options.Rule == knob.Eager {
		out = append(out, "Measured under the eager rule: TorchServe batches otherwise, so the figures above do not hold for it.")
	}
	if s.Settings.BatchSize == 1 {
		out = append(out, "At batch size 1 the batch delay does nothing: one request fills a batch.")
	}
	out = append(out, precisionNote(s)...)
	start := "has no key: start TorchServe with"
	if withEnv {
		start = "is set by"
	}
	out = append(out, fmt.Sprintf("threads %d %s OMP_NUM_THREADS=%[1]d MKL_NUM_THREADS=%[1]d, which its workers inherit. "+
		"A handler on ONNX Runtime sets intra_op_num_threads=%[1]d itself.", s.Settings.Threads, start))
	if archive(s) != path.Base(s.Model.Source) {
		out = append(out, fmt.Sprintf("TorchServe loads archives: pack the model as %s, version %q, with a handler of your own; its stock handlers run no ONNX model.",
			archive(s), s.Model.Version))
	}
	return out
}

func precisionNote(s Source) []string {
	_, onGPU := gpu(s.Settings.Device)
	switch {
	case s.Settings.Precision == knob.HalfPrecision:
		return []string{"FP16 has no key: call self.model.half() in the handler's initialize and .half() on its inputs, or pack an FP16 copy of an ONNX model."}
	case onGPU:
		return []string{"FP32: TorchServe lets GPUs multiply float32 in TF32; a handler that must not calls torch.set_float32_matmul_precision('highest')."}
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// heading is the comment at the top of a file, with an empty line behind it.
func heading(title string, s Source, notes []string) []byte {
	lines := facts(title, s)
	for _, n := range notes {
		lines = append(append(lines, ""), wrap(n)...)
	}
	return append(comments(lines), '\n')
}

// wrap breaks a sentence into lines of at most 100 bytes; only a longer word
// makes a longer line.
func wrap(text string) []string {
	const most = 100
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > most {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// comments turns lines into comment lines, in ASCII: neither format has escapes
// in its comments.
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
