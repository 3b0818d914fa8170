package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/api/control"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// The answers of a trial are compared with those of single runs: answers to singleBodies bodies,
// fewer after singleTime. A first answer that takes longer than slowAnswer ends the comparison.
const (
	singleBodies = 16
	singleTime   = 2 * time.Second
	slowAnswer   = 2 * time.Second
)

// The tolerances of numbers, as a share of the largest number of an output. A runtime may use other
// kernels for a batch, which add in another order.
const (
	tolerance     = 1. / 1000
	halfTolerance = 1. / 100
)

// single is the answer to a body that was sent alone.
type single struct {
	data       []byte
	repeatable bool // a second answer agrees with it
}

// placeKey identifies the single answers that can be compared: those of another precision or device
// differ.
type placeKey struct {
	precision knob.Precision
	device    string
}

func placeOf(s knob.Settings) placeKey { return placeKey{s.Precision, s.Device} }

func (k placeKey) tolerance() float64 {
	if k.precision == knob.HalfPrecision {
		return halfTolerance
	}
	return tolerance
}

// chosenBodies returns the indexes of the bodies whose answers are compared.
func chosenBodies(n int, seed uint64) []int {
	out := rand.New(rand.NewPCG(seed, 0x626f6479)).Perm(n)
	out = out[:min(n, singleBodies)]
	slices.Sort(out)
	return out
}

// singleAnswers returns the answers to bodies that are sent alone, with the precision and device in
// force, by the index of the body. They are asked for once, with batch size 1, so that no request
// waits for a batch. There must be no load.
func (t *Target) singleAnswers(ctx context.Context) (map[int]single, error) {
	t.mu.Lock()
	key, s, name, cl := placeOf(t.lastSettings), t.lastSettings, t.info.Model.Name, t.client
	known, ok := t.singles[key]
	c, outputs := t.runConfig(load.Spec{}), t.info.Model.Outputs
	ok = ok || t.simulated
	t.mu.Unlock()
	if ok {
		return known, nil
	}
	if one := s; one.BatchSize > 1 {
		one.BatchSize = 1
		if _, err := cl.apply(ctx, name, one); err != nil {
			return nil, err
		}
	}
	out := t.askSingles(ctx, c, outputs, key.tolerance())
	if s.BatchSize > 1 {
		if _, err := cl.apply(ctx, name, s); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.singles == nil {
		t.singles = map[placeKey]map[int]single{}
	}
	t.singles[key] = out
	return out, nil
}

// comparedAlone is what is known of the settings in force without load.
type comparedAlone struct {
	place     placeKey
	singles   map[int]single
	agreement *trial.FP16Agreement // nil in FP32
}

// compareAlone returns the single answers with the settings in force and, in FP16, the agreement
// with FP32. What the child cannot tell is missing. An error means that the child has died or that
// ctx has ended.
func (t *Target) compareAlone(ctx context.Context) (comparedAlone, error) {
	t.mu.Lock()
	out := comparedAlone{place: placeOf(t.lastSettings)}
	t.mu.Unlock()
	fatal := func(err error) bool { return ctx.Err() != nil || errors.Is(err, sweep.ErrEngineDied) }
	if out.place.precision == knob.HalfPrecision {
		a, err := t.CheckFP16(ctx)
		switch {
		case fatal(err):
			return out, err
		case err == nil && a.Samples > 0:
			out.agreement = &a
		}
	}
	singles, err := t.singleAnswers(ctx)
	if err != nil {
		t.mu.Lock()
		err = t.cause(ctx, err)
		t.mu.Unlock()
	}
	if fatal(err) {
		return out, err
	}
	out.singles = singles
	return out, nil
}

// addTo adds the comparisons to the result of a trial with the kept answers.
func (c comparedAlone) addTo(out *trial.Result, kept []load.Kept, outputs []tensor.Spec) {
	out.FP16 = c.agreement
	out.Answers = checkAnswers(kept, c.singles, outputs, c.place.tolerance())
	if out.Answers != nil && out.Answers.Remark() != "" {
		out.Warnings = append(out.Warnings, trial.Warning{Text: out.Answers.Remark()})
	}
}

// CheckFP16 compares the FP16 outputs of the model with its FP32 outputs on the device in force,
// once for each device. It may open the model a second time in the child.
func (t *Target) CheckFP16(ctx context.Context) (trial.FP16Agreement, error) {
	t.mu.Lock()
	device := t.lastSettings.Device
	known, ok := t.agreements[device]
	t.mu.Unlock()
	if ok {
		return known, nil
	}
	var in control.Agreement
	s, _, err := t.query(ctx, "precision", struct{}{}, &in)
	if err != nil {
		return trial.FP16Agreement{}, err
	}
	out := trial.FP16Agreement{Samples: in.Samples, Agree: in.Agree, Clipped: in.Clipped}
	if in.Largest != nil {
		out.Largest = trial.NumOf(*in.Largest)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.agreements == nil {
		t.agreements = map[string]trial.FP16Agreement{}
	}
	t.agreements[device] = out
	for _, s.Precision = range []knob.Precision{knob.FullPrecision, knob.HalfPrecision} {
		t.ranSettings[memoryKey(s)] = true // both were open, so that the memory of the child is not that of one
	}
	return out, nil
}

// askSingles sends each chosen body twice. Bodies without an answer are omitted.
func (t *Target) askSingles(ctx context.Context, c load.Config, outputs []tensor.Spec, tol float64) map[int]single {
	out := map[int]single{}
	begin := time.Now()
	for _, i := range chosenBodies(len(c.Bodies), t.cfg.Seed) {
		ask := func() ([]byte, error) {
			return t.askOnce(ctx, c.Path, c.Header, c.Bodies[i].Type, c.Bodies[i].Data)
		}
		first, err := ask()
		if time.Since(begin) > slowAnswer && len(out) == 0 {
			return out
		}
		if err != nil {
			continue
		}
		if second, err := ask(); err == nil {
			out[i] = single{first, answersAgree(first, second, outputs, tol)}
		}
		if time.Since(begin) > singleTime {
			break
		}
	}
	return out
}

// checkAnswers compares kept answers with single answers. It returns nil if there is nothing to
// compare.
func checkAnswers(kept []load.Kept, singles map[int]single, outputs []tensor.Spec, tol float64) *trial.AnswerCheck {
	out := trial.AnswerCheck{Tolerance: tol}
	for _, k := range kept {
		want, ok := singles[k.Body]
		switch {
		case !ok:
		case !want.repeatable:
			out.NotRepeatable++
		default:
			out.Compared++
			if !answersAgree(want.data, k.Data, outputs, tol) {
				out.Differ++
			}
		}
	}
	if out.Compared+out.NotRepeatable == 0 {
		return nil
	}
	return &out
}

// answersAgree reports whether two answers of a model with these outputs agree: a single output is
// raw, several are JSON, and a model without outputs answers with any bytes.
func answersAgree(a, b []byte, outputs []tensor.Spec, tol float64) bool {
	switch {
	case bytes.Equal(a, b):
		return true
	case len(a) != len(b) && len(outputs) == 1, len(outputs) == 0:
		return false
	case len(outputs) == 1:
		t := outputs[0].Type
		return t.IsFloat() && len(a)%t.Size() == 0 && numbersAgree(tensor.Tensor{Type: t, Data: a}.Numbers(), tensor.Tensor{Type: t, Data: b}.Numbers(), tol)
	}
	x, okX := readOutputs(a)
	y, okY := readOutputs(b)
	return okX && okY && slices.EqualFunc(x, y, func(x, y output) bool { return x.agrees(y, tol) })
}

// output is an output in the JSON of the Open Inference Protocol. NaN and infinities are null or text.
type output struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
	Data     []any   `json:"data"`
}

func readOutputs(b []byte) ([]output, bool) {
	var v struct {
		Outputs []output `json:"outputs"`
	}
	return v.Outputs, json.Unmarshal(b, &v) == nil && len(v.Outputs) > 0
}

// agrees reports whether two outputs agree. Only floats may differ.
func (x output) agrees(y output, tol float64) bool {
	if x.Name != y.Name || x.Datatype != y.Datatype || !slices.Equal(x.Shape, y.Shape) || len(x.Data) != len(y.Data) {
		return false
	}
	if !strings.HasPrefix(x.Datatype, "FP") && !strings.HasPrefix(x.Datatype, "BF") {
		tol = 0
	}
	var a, b []float64
	for i := range x.Data {
		u, isNumber := x.Data[i].(float64)
		v, alsoNumber := y.Data[i].(float64)
		switch {
		case isNumber != alsoNumber:
			return false
		case isNumber:
			a, b = append(a, u), append(b, v)
		case !sameScalar(x.Data[i], y.Data[i]):
			return false
		}
	}
	return numbersAgree(a, b, tol)
}

// sameScalar compares two JSON values that are not numbers.
func sameScalar(a, b any) bool {
	switch a.(type) {
	case string, bool, nil:
		return a == b
	}
	return false // arrays and objects, which outputs do not have
}

// numbersAgree reports whether no two numbers differ by more than tol times the largest finite
// number of a.
func numbersAgree(a, b []float64, tol float64) bool {
	scale := 0.
	for _, v := range a {
		if size := math.Abs(v); size > scale && !math.IsInf(size, 0) { // false for NaN
			scale = size
		}
	}
	for i := range a {
		if a[i] == b[i] || math.IsNaN(a[i]) && math.IsNaN(b[i]) {
			continue
		}
		if d := math.Abs(a[i] - b[i]); !(d <= tol*scale) {
			return false
		}
	}
	return true
}
