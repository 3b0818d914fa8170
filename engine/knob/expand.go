package knob

import (
	"fmt"
	"strconv"
	"strings"
)

// maxValues is the largest number of values of one knob, so that a wrong range cannot use up the
// memory.
const maxValues = 4096

// Auto is the range that leaves the choice of values to the program.
const Auto = "auto"

// Expand returns the values of a range of one of the seven knobs, in order, without duplicates, as
// Settings.Set reads them:
//
//	"8"        one value
//	"1,2,4"    a list
//	"1-16"     every whole number
//	"1-32*2"   geometric: 1 2 4 8 16 32
//	"0-100+10" arithmetic: 0 10 ... 100
//
// A knob without numbers (precision, device) accepts one value or a list. Auto is an error here: the
// caller chooses the values.
func Expand(n Name, text string) ([]string, error) { return Table(table).Expand(n, text) }

// Expand is like the function Expand, for all knobs of the table.
func (t Table) Expand(n Name, text string) ([]string, error) {
	k, ok := t.Get(n)
	if !ok {
		return nil, fmt.Errorf("%q: unknown knob%s", n, Suggest(string(n), t.names()))
	}
	var out []string
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		values, err := expandPart(k, strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if !seen[v] {
				seen[v] = true
				out = append(out, v)
			}
		}
		if len(out) > maxValues {
			return nil, fmt.Errorf("%s: more than %d values", n, maxValues)
		}
	}
	return out, nil
}

func expandPart(k Knob, part string) ([]string, error) {
	low, rest, isRange := strings.Cut(part, "-")
	if k.Max == 0 || len(k.Values) > 0 || !isRange || low == "" {
		return canonicalValue(k, part)
	}
	step, geometric := 1.0, false
	high := rest
	if i := strings.IndexAny(rest, "*+"); i >= 0 {
		v, err := strconv.ParseFloat(rest[i+1:], 64)
		if err != nil || v-v != 0 {
			return nil, fmt.Errorf("%s: %q: step %q is not a number", k.Name, part, rest[i+1:])
		}
		step, geometric, high = v, rest[i] == '*', rest[:i]
	}
	lo, err1 := strconv.ParseFloat(low, 64)
	hi, err2 := strconv.ParseFloat(high, 64)
	switch {
	case err1 != nil || err2 != nil || lo-lo != 0 || hi-hi != 0:
		return nil, fmt.Errorf("%s: %q is not a range; write 1-16, 1-32*2 or 0-100+10", k.Name, part)
	case lo > hi:
		return nil, fmt.Errorf("%s: %q starts above its end; write %s-%s", k.Name, part, high, low)
	case geometric && (step <= 1 || lo <= 0):
		return nil, fmt.Errorf("%s: %q: a geometric range must start above 0 and multiply by more than 1", k.Name, part)
	case step <= 0:
		return nil, fmt.Errorf("%s: %q: the step must be above 0", k.Name, part)
	case lo < k.Min || hi > k.Max:
		return nil, fmt.Errorf("%s: %q is outside %s", k.Name, part, rangeText(k.Min, k.Max))
	}
	return expandRange(k, part, lo, hi, step, geometric)
}

// expandRange returns the values from lo to hi.
func expandRange(k Knob, part string, lo, hi, step float64, geometric bool) ([]string, error) {
	var out []string
	for i := 0; ; i++ {
		v := lo + float64(i)*step
		if geometric {
			v = lo
			for range i {
				v *= step
			}
		}
		if v > hi*(1+1e-12) {
			return out, nil
		}
		if len(out) == maxValues {
			return nil, fmt.Errorf("%s: %q has more than %d values", k.Name, part, maxValues)
		}
		value, err := canonicalValue(k, strconv.FormatFloat(v, 'f', -1, 64))
		if err != nil {
			return nil, err
		}
		out = append(out, value...)
	}
}

// canonicalValue checks that text is a value in the range of k and returns its canonical text, as a
// slice of one.
func canonicalValue(k Knob, text string) ([]string, error) {
	if k.isOwn() {
		canonical, err := k.canonicalOwn(text)
		return []string{canonical}, err
	}
	var s Settings
	if err := s.Set(k.Name, text); err != nil {
		return nil, err
	}
	if k.Name == Device && !isDevice(s.Device) {
		return nil, fmt.Errorf("device: %q is not a device; want cpu, gpu, gpu:N or gpu:UUID", text)
	}
	canonical := s.Get(k.Name)
	if k.Max > 0 {
		v, _ := strconv.ParseFloat(canonical, 64)
		if v < k.Min || v > k.Max {
			return nil, fmt.Errorf("%s: %s is outside %s", k.Name, canonical, rangeText(k.Min, k.Max))
		}
	}
	return []string{canonical}, nil
}

// rangeText formats a range without exponents: 1-1000000.
func rangeText(low, high float64) string {
	return strconv.FormatFloat(low, 'f', -1, 64) + "-" + strconv.FormatFloat(high, 'f', -1, 64)
}
