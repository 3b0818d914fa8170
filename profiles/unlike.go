package profiles

import (
	"errors"
	"fmt"
	"strings"

	"sweetspot/sweep/trial"
)

// ErrUnlike is in the error of a comparison of things that do not compare.
var ErrUnlike = errors.New("not comparable")

// unlikeError is an ErrUnlike in words of its own.
type unlikeError struct{ text string }

func (e unlikeError) Error() string { return e.text }
func (e unlikeError) Unwrap() error { return ErrUnlike }

func unlikef(format string, args ...any) error { return unlikeError{fmt.Sprintf(format, args...)} }

// unlike says in words what of two profiles has to be equal and is not.
func unlike(a, b Header) []string {
	var out []string
	differ := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %s and %s", what, a, b))
		}
	}
	differ("kind", string(a.Kind), string(b.Kind))
	differ("model", a.Model.Name, b.Model.Name)
	if a.Model.Name == b.Model.Name && a.Model.SHA256 != b.Model.SHA256 {
		out = append(out, fmt.Sprintf("model: %s is not the same file: sha256 %.12s and %.12s", a.Model.Name, orNone(a.Model.SHA256), orNone(b.Model.SHA256)))
	}
	if a.Machine.Class == b.Machine.Class && a.Machine.Class != "" {
		return out
	}
	known := len(out)
	differ("remote machine", orNone(a.Machine.Remote), orNone(b.Machine.Remote))
	differ("CPU", a.Machine.CPU, b.Machine.CPU)
	differ("cores", fmt.Sprint(a.Machine.Cores), fmt.Sprint(b.Machine.Cores))
	differ("memory", memory(a.Machine.MemoryMB), memory(b.Machine.MemoryMB))
	differ("GPUs", gpus(a.Machine.GPUs), gpus(b.Machine.GPUs))
	differ("runtime", orNone(a.Machine.Runtime), orNone(b.Machine.Runtime))
	if len(out) == known {
		out = append(out, fmt.Sprintf("machine class: %.19s and %.19s", orNone(a.Machine.Class), orNone(b.Machine.Class)))
	}
	return out
}

// Unlike says why trials of a profile do not compare with those of a model on a
// machine, such as the ones to come; nil where nothing speaks against it. It is an
// error with [ErrUnlike].
func (h Header) Unlike(m Model, on Machine) error {
	switch {
	case h.Model.SHA256 != m.SHA256:
		return unlikef("%s measured another model of that name (sha256 %.12s, this is %.12s)", h.ID, h.Model.SHA256, m.SHA256)
	case h.Machine.Class != on.Complete().Class:
		return unlikef("%s was measured on another kind of machine", h.ID)
	}
	return nil
}

// OtherModel says which of the profiles is not of the model; nil where all are. It
// is an error with [ErrUnlike].
func OtherModel(m Model, hs ...Header) error {
	for _, h := range hs {
		if h.Model.SHA256 != m.SHA256 {
			return unlikef("%s measured another model (%s, sha256 %.12s; this is %s, %.12s)", h.ID, h.Model.Name, h.Model.SHA256, m.Name, m.SHA256)
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

// memory is a size as machine classes see it, so that what they forgive is no
// difference.
func memory(mb trial.Num) string { return fmt.Sprintf("%d MB", roundMemory(int(mb.Or(0)))) }

func gpus(list []GPU) string {
	names := make([]string, len(list))
	for i, g := range list {
		names[i] = g.Name + " " + memory(g.MemoryMB)
	}
	return orNone(strings.Join(names, ", "))
}
