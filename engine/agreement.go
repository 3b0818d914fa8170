package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
)

// Agreement says how the FP16 outputs of a model compare with its FP32 outputs for the
// same samples.
type Agreement struct {
	Samples int // compared; 0 if the model has no samples or no numbers
	Agree   int // of them
	// Largest is the largest difference of two numbers, as a share of the largest number of
	// the FP32 output. It is infinite if only one of two numbers is finite, or if the FP32
	// output is zero.
	Largest float64
	Clipped int64  // weights that are outside the range of FP16
	Note    string // further remarks of the backend; "" if there are none
}

// All reports whether all samples agree.
func (a Agreement) All() bool { return a.Agree == a.Samples }

// String returns the agreement as one line without the note.
func (a Agreement) String() string {
	text := fmt.Sprintf("fp16 agrees on %d of %d samples; largest difference %s; %d clipped value", a.Agree, a.Samples, formatShare(a.Largest), a.Clipped)
	if a.Clipped != 1 {
		text += "s"
	}
	return text
}

// withNote returns the agreement with the note.
func (a Agreement) withNote() string {
	if a.Note == "" {
		return a.String()
	}
	return a.String() + "; " + a.Note
}

// formatShare formats a share as percent with two digits: 0.0014%, 7.3%, 140%.
func formatShare(v float64) string {
	percent := 100 * v
	switch {
	case math.IsInf(v, 0):
		return "infinite"
	case percent >= 10:
		return strconv.FormatFloat(percent, 'f', 0, 64) + "%"
	}
	return strings.Replace(strconv.FormatFloat(percent, 'g', 2, 64), "e-0", "e-", 1) + "%"
}

// PrecisionReporter is a Session that reports what the conversion of its model to another
// precision changed.
type PrecisionReporter interface {
	// ConversionReport returns the number of weights that were clipped to the range of the
	// precision, and further remarks; 0 and "" for a model that was not converted.
	ConversionReport() (clipped int64, note string)
}

// CheckPrecision compares the FP16 outputs of the model with its FP32 outputs on its
// samples. It runs both precisions once for each device; later calls return the same
// result. It may open a session of each precision beside the workers, which become slower
// meanwhile. It runs while no other change does. Without samples the result is zero.
func (s *ModelService) CheckPrecision(ctx context.Context) (Agreement, error) {
	ctx, done, err := s.beginChange(ctx)
	if err != nil {
		return Agreement{}, fmt.Errorf("compare fp16 with fp32: %w", err)
	}
	defer done()
	a, err := s.checkPrecision(ctx)
	if err != nil {
		return Agreement{}, fmt.Errorf("compare fp16 with fp32: %w", err)
	}
	return a, nil
}

// Agreement returns the result of the last comparison of the precisions on the device in
// force; false if there was none.
func (s *ModelService) Agreement() (Agreement, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.agreements[s.cfg.Device]
	return a, ok
}

// checkPrecision is CheckPrecision inside a change.
func (s *ModelService) checkPrecision(ctx context.Context) (a Agreement, err error) {
	if a, ok := s.Agreement(); ok || !s.comparable() {
		return a, nil
	}
	var sessions [2]Session
	for i, precision := range []knob.Precision{knob.FullPrecision, knob.HalfPrecision} {
		session, closeSession, err := s.sessionWith(ctx, precision)
		if err != nil {
			return a, err
		}
		defer func() { err = errors.Join(err, closeSession()) }()
		sessions[i] = session
	}
	return s.compareSessions(ctx, sessions[0], sessions[1], s.Config().Device)
}

// Simulator is a Backend whose outputs say nothing about a model, because it only takes its time.
type Simulator interface {
	Simulates() bool
}

// Simulated reports whether the outputs say nothing about the model.
func (s *ModelService) Simulated() bool {
	b, ok := s.backend.(Simulator)
	return ok && b.Simulates()
}

// comparable reports whether the outputs of two precisions can be compared.
func (s *ModelService) comparable() bool {
	return len(s.model.Inputs) > 0 && len(s.model.Outputs) > 0 && !s.Simulated()
}

// sessionWith returns a session with the settings in force but the precision, which may run
// beside the workers: the shared one, or a new one for a single row.
func (s *ModelService) sessionWith(ctx context.Context, precision knob.Precision) (Session, func() error, error) {
	s.mu.Lock()
	p, c := s.pool, s.cfg
	s.mu.Unlock()
	if c.Precision == precision && p != nil {
		if shared := p.sharedSession(); shared != nil {
			return shared, func() error { return nil }, nil
		}
	}
	now := c
	c.Precision, c.Workers, c.BatchSize = precision, 1, 1
	if err := s.checkChange(now, c, true); err != nil {
		return nil, nil, err
	}
	session, err := s.openSession(ctx, c)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", precision, err)
	}
	return session, session.Close, nil
}
