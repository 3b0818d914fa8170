package knob

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Precision is the number format of a model's weights and arithmetic.
type Precision uint8

// The precisions. The zero value means that the target does not report its precision, so that
// settings that nobody filled in do not claim one. Our engine refuses it; [Default] has FP32, in
// which every model can run.
const (
	PrecisionUnreported Precision = iota
	FullPrecision                 // fp32
	HalfPrecision                 // fp16
)

var precisionNames = []string{PrecisionUnreported: "n/a", FullPrecision: "fp32", HalfPrecision: "fp16"}

// String returns fp32, fp16 or n/a.
func (p Precision) String() string { return precisionNames[p] }

// MarshalText returns fp32 or fp16; "" if it is not reported.
func (p Precision) MarshalText() ([]byte, error) {
	if p == PrecisionUnreported {
		return nil, nil
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads fp32 or fp16; "" is not reported.
func (p *Precision) UnmarshalText(b []byte) error {
	switch strings.ToLower(string(b)) {
	case "":
		*p = PrecisionUnreported
	case "fp32":
		*p = FullPrecision
	case "fp16":
		*p = HalfPrecision
	default:
		return fmt.Errorf("precision %q: want fp32 or fp16", b)
	}
	return nil
}

// Settings has one value for every knob. Settings are equal if they are ==.
//
// A target may not report the values of some of the seven (see [Settings.Has]):
// workers, batch size, threads and queue size are then 0, the device is "", and the
// precision is [PrecisionUnreported]. The delay is then [DelayUnreported], or 0 if the
// batch size is not reported either. The zero value therefore has no values at all, and
// in JSON a value that is not reported is absent.
type Settings struct {
	Workers    int           // consumers of the model's queue, 1-256
	BatchSize  int           // most requests in one execution, 1-1024
	BatchDelay time.Duration // longest wait for a batch to fill: a multiple of 1 ms under the torchserve rule, of 0.1 ms under eager
	Precision  Precision
	Device     string    // cpu, gpu, gpu:N or gpu:UUID
	Threads    int       // cores per worker, 1-cores
	QueueSize  int       // requests that may wait; more are refused; 1-1000000
	Own        OwnValues // the values of the target's own knobs
}

// DelayUnreported is the batch delay of settings with a batch size whose delay is not reported. It
// is not 0, because 0 is a value under the eager rule.
const DelayUnreported time.Duration = -1

// unreportedDelay returns the delay of settings whose delay is not reported. For each batch size it
// has one form only, so that equal settings are ==.
func unreportedDelay(batchSize int) time.Duration {
	if batchSize > 0 {
		return DelayUnreported
	}
	return 0
}

// Default returns the settings with which a model starts on a CPU under rule.
func Default(rule Rule) Settings {
	s := Settings{Workers: 1, BatchSize: 1, Precision: FullPrecision, Device: "cpu", Threads: 1, QueueSize: 100}
	if rule == TorchServe {
		s.BatchDelay = 100 * time.Millisecond
	}
	return s
}

// DelayMS returns the batch delay in milliseconds.
func (s Settings) DelayMS() float64 { return float64(s.BatchDelay) / float64(time.Millisecond) }

// Has reports whether s has a value for a knob. Without one the target does not report it.
func (s Settings) Has(n Name) bool {
	switch n {
	case Workers:
		return s.Workers > 0
	case BatchSize:
		return s.BatchSize > 0
	case BatchDelay:
		return s.BatchDelay != DelayUnreported && (s.BatchDelay != 0 || s.BatchSize > 0)
	case FP16:
		return s.Precision != PrecisionUnreported
	case Device:
		return s.Device != ""
	case Threads:
		return s.Threads > 0
	case QueueSize:
		return s.QueueSize > 0
	}
	return s.Own.Get(n) != ""
}

// Display returns the value of one knob for people: that of Get, or "n/a" if there is none.
func (s Settings) Display(n Name) string {
	if !s.Has(n) {
		return "n/a"
	}
	return s.Get(n)
}

// Get returns the value of one knob as text that Set reads: the delay is in ms without
// a unit. A target's own knob, a device and a precision that are not reported are "".
func (s Settings) Get(n Name) string {
	switch n {
	case Workers:
		return strconv.Itoa(s.Workers)
	case BatchSize:
		return strconv.Itoa(s.BatchSize)
	case BatchDelay:
		if s.BatchDelay == DelayUnreported {
			return ""
		}
		return strconv.FormatFloat(s.DelayMS(), 'f', -1, 64)
	case FP16:
		if s.Precision == PrecisionUnreported {
			return ""
		}
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

// Set sets one knob from text. The delay is in ms or a Go duration with a unit. A name
// that is none of the seven is a target's own knob; "" removes its value. Set checks
// the syntax only; Validate checks ranges, and whether the target has the knob.
func (s *Settings) Set(n Name, text string) error {
	text = strings.TrimSpace(text)
	switch n {
	case Workers:
		return setInt(&s.Workers, n, text)
	case BatchSize:
		hadDelay := s.Has(BatchDelay)
		err := setInt(&s.BatchSize, n, text)
		if !hadDelay { // the delay does not become 0 because there is a batch size now
			s.BatchDelay = unreportedDelay(s.BatchSize)
		}
		return err
	case BatchDelay:
		d, err := ParseDelay(text)
		if err == nil {
			s.BatchDelay = d
		}
		return err
	case FP16:
		if text == "" {
			return errors.New(`precision "": want fp32 or fp16`)
		}
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

// String returns a short description for people: "2 workers, batch 8, delay 10 ms, fp32, cpu,
// 1 thread", then the target's own knobs. Knobs without a value are omitted.
func (s Settings) String() string {
	var parts []string
	add := func(n Name, text string) {
		if s.Has(n) {
			parts = append(parts, text)
		}
	}
	add(Workers, plural(s.Workers, "worker"))
	add(BatchSize, "batch "+strconv.Itoa(s.BatchSize))
	add(BatchDelay, "delay "+s.Get(BatchDelay)+" ms")
	add(FP16, s.Precision.String())
	add(Device, s.Device)
	add(Threads, plural(s.Threads, "thread"))
	if s.Own != "" {
		parts = append(parts, s.Own.Describe())
	}
	if parts == nil {
		return "settings n/a"
	}
	return strings.Join(parts, ", ")
}

// ParseDelay reads a batch delay: a number of milliseconds or a Go duration. It must be a multiple
// of a microsecond.
func ParseDelay(text string) (time.Duration, error) {
	if ms, err := strconv.ParseFloat(text, 64); err == nil && ms-ms == 0 {
		return delayFromMS(ms)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("batch_delay_ms: %q is not a delay; write milliseconds (10) or a duration (10ms)", text)
	}
	return delayFromMS(float64(d) / float64(time.Millisecond))
}

// Limits restricts settings to those that a model, a machine and a rule allow.
type Limits struct {
	Rule      Rule
	Cores     int       // cores of the container; 0 is no limit
	BatchAxis bool      // whether the model's inputs have a batch axis
	BatchWhy  string    // why they have none, for the error text
	Places    []Place   // all places where the model can run; nil if unknown
	NoPlaces  []NoPlace // why it cannot run on some others; no others have a reason

	Own        []Knob // the target's own knobs; settings have values for no others
	Unreported []Name // those of the seven whose values the target does not report; they may be 0 or ""
}

// Table returns all knobs: the seven, then the target's own.
func (l Limits) Table() Table { return append(Table(All()), l.Own...) }

// Validate returns a joined error for every invalid knob, with its value and the
// valid ones.
func (s Settings) Validate(l Limits) error {
	var errs []error
	addError := func(n Name, format string, a ...any) {
		errs = append(errs, fmt.Errorf("%s: %s %s", n, s.Get(n), fmt.Sprintf(format, a...)))
	}
	mayLack := func(n Name) bool { return !s.Has(n) && slices.Contains(l.Unreported, n) }
	checkRange := func(n Name, v int, top float64) {
		k, _ := Get(n)
		if !mayLack(n) && (float64(v) < k.Min || float64(v) > top) {
			addError(n, "is outside %s", rangeText(k.Min, top))
		}
	}
	checkRange(Workers, s.Workers, 256)
	checkRange(BatchSize, s.BatchSize, 1024)
	checkRange(QueueSize, s.QueueSize, 1000000)
	threads := 1024.0
	if l.Cores > 0 {
		threads = float64(l.Cores)
	}
	checkRange(Threads, s.Threads, threads)
	if s.BatchSize > 1 && !l.BatchAxis {
		addError(BatchSize, "needs a batch axis, and the model has none%s", reasonSuffix(l.BatchWhy))
	}
	if err := s.checkDelay(l.Rule); err != nil && !mayLack(BatchDelay) {
		errs = append(errs, err)
	}
	if !s.Has(FP16) && !mayLack(FP16) {
		errs = append(errs, errors.New("precision: there is none; want fp32 or fp16"))
	}
	switch err := l.CheckPlace(s); {
	case mayLack(Device):
	case !isDevice(s.Device):
		addError(Device, "is not a device; want cpu, gpu, gpu:N or gpu:UUID")
	case err != nil:
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.checkOwn(l)...)...)
}

// checkOwn returns an error for each value of a knob that the target does not have, and for each
// invalid value.
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

// checkDelay checks the delay under a rule. TorchServe reads a configured 0 as "not set" and waits
// 100 ms, so 0 is invalid under its rule.
func (s Settings) checkDelay(r Rule) error {
	const top = 60 * time.Second
	switch {
	case s.BatchDelay == DelayUnreported:
		return errors.New("batch_delay_ms: there is none; want a number of milliseconds")
	case r == TorchServe && (s.BatchDelay < time.Millisecond || s.BatchDelay > top):
		return fmt.Errorf("batch_delay_ms: %s is outside 1-60000 (TorchServe reads 0 as unset, which is 100)", s.Get(BatchDelay))
	case r == TorchServe && s.BatchDelay%time.Millisecond != 0:
		return fmt.Errorf("batch_delay_ms: %s is not a whole number of milliseconds, and TorchServe accepts no other", s.Get(BatchDelay))
	case s.BatchDelay < 0 || s.BatchDelay > top:
		return fmt.Errorf("batch_delay_ms: %s is outside 0-60000", s.Get(BatchDelay))
	case s.BatchDelay%(100*time.Microsecond) != 0:
		return fmt.Errorf("batch_delay_ms: %s is not a multiple of 0.1 ms", s.Get(BatchDelay))
	}
	return nil
}

func isDevice(d string) bool {
	id, isGPU := strings.CutPrefix(d, "gpu")
	if !isGPU {
		return d == "cpu"
	}
	rest, hasColon := strings.CutPrefix(id, ":")
	return id == "" || hasColon && rest != "" && !strings.ContainsFunc(rest, func(r rune) bool {
		return !strings.ContainsRune(deviceRunes, r)
	})
}

// deviceRunes are the characters in the numbers and UUIDs of GPUs and their MIG slices. They need
// no quotes in files and command lines.
const deviceRunes = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_./"

// reasonSuffix returns the end of an error text with a reason, if there is one.
func reasonSuffix(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// plural formats a number of things: "1 worker", "2 workers".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func setInt(dst *int, n Name, text string) error {
	v, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%s: %q is not a whole number", n, text)
	}
	*dst = v
	return nil
}

// delayFromMS converts milliseconds to a delay that is a multiple of a microsecond. Numbers such as
// 0.1 are not exact in binary, so it rounds small differences.
func delayFromMS(ms float64) (time.Duration, error) {
	const maxMS = 1e9 // far above every range, and far from an overflow
	us := math.Round(ms * 1000)
	switch {
	case math.Abs(ms) > maxMS:
		return 0, fmt.Errorf("batch_delay_ms: %g is outside 0-60000", ms)
	case math.Abs(ms*1000-us) > 1e-3:
		return 0, fmt.Errorf("batch_delay_ms: %g is not a multiple of 0.1 ms", ms)
	}
	return time.Duration(us) * time.Microsecond, nil
}

func names() []string { return Table(table).names() }
