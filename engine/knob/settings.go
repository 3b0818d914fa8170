package knob

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Precision is the number format of a model's weights and arithmetic.
type Precision uint8

// The precisions. FP32 is the zero value and always possible.
const (
	FullPrecision Precision = iota // fp32
	HalfPrecision                  // fp16
)

func (p Precision) String() string {
	if p == HalfPrecision {
		return "fp16"
	}
	return "fp32"
}

// MarshalText renders fp32 or fp16.
func (p Precision) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads fp32 or fp16.
func (p *Precision) UnmarshalText(b []byte) error {
	switch strings.ToLower(string(b)) {
	case "fp32":
		*p = FullPrecision
	case "fp16":
		*p = HalfPrecision
	default:
		return fmt.Errorf("precision %q: want fp32 or fp16", b)
	}
	return nil
}

// Settings is one value for every knob. It is a plain comparable value; two
// settings are the same setting exactly when they are ==.
//
// Of a server that is not ours a knob may not be known: workers, batch size, threads
// and queue size are 0 then, and the device is "" (see [Settings.Told]).
type Settings struct {
	Workers    int           // consumers of the model's queue, 1-256
	BatchSize  int           // most requests in one execution, 1-1024
	BatchDelay time.Duration // longest wait for a batch to fill, whole ms under the torchserve rule, .1 ms steps under eager
	Precision  Precision
	Device     string // cpu, gpu, gpu:N or gpu:UUID
	Threads    int    // cores per worker, 1-cores
	QueueSize  int    // waiting requests before refusal, 1-1000000
	Own        OwnValues    // the values of the target's own knobs
}

// Default returns the settings a model starts with under rule, on a CPU.
func Default(rule Rule) Settings {
	s := Settings{Workers: 1, BatchSize: 1, Device: "cpu", Threads: 1, QueueSize: 100}
	if rule == TorchServe {
		s.BatchDelay = 100 * time.Millisecond
	}
	return s
}

// DelayMS is the batch delay in milliseconds.
func (s Settings) DelayMS() float64 { return float64(s.BatchDelay) / float64(time.Millisecond) }

// settingsJSON is the wire form of FORMATS section 1. The target's own knobs follow
// as further keys.
type settingsJSON struct {
	Workers   int       `json:"workers"`
	BatchSize int       `json:"batch_size"`
	DelayMS   float64   `json:"batch_delay_ms"`
	Precision Precision `json:"precision"`
	Device    string    `json:"device"`
	Threads   int       `json:"threads"`
	QueueSize int       `json:"queue_size"`
}

// MarshalJSON writes the names and units of FORMATS section 1, then the target's own
// knobs by their names.
func (s Settings) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(settingsJSON{
		s.Workers, s.BatchSize, s.DelayMS(), s.Precision, s.Device, s.Threads, s.QueueSize,
	})
	if err != nil || s.Own == "" {
		return b, err
	}
	return append(s.Own.appendJSON(b[:len(b)-1]), '}'), nil
}

// UnmarshalJSON reads what is present into s and leaves the other knobs as they
// are, so that a partial object is a change. A key that is none of the seven is a
// knob of the target's own; whether the target has it is Validate's to say. One that
// no target may have ([CheckName]) is an error that suggests the nearest of the seven.
func (s *Settings) UnmarshalJSON(b []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		return fmt.Errorf("settings: want an object of knobs: %v", err)
	}
	own := s.Own
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if _, ok := Get(Name(k)); ok {
			continue
		}
		if err := own.setJSON(Name(k), keys[k]); err != nil {
			return fmt.Errorf("settings: %w", err)
		}
	}
	w := settingsJSON{s.Workers, s.BatchSize, s.DelayMS(), s.Precision, s.Device, s.Threads, s.QueueSize}
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&w); err != nil {
		return fmt.Errorf("settings: %v", err)
	}
	delay, err := delayFromMS(w.DelayMS)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	*s = Settings{w.Workers, w.BatchSize, delay, w.Precision, w.Device, w.Threads, w.QueueSize, own}
	return nil
}

// Told tells whether a knob's value is known. The delay is told with the batch size,
// the precision with the device.
func (s Settings) Has(n Name) bool {
	switch n {
	case Workers:
		return s.Workers > 0
	case BatchSize, BatchDelay:
		return s.BatchSize > 0
	case FP16, Device:
		return s.Device != ""
	case Threads:
		return s.Threads > 0
	case QueueSize:
		return s.QueueSize > 0
	}
	return s.Own.Get(n) != ""
}

// Show is Get for people: "n/a" where the value is not known.
func (s Settings) Display(n Name) string {
	if !s.Has(n) {
		return "n/a"
	}
	return s.Get(n)
}

// Get returns the text of one knob, in the form Set reads and people see:
// numbers plain, the delay in ms without unit. It is "" of a target's own knob that
// has no value.
func (s Settings) Get(n Name) string {
	switch n {
	case Workers:
		return strconv.Itoa(s.Workers)
	case BatchSize:
		return strconv.Itoa(s.BatchSize)
	case BatchDelay:
		return strconv.FormatFloat(s.DelayMS(), 'f', -1, 64)
	case FP16:
		return s.Precision.String()
	case Device:
		return s.Device
	case Threads:
		return strconv.Itoa(s.Threads)
	case QueueSize:
		return strconv.Itoa(s.QueueSize)
	}
	return s.Own.Get(n)
}

// Set changes one knob from text. The delay is in ms, or Go style with a unit. Any
// name that is none of the seven is a target's own; "" takes its value away. Only the
// form is checked here; names and ranges are Validate's.
func (s *Settings) Set(n Name, text string) error {
	text = strings.TrimSpace(text)
	switch n {
	case Workers:
		return setInt(&s.Workers, n, text)
	case BatchSize:
		return setInt(&s.BatchSize, n, text)
	case BatchDelay:
		d, err := ParseDelay(text)
		if err == nil {
			s.BatchDelay = d
		}
		return err
	case FP16:
		return s.Precision.UnmarshalText([]byte(text))
	case Device:
		s.Device = text
		return nil
	case Threads:
		return setInt(&s.Threads, n, text)
	case QueueSize:
		return setInt(&s.QueueSize, n, text)
	}
	return s.Own.Set(n, text)
}

// String is a short form for people: "2 workers, batch 8, delay 10 ms, fp32, cpu, 1 thread",
// with the target's own knobs behind it. What is not known is left out.
func (s Settings) String() string {
	var parts []string
	add := func(n Name, text string) {
		if s.Has(n) {
			parts = append(parts, text)
		}
	}
	add(Workers, plural(s.Workers, "worker"))
	add(BatchSize, fmt.Sprintf("batch %d, delay %s ms", s.BatchSize, s.Get(BatchDelay)))
	add(Device, fmt.Sprintf("%s, %s", s.Precision, s.Device))
	add(Threads, plural(s.Threads, "thread"))
	if s.Own != "" {
		parts = append(parts, s.Own.Describe())
	}
	if parts == nil {
		return "settings n/a"
	}
	return strings.Join(parts, ", ")
}

// ParseDelay reads a batch delay: a number of milliseconds, or a Go duration,
// in whole microseconds.
func ParseDelay(text string) (time.Duration, error) {
	if ms, err := strconv.ParseFloat(text, 64); err == nil && ms-ms == 0 {
		return delayFromMS(ms)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("batch_delay_ms: %q is no delay; write milliseconds (10) or a duration (10ms)", text)
	}
	return delayFromMS(float64(d) / float64(time.Millisecond))
}

// Limits narrow the ranges to what a model, a machine and a rule allow.
type Limits struct {
	Rule      Rule
	Cores     int     // the container's cores; 0 does not limit
	BatchAxis bool    // whether the model's inputs have one
	BatchWhy  string  // why not, for the error text
	Places    []Place // where the model can run, all of them; nil where nobody lists them

	Own    []Knob // that the target brings beside the seven; settings have values for no others
	Unreported []Name // of the seven, whose values the target does not tell: 0 or "" stands for them
}

// Table is the knobs there are: the seven, then the target's own.
func (l Limits) Table() Table { return append(Table(All()), l.Own...) }

// Validate reports every knob that is out of range, joined, each with its value
// and what is allowed.
func (s Settings) Validate(l Limits) error {
	var errs []error
	bad := func(n Name, format string, a ...any) {
		errs = append(errs, fmt.Errorf("%s: %s %s", n, s.Get(n), fmt.Sprintf(format, a...)))
	}
	untold := func(n Name) bool { return !s.Has(n) && slices.Contains(l.Unreported, n) }
	inRange := func(n Name, v int, top float64) {
		k, _ := Get(n)
		if !untold(n) && (float64(v) < k.Min || float64(v) > top) {
			bad(n, "is outside %s", rangeText(k.Min, top))
		}
	}
	inRange(Workers, s.Workers, 256)
	inRange(BatchSize, s.BatchSize, 1024)
	inRange(QueueSize, s.QueueSize, 1000000)
	threads := 1024.0
	if l.Cores > 0 {
		threads = float64(l.Cores)
	}
	inRange(Threads, s.Threads, threads)
	if s.BatchSize > 1 && !l.BatchAxis {
		bad(BatchSize, "needs a batch axis, and the model has none%s", reasonSuffix(l.BatchWhy))
	}
	if err := s.checkDelay(l.Rule); err != nil && !(untold(BatchDelay) && s.BatchDelay == 0) {
		errs = append(errs, err)
	}
	switch err := l.CheckPlace(s); {
	case untold(Device):
	case !isDevice(s.Device):
		bad(Device, "is no device; want cpu, gpu, gpu:N or gpu:UUID")
	case err != nil:
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.checkOwn(l)...)...)
}

// ownFaults are the values of knobs that the target does not have, and those that it
// does not take.
func (s Settings) checkOwn(l Limits) []error {
	var errs []error
	for n, v := range s.Own.All() {
		k, ok := l.Table().Get(n)
		if !ok {
			errs = append(errs, fmt.Errorf("%q: unknown knob%s", n, Suggest(string(n), l.Table().names())))
		} else if _, err := k.canonicalOwn(v); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// validDelay checks the delay under the rule that reads it. TorchServe takes a
// configured 0 for "unset" and waits 100 ms, so 0 does not exist under its rule.
func (s Settings) checkDelay(r Rule) error {
	const top = 60 * time.Second
	switch {
	case r == TorchServe && (s.BatchDelay < time.Millisecond || s.BatchDelay > top):
		return fmt.Errorf("batch_delay_ms: %s is outside 1-60000 (TorchServe reads 0 as unset, which is 100)", s.Get(BatchDelay))
	case r == TorchServe && s.BatchDelay%time.Millisecond != 0:
		return fmt.Errorf("batch_delay_ms: %s is no whole number of milliseconds, and TorchServe takes no other", s.Get(BatchDelay))
	case s.BatchDelay < 0 || s.BatchDelay > top:
		return fmt.Errorf("batch_delay_ms: %s is outside 0-60000", s.Get(BatchDelay))
	case s.BatchDelay%(100*time.Microsecond) != 0:
		return fmt.Errorf("batch_delay_ms: %s is finer than .1 ms", s.Get(BatchDelay))
	}
	return nil
}

func isDevice(d string) bool {
	id, isGPU := strings.CutPrefix(d, "gpu")
	if !isGPU {
		return d == "cpu"
	}
	rest, numbered := strings.CutPrefix(id, ":")
	return id == "" || numbered && rest != "" && !strings.ContainsFunc(rest, func(r rune) bool {
		return !strings.ContainsRune(deviceRunes, r)
	})
}

// deviceRunes are what numbers and UUIDs of GPUs and their slices are made of:
// a device is written into files and command lines unquoted.
const deviceRunes = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_./"

func reasonSuffix(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func setInt(dst *int, n Name, text string) error {
	v, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%s: %q is no whole number", n, text)
	}
	*dst = v
	return nil
}

// msDelay is a delay of whole microseconds. 0.1 has no exact binary form, so
// what is as good as whole counts as whole.
func delayFromMS(ms float64) (time.Duration, error) {
	const most = 1e9 // far above every range, far below overflow
	us := math.Round(ms * 1000)
	switch {
	case math.Abs(ms) > most:
		return 0, fmt.Errorf("batch_delay_ms: %g is outside 0-60000", ms)
	case math.Abs(ms*1000-us) > 1e-3:
		return 0, fmt.Errorf("batch_delay_ms: %g is finer than .1 ms", ms)
	}
	return time.Duration(us) * time.Microsecond, nil
}

func names() []string { return Table(table).names() }
