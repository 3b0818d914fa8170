package profiles

import (
	"errors"
	"fmt"
	"strings"

	"sweetspot/sweep/trial"
)

// ErrNotComparable is wrapped by the error of a comparison of profiles that are not
// comparable.
var ErrNotComparable = errors.New("not comparable")

// ErrNoPairs is wrapped too if there is nothing to compare, such as a profile without a choice: to force the
// comparison has no effect.
var ErrNoPairs = errors.New("nothing to compare")

// noPairs is an ErrNoPairs with the text of its reason.
type noPairs struct{ error }

func (noPairs) Is(target error) bool { return target == ErrNoPairs }

// notComparableError is an ErrNotComparable with another text.
type notComparableError struct{ text string }

func (e notComparableError) Error() string { return e.text }
func (e notComparableError) Unwrap() error { return ErrNotComparable }

func notComparable(format string, args ...any) error {
	return notComparableError{fmt.Sprintf(format, args...)}
}

// modelDifferences lists what says that two profiles are of different models, in words.
func modelDifferences(a, b Model) []string {
	switch {
	case a.Name != b.Name:
		return []string{fmt.Sprintf("model: %s and %s", a.Name, b.Name)}
	case sameModel(a, b):
		return nil
	case a.SHA256 == "" || b.SHA256 == "":
		return []string{fmt.Sprintf("model: it is not known whether %s is the same file: sha256 %.12s and %.12s", a.Name, orNone(a.SHA256), orNone(b.SHA256))}
	}
	return []string{fmt.Sprintf("model: %s is not the same file: sha256 %.12s and %.12s", a.Name, orNone(a.SHA256), orNone(b.SHA256))}
}

// differences lists what else makes two profiles not comparable, in words.
func differences(a, b Header) []string {
	var out []string
	differ := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %s and %s", what, a, b))
		}
	}
	differ("kind", string(a.Kind), string(b.Kind))
	if text := otherRequests(a.Model, b.Model); text != "" {
		out = append(out, text)
	}
	if a.Machine.Class == b.Machine.Class && a.Machine.Class != "" {
		return out
	}
	before := len(out)
	differ("remote machine", orNone(a.Machine.Remote), orNone(b.Machine.Remote))
	differ("CPU", orNotKnown(a.Machine.CPU), orNotKnown(b.Machine.CPU))
	differ("cores", cores(a.Machine.Cores), cores(b.Machine.Cores))
	differ("memory", memory(a.Machine.MemoryMB), memory(b.Machine.MemoryMB))
	differ("GPUs", gpus(a.Machine), gpus(b.Machine))
	differ("runtime", orNone(a.Machine.Runtime), orNone(b.Machine.Runtime))
	if len(out) == before {
		out = append(out, fmt.Sprintf("machine class: %.19s and %.19s", orNone(a.Machine.Class), orNone(b.Machine.Class)))
	}
	return out
}

// sameModel reports whether two models are the same as far as it is known. A remote server may not
// report the hash of its model; then the names count.
func sameModel(a, b Model) bool {
	return a.SHA256 == b.SHA256 && (a.SHA256 != "" || a.Name == b.Name)
}

// CheckComparable returns an error that wraps [ErrNotComparable] if trials of a profile are
// not comparable with measurements of a model on a machine.
func (h Header) CheckComparable(m Model, on Machine) error {
	switch {
	case h.Model.SHA256 == m.SHA256 && !sameModel(h.Model, m):
		return notComparable("%s measured another model (%s, this is %s)", h.ID, h.Model.Name, m.Name)
	case !sameModel(h.Model, m):
		return notComparable("%s measured another model of that name (sha256 %.12s, this is %.12s)", h.ID, orNone(h.Model.SHA256), orNone(m.SHA256))
	case h.Machine.Class != on.Complete().Class:
		return notComparable("%s was measured on another kind of machine", h.ID)
	}
	if text := otherRequests(h.Model, m); text != "" {
		return notComparable("%s was measured with other requests: %s", h.ID, text)
	}
	return nil
}

// otherRequests says how the requests of two measurements of a model differ, or "". Profiles of
// earlier versions do not have the hash of given bodies, so that one without it fits any.
func otherRequests(a, b Model) string {
	switch {
	case a.BodiesSHA256 != "" && b.BodiesSHA256 != "" && a.BodiesSHA256 != b.BodiesSHA256:
		return fmt.Sprintf("bodies: not the same: sha256 %.8s and %.8s", a.BodiesSHA256, b.BodiesSHA256)
	case a.BodiesSHA256 == "" && b.BodiesSHA256 == "" && a.Lengths != "" && b.Lengths != "" && a.Lengths != b.Lengths:
		return fmt.Sprintf("lengths of requests: %s and %s", a.Lengths, b.Lengths)
	}
	return ""
}

// CheckModel returns an error that wraps [ErrNotComparable] and names the profile if one of
// the profiles is not of the model.
func CheckModel(m Model, hs ...Header) error {
	for _, h := range hs {
		if !sameModel(h.Model, m) {
			return notComparable("%s measured another model (%s, sha256 %.12s; this is %s, %.12s)", h.ID, h.Model.Name, orNone(h.Model.SHA256), m.Name, orNone(m.SHA256))
		}
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// notKnown is what is shown for what a server does not report.
const notKnown = "n/a"

func orNotKnown(s string) string {
	if s == "" {
		return notKnown
	}
	return s
}

func cores(n int) string {
	if n == 0 {
		return notKnown
	}
	return fmt.Sprint(n)
}

// memory returns a size as rounded for machine classes, so that sizes of one class are equal.
func memory(mb trial.Num) string {
	v, ok := mb.Get()
	if !ok {
		return notKnown
	}
	return fmt.Sprintf("%d MB", roundMemory(int(v)))
}

func gpus(m Machine) string {
	if m.GPUs == nil && m.Remote != "" {
		return notKnown
	}
	names := make([]string, len(m.GPUs))
	for i, g := range m.GPUs {
		names[i] = g.Name + " " + memory(g.MemoryMB)
	}
	return orNone(strings.Join(names, ", "))
}
