package runs

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// SideValue is one value of all side inputs of a model, in their order, and what running showed
// about it.
type SideValue struct {
	Values []tensor.Tensor
	Why    string // rows with it must not run together, because of this; "" if they may
}

// Sides remembers for which values of the side inputs rows may run together: a model may mix
// its items for one value, such as an axis of 0 or the mode of training, and not for another. It
// is safe for concurrent use, and several sessions share one.
type Sides struct {
	inputs  []int // the positions of the side inputs in an item
	samples []payload.Row
	report  func(SideValue)
	seed    maphash.Seed

	mu    sync.RWMutex // guards known
	known map[uint64]knowledge
}

// knowledge is what is known about one value.
type knowledge struct {
	verdict verdict
	tries   int // checks that decided nothing
}

type verdict uint8

const (
	unknown  verdict = iota
	together         // rows may run together
	alone            // each row runs alone
)

// Bounds of what is remembered. Rows with further values run alone; so do those with a value
// whose checks decide nothing, because all answers are equal.
const (
	maxSides = 256
	maxTries = 4
)

// NewSides returns the knowledge about the side inputs at the positions. verified has what is
// known already. samples are rows that checks may use beside those of requests. report is called
// for each value that turns out to be for single rows only; it may be nil.
func NewSides(inputs []int, verified []SideValue, samples []payload.Row, report func(SideValue)) *Sides {
	s := &Sides{inputs: inputs, samples: samples, report: report, seed: maphash.MakeSeed(), known: map[uint64]knowledge{}}
	for _, v := range verified {
		k := knowledge{verdict: together}
		if v.Why != "" {
			k.verdict = alone
		}
		s.known[s.hash(func(i int) tensor.Tensor { return v.Values[i] })] = k
	}
	return s
}

// hash is a number for the values of the side inputs. The seed is secret, so that no client can
// make up two values of one number.
func (s *Sides) hash(value func(i int) tensor.Tensor) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for i := range s.inputs {
		t := value(i)
		maphash.WriteComparable(&h, [3]int64{int64(len(t.Shape)), int64(len(t.Data)), int64(t.Type)})
		for _, n := range t.Shape {
			maphash.WriteComparable(&h, n)
		}
		_, _ = h.Write(t.Data)
	}
	return h.Sum64()
}

func (s *Sides) of(item tensor.Item) uint64 {
	return s.hash(func(i int) tensor.Tensor { return item[s.inputs[i]] })
}

// verdict returns what is known about the side inputs of item.
func (s *Sides) verdict(item tensor.Item) verdict {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k, ok := s.known[s.of(item)]
	if !ok && len(s.known) >= maxSides {
		return alone
	}
	return k.verdict
}

// learn remembers the result of a check of rows with the side inputs of item: why they may not
// run together, or whether it decided anything. A value for single rows stays one.
func (s *Sides) learn(item tensor.Item, why error, decided bool) {
	key := s.of(item)
	s.mu.Lock()
	k, ok := s.known[key]
	was := k.verdict
	k.tries++
	switch {
	case was == alone || !ok && len(s.known) >= maxSides:
		s.mu.Unlock()
		return
	case why == nil && decided:
		k.verdict = together
	case why == nil && k.tries >= maxTries:
		why = errors.New("all answers are equal, so that it cannot be seen whether batches mix them")
	}
	if why != nil {
		k.verdict = alone
	}
	s.known[key] = k
	s.mu.Unlock()
	if why != nil && s.report != nil {
		v := SideValue{Why: why.Error()}
		for _, i := range s.inputs {
			v.Values = append(v.Values, item[i])
		}
		s.report(v)
	}
}

// like returns items for a check: the rows that differ from one another, then samples of the
// same shapes with the side inputs of the rows, at most n in all.
func (s *Sides) like(rows []payload.Row, n int) []tensor.Item {
	var out []tensor.Item
	add := func(item tensor.Item) {
		if len(out) < n && !slices.ContainsFunc(out, func(o tensor.Item) bool { return sameData(o, item) }) {
			out = append(out, item)
		}
	}
	for _, r := range rows[:min(len(rows), n/2+1)] {
		add(r.Item)
	}
	for _, r := range s.samples {
		if item := s.withSide(r.Item, rows[0].Item); item != nil {
			add(item)
		}
	}
	return out
}

// withSide returns the item with the side inputs of from; nil if another input has other sizes.
func (s *Sides) withSide(item, from tensor.Item) tensor.Item {
	if len(item) != len(from) {
		return nil
	}
	out := slices.Clone(item)
	for i := range out {
		switch {
		case slices.Contains(s.inputs, i):
			out[i] = from[i]
		case !slices.Equal(item[i].Shape, from[i].Shape) || item[i].IsZero() != from[i].IsZero():
			return nil
		}
	}
	return out
}

func sameData(a, b tensor.Item) bool {
	return slices.EqualFunc(a, b, func(x, y tensor.Tensor) bool { return bytes.Equal(x.Data, y.Data) })
}

// Text is the value for people: mode=2, of large inputs only the beginning. names are those of
// the side inputs.
func (v SideValue) Text(names []string) string {
	const most = 4
	parts := make([]string, len(v.Values))
	for i, t := range v.Values {
		var words []string
		switch {
		case t.IsZero():
			words = []string{"default"}
		case t.Type == tensor.String:
			texts, _ := tensor.Texts(t.Data)
			for _, text := range texts[:min(len(texts), most)] {
				words = append(words, fmt.Sprintf("%.20q", text))
			}
		default:
			for k := range min(len(t.Data)/t.Type.Size(), most) {
				words = append(words, fmt.Sprint(tensor.At(t.Type, t.Data, k)))
			}
		}
		if tensor.Elements(t.Shape) > most {
			words = append(words, "...")
		}
		parts[i] = names[i] + "=" + strings.Join(words, ",")
	}
	return strings.Join(parts, " ")
}
