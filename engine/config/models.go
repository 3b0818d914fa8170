package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
)

// Model is one model version of the models block. A number of 0 means absent, because
// TorchServe reads 0 and less as not set.
type Model struct {
	Name    string
	Version string // must equal the archive's version exactly: "1.0" is not "1"
	Line    int    // line of the version; 0 when not read from a file

	MarName         string // informative: TorchServe loads the archives of load_models
	MinWorkers      int    // workers at start
	MaxWorkers      int    // below MinWorkers if absent and the default is lower
	BatchSize       int
	MaxBatchDelay   int // ms
	ResponseTimeout int // s, for one batch
	StartupTimeout  int // s
}

// Over returns s with the workers, batch size and delay that the block sets.
func (m Model) Over(s knob.Settings) knob.Settings {
	if m.MinWorkers > 0 {
		s.Workers = m.MinWorkers
	}
	if m.BatchSize > 0 {
		s.BatchSize = m.BatchSize
	}
	if m.MaxBatchDelay > 0 {
		s.BatchDelay = time.Duration(m.MaxBatchDelay) * time.Millisecond
	}
	return s
}

// field returns the field of the number called key, or nil if TorchServe does not read that
// key.
func (m *Model) field(key string) *int {
	switch key {
	case "minWorkers":
		return &m.MinWorkers
	case "maxWorkers":
		return &m.MaxWorkers
	case "batchSize":
		return &m.BatchSize
	case "maxBatchDelay":
		return &m.MaxBatchDelay
	case "responseTimeout":
		return &m.ResponseTimeout
	case "startupTimeout":
		return &m.StartupTimeout
	}
	return nil
}

var numberFields = []string{"minWorkers", "maxWorkers", "batchSize", "maxBatchDelay", "responseTimeout", "startupTimeout"}

// ModelsValue returns the value of the models key for ms, in their order, with the versions
// of one name together and without absent numbers.
func ModelsValue(ms []Model) string {
	var b strings.Builder
	b.WriteByte('{')
	var done []string
	for _, m := range ms {
		if slices.Contains(done, m.Name) {
			continue
		}
		b.WriteString(comma(len(done)) + quote(m.Name) + ": {")
		done = append(done, m.Name)
		n := 0
		for _, v := range ms {
			if v.Name == m.Name {
				b.WriteString(comma(n) + quote(v.Version) + ": " + v.object())
				n++
			}
		}
		b.WriteByte('}')
	}
	b.WriteByte('}')
	return b.String()
}

func (m Model) object() string {
	parts := []string{`"defaultVersion": true`}
	if m.MarName != "" {
		parts = append(parts, `"marName": `+quote(m.MarName))
	}
	for _, key := range numberFields {
		if v := *m.field(key); v > 0 {
			parts = append(parts, quote(key)+": "+strconv.Itoa(v))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func comma(n int) string {
	if n == 0 {
		return ""
	}
	return ", "
}

func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("config: " + err.Error()) // every string can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// block reads the JSON of the models key and knows the current line for messages.
type block struct {
	v    *checker
	line Line
	dec  *json.Decoder
	out  []Model
}

// models reads the block in its order.
func (v *checker) models(l Line) []Model {
	b := &block{v: v, line: l, dec: json.NewDecoder(strings.NewReader(l.Value))}
	err := b.object(func(name string) error {
		return b.object(func(version string) error { return b.version(name, version) })
	})
	if err == nil && b.dec.More() {
		err = fmt.Errorf("text after the end of the block")
	}
	if err != nil {
		fix, write := v.joined(l)
		v.add(Refuses, b.at(), keyModels, err.Error()+": TorchServe does not start", write, fix)
		return nil
	}
	return b.out
}

// maxJoined bounds the lines of a block that is put together again.
const maxJoined = 500

// joined is the fix for a block whose lines do not all end in a backslash: all lines from its
// first to the one that completes a JSON object.
func (v *checker) joined(l Line) (fix func() []edit, write string) {
	i := slices.IndexFunc(v.f.Lines, func(o Line) bool { return o.Number == l.Number })
	var text strings.Builder
	text.WriteString(l.Value)
	for n, next := range v.f.Lines[i+1:] {
		if next.Kind == Comment || n == maxJoined {
			break
		}
		text.WriteString("\n" + next.text)
		if _, ok := readTree(text.String(), 0); ok {
			whole := l
			whole.last, v.joinedTo = next.last, next.last
			return setPair(whole, text.String()), "end every line but the last in a backslash"
		}
	}
	return nil, ""
}

// at returns the physical line that the decoder has reached.
func (b *block) at() int { return b.line.lineAt(max(0, int(b.dec.InputOffset())-1)) }

// object reads one JSON object and calls member for each of its values.
func (b *block) object(member func(key string) error) error {
	if err := b.delim('{'); err != nil {
		return err
	}
	var seen []string
	for b.dec.More() {
		t, err := b.dec.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string) // the decoder only accepts string keys
		if slices.Contains(seen, key) {
			return fmt.Errorf("%q occurs twice", key)
		}
		seen = append(seen, key)
		if err := member(key); err != nil {
			return err
		}
	}
	return b.delim('}')
}

func (b *block) delim(want json.Delim) error {
	t, err := b.dec.Token()
	if err != nil {
		return fmt.Errorf("not a JSON object (does every line but the last end in a backslash?): %v", err)
	}
	if t != want {
		return fmt.Errorf("found %v, want %v: the block is {\"NAME\": {\"VERSION\": {\"batchSize\": 8, ...}}}", t, want)
	}
	return nil
}

func (b *block) version(name, version string) error {
	m := Model{Name: name, Version: version, Line: b.at()}
	delayed := false // a delay is written, though it may not count
	err := b.object(func(key string) error {
		var raw json.RawMessage
		if err := b.dec.Decode(&raw); err != nil {
			return err
		}
		dst := m.field(key)
		delayed = delayed || modelKey(key) == "maxBatchDelay"
		switch {
		case dst != nil:
			b.number(m, key, string(raw), dst)
		case key == "marName":
			return json.Unmarshal(raw, &m.MarName)
		case key != "defaultVersion" && key != "runtimeType":
			b.unread(m, key, string(raw))
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.v.workers(b.line, m)
	b.v.batching(b.line, m, delayed)
	b.out = append(b.out, m)
	return nil
}

// find adds a finding about a key of a version; change is its fix in that version's object.
func (b *block) find(s Severity, m Model, key, does, write string, change func(version *tree)) {
	b.v.find(b.line, b.at(), s, m, key, does, write, change)
}

func (v *checker) find(l Line, line int, s Severity, m Model, key, does, write string, change func(version *tree)) {
	var fix func() []edit
	if change != nil {
		fix = editBlock(l, func(t *tree) {
			if version := t.at(m.Name, m.Version); version != nil {
				change(version)
			}
		})
	}
	path := strings.TrimRight(strings.Join([]string{keyModels, m.Name, m.Version, key}, "."), ".")
	v.add(s, line, path, does, write, fix)
}

// unread reports a key that TorchServe does not read in the block.
func (b *block) unread(m Model, key, raw string) {
	meant := modelKey(key)
	switch {
	case slices.Contains(numberFields, meant):
		b.find(Differs, m, key, fmt.Sprintf("TorchServe does not read %s here; did you mean %s?", key, meant), "write "+meant,
			func(t *tree) { t.rename(key, meant) })
	case meant != "" || key == "jobQueueSize":
		b.find(Differs, m, key, fmt.Sprintf("TorchServe does not read %s here, only in the model-config.yaml of the archive", key), "move it there",
			func(t *tree) { t.remove(key) })
	default:
		b.find(Differs, m, key, fmt.Sprintf("TorchServe does not read %s here", key), "remove it", func(t *tree) { t.remove(key) })
	}
}

// number reads one int of a version. TorchServe accepts quoted ones too, and cuts fractions.
func (b *block) number(m Model, key, raw string, dst *int) {
	text := strings.Trim(raw, `"`)
	n, err := strconv.ParseInt(text, 10, 32)
	switch {
	case err == nil && n > 0:
		*dst = int(n)
		if key == "responseTimeout" || key == "startupTimeout" {
			b.v.seconds(b.at(), key, int(n))
		}
	case err == nil:
		b.unset(m, key, n)
	case raw == text && isJSONNumber(raw):
		f, _ := strconv.ParseFloat(raw, 64)
		*dst = int(min(max(f, 0), math.MaxInt32))
		b.find(Differs, m, key, fmt.Sprintf("%s is not a whole number: TorchServe reads %d", raw, *dst), fmt.Sprintf("write %d", max(1, *dst)),
			func(t *tree) { t.set(key, strconv.Itoa(max(1, *dst))) })
	default:
		b.find(Refuses, m, key, fmt.Sprintf("%s is not a whole number: TorchServe does not load the model, or ends", quoteText(raw)), "write a whole number", nil)
	}
}

// unset reports a number that TorchServe reads as not set.
func (b *block) unset(m Model, key string, n int64) {
	does := fmt.Sprintf("%d: TorchServe reads 0 and less as not set", n)
	write := "remove it"
	change := func(t *tree) { t.remove(key) }
	switch key {
	case "maxBatchDelay":
		does += ", so the delay is 100 ms"
		write, change = "write 1, the shortest delay", func(t *tree) { t.set(key, "1") }
	case "batchSize":
		does += ", so the batch size is 1"
		write, change = "write 1", func(t *tree) { t.set(key, "1") }
	case "minWorkers", "maxWorkers":
		does += ", so TorchServe takes its default number of workers"
	}
	b.find(Differs, m, key, does, write, change)
}

func isJSONNumber(raw string) bool {
	_, err := strconv.ParseFloat(raw, 64)
	return err == nil && raw[0] != '"'
}

// workers reports bounds of the workers that do not hold together.
func (v *checker) workers(l Line, m Model) {
	set := func(key string, n int) func(*tree) {
		return func(t *tree) { t.set(key, strconv.Itoa(n)) }
	}
	switch {
	case m.MinWorkers > 0 && m.MaxWorkers == 0:
		v.find(l, m.Line, Differs, m, "", "minWorkers without maxWorkers: TorchServe takes its default for the other, which may be lower; write both", "", set("maxWorkers", m.MinWorkers))
	case m.MaxWorkers > 0 && m.MinWorkers == 0:
		v.find(l, m.Line, Differs, m, "", "maxWorkers without minWorkers: TorchServe starts its default number of workers, which may be higher; write both", "", set("minWorkers", m.MaxWorkers))
	case m.MinWorkers > m.MaxWorkers:
		v.find(l, m.Line, Hinders, m, "", fmt.Sprintf("minWorkers %d is above maxWorkers %d: TorchServe starts %d and stops them down to %d whenever workers are scaled", m.MinWorkers, m.MaxWorkers, m.MinWorkers, m.MaxWorkers),
			"write the same number for both", set("maxWorkers", m.MinWorkers))
	case m.MinWorkers < m.MaxWorkers:
		v.find(l, m.Line, Note, m, "", fmt.Sprintf("TorchServe starts %d workers and never adds one by itself: maxWorkers %d only bounds later calls of the management API", m.MinWorkers, m.MaxWorkers), "", nil)
	}
}

// batching reports a batch size without a delay, and a delay that has no effect.
func (v *checker) batching(l Line, m Model, delayed bool) {
	switch {
	case m.BatchSize > 1 && m.MaxBatchDelay == 0 && !delayed:
		v.find(l, m.Line, Differs, m, "", fmt.Sprintf("batchSize %d without maxBatchDelay: a batch that is not full waits 100 ms", m.BatchSize),
			"write the delay", func(t *tree) { t.set("maxBatchDelay", "100") })
	case m.BatchSize <= 1 && m.MaxBatchDelay > 0:
		v.find(l, m.Line, Note, m, "", fmt.Sprintf("maxBatchDelay %d has no effect at batch size 1", m.MaxBatchDelay), "", nil)
	}
}
