package config

import (
	"bytes"
	"encoding/json"
	"fmt"
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
		v.fail(b.at(), "models: %v", err)
		return nil
	}
	return b.out
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
	err := b.object(func(key string) error {
		var raw json.RawMessage
		if err := b.dec.Decode(&raw); err != nil {
			return err
		}
		dst := m.field(key)
		switch {
		case dst != nil:
			b.number(key, string(raw), dst)
		case key == "marName":
			return json.Unmarshal(raw, &m.MarName)
		case key != "defaultVersion" && key != "runtimeType":
			b.v.warn(b.at(), "models: TorchServe does not read %s here%s", key, knob.Suggest(key, numberFields))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if m.MinWorkers > 0 && m.MaxWorkers == 0 {
		b.v.warn(m.Line, "models: minWorkers without maxWorkers: TorchServe takes its default, which may be lower; write both")
	}
	if m.MaxWorkers > 0 && m.MinWorkers > m.MaxWorkers {
		b.v.fail(m.Line, "models: minWorkers %d is above maxWorkers %d", m.MinWorkers, m.MaxWorkers)
	}
	b.out = append(b.out, m)
	return nil
}

// number reads one int of a version; TorchServe accepts quoted ones too.
func (b *block) number(key, raw string, dst *int) {
	n, err := strconv.ParseInt(strings.Trim(raw, `"`), 10, 32)
	switch {
	case err != nil:
		b.v.fail(b.at(), "models: %s: %s is not a whole number", key, raw)
	case n <= 0:
		b.v.warn(b.at(), "models: %s: %d: TorchServe reads 0 and less as not set", key, n)
	default:
		*dst = int(n)
	}
}
