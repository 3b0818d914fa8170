package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// A comparison of precisions runs so many samples on each side, fewer when time
// is up; two outputs agree within a share of the largest number.
const (
	compareItems = 16
	compareTime  = 2 * time.Second
	compareAgree = 0.01
)

// Noter is a Session that has something to say about its precision, beside what
// a comparison measures: what the conversion did and what its answers are worth.
type Noter interface {
	Note() string
}

// agreement is how far two sessions' answers to the same samples are apart.
type agreement struct {
	items, agree int
	largest      float64 // difference of two numbers; infinite if one side has none
}

// agreeing tells, as a step, how far the answers of next agree with those of the
// pool in force, if that has another precision.
func (s *Served) agreeing(ctx context.Context, next Session, to knob.Config, step func(Step)) error {
	s.mu.Lock()
	old := s.pool
	s.mu.Unlock()
	if old == nil || old.cfg.Precision == to.Precision || len(s.model.Inputs) == 0 {
		return nil
	}
	begin := time.Now()
	text, err := s.compare(ctx, old, next, to)
	if err != nil {
		return fmt.Errorf("compare %s with %s: %w", to.Precision, old.cfg.Precision, err)
	}
	step(Step{text, time.Since(begin)})
	return nil
}

// compare runs the same samples on the pool in force and on next, which has
// another precision, and says how far their answers agree.
func (s *Served) compare(ctx context.Context, p *pool, next Session, to knob.Config) (string, error) {
	old, free, err := s.comparable(ctx, p)
	if err != nil {
		return "", err
	}
	a, err := s.agree(ctx, old, next)
	if err = errors.Join(err, free()); err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s agrees on %d of %d samples, largest difference %s", to.Precision, a.agree, a.items, short(a.largest))
	if n, ok := next.(Noter); ok && n.Note() != "" {
		text += ", " + n.Note()
	}
	return text, nil
}

// short is v in two digits, as people write it: 1.4e-5, 0.26, 140.
func short(v float64) string {
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.Replace(strconv.FormatFloat(v, 'g', 2, 64), "e-0", "e-", 1)
}

// comparable is a session of p that may run beside its workers: the shared one,
// or one more of those that workers have for themselves.
func (s *Served) comparable(ctx context.Context, p *pool) (Session, func() error, error) {
	if shared := p.sharedNow(); shared != nil {
		return shared, func() error { return nil }, nil
	}
	own, err := s.openSession(ctx, p.cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("open a session to compare with: %w", err)
	}
	return own, own.Close, nil
}

func (s *Served) agree(ctx context.Context, old, next Session) (a agreement, err error) {
	rng := rand.New(rand.NewPCG(3, 4))
	deadline := time.Now().Add(compareTime)
	for a.items < compareItems && (a.items == 0 || time.Now().Before(deadline)) {
		rows := []payload.Row{{Item: tensor.SampleItem(s.model.Inputs, rng)}}
		before, after := make([]payload.Result, 1), make([]payload.Result, 1)
		if err := run(ctx, old, rows, before); err != nil {
			return a, err
		}
		if err := run(ctx, next, rows, after); err != nil {
			return a, err
		}
		a.add(before[0].Outputs, after[0].Outputs)
	}
	return a, nil
}

// add compares the answers to one sample.
func (a *agreement) add(x, y tensor.Item) {
	same := len(x) == len(y)
	for i := range min(len(x), len(y)) {
		ok, diff := alike(x[i], y[i])
		same = same && ok
		a.largest = max(a.largest, diff)
	}
	a.items++
	if same {
		a.agree++
	}
}

// alike tells whether two outputs say the same, and the largest difference of
// their numbers. Integers say the same when they are equal; floats when none is
// off by more than a hundredth of the largest, or when in both, being a vector,
// the same one is the largest: the class of a classifier.
func alike(x, y tensor.Tensor) (bool, float64) {
	if x.Type != y.Type || !slices.Equal(x.Shape, y.Shape) {
		return false, 0 // other sizes: there is nothing to subtract
	}
	if x.Type != tensor.Float32 && x.Type != tensor.Float64 {
		return bytes.Equal(x.Data, y.Data), 0
	}
	a, b := x.Numbers(), y.Numbers()
	diff, largest := 0.0, 0.0
	for i := range a {
		diff = max(diff, distance(a[i], b[i]))
		if size := math.Abs(a[i]); size > largest && !math.IsInf(size, 0) {
			largest = size
		}
	}
	classes := len(x.Shape) == 1 && len(a) > 1 && !math.IsInf(diff, 0)
	return diff <= compareAgree*largest || classes && first(a) == first(b), diff
}

// distance is infinite where only one of two numbers is finite, or they are
// different infinities.
func distance(u, v float64) float64 {
	if u == v || math.IsNaN(u) && math.IsNaN(v) {
		return 0
	}
	if d := math.Abs(u - v); !math.IsNaN(d) {
		return d
	}
	return math.Inf(1)
}

// first is the position of the largest number.
func first(v []float64) int {
	at := 0
	for i := range v {
		if v[i] > v[at] {
			at = i
		}
	}
	return at
}
