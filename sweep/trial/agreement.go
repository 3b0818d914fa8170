package trial

import (
	"fmt"
	"strconv"
)

// FP16Agreement says how the FP16 outputs of a model compare with its FP32 outputs for the same
// samples. It is measured once for each model and device.
type FP16Agreement struct {
	Samples int   `json:"samples"` // compared; 0 if they cannot be compared
	Agree   int   `json:"agree"`   // of them
	Largest Num   `json:"largest"` // largest difference as a share of the largest number of an output; null is infinite
	Clipped int64 `json:"clipped"` // weights that are outside the range of FP16
}

// All reports whether all samples agree.
func (a FP16Agreement) All() bool { return a.Agree == a.Samples }

// String returns the agreement as one line: "fp16 agrees on 0 of 16 samples; largest difference
// 99%; 64 clipped values".
func (a FP16Agreement) String() string {
	if a.Samples == 0 {
		return "fp16 was not compared with fp32"
	}
	text := fmt.Sprintf("fp16 agrees on %d of %d samples; largest difference %s; %d clipped value", a.Agree, a.Samples, a.largestText(), a.Clipped)
	if a.Clipped != 1 {
		text += "s"
	}
	return text
}

// Short returns the agreement where there is little space: "agrees on 0 of 16".
func (a FP16Agreement) Short() string { return fmt.Sprintf("agrees on %d of %d", a.Agree, a.Samples) }

// largestText returns the largest difference in percent with two digits.
func (a FP16Agreement) largestText() string {
	v, ok := a.Largest.Get()
	switch {
	case !ok:
		return "infinite"
	case v >= .1:
		return strconv.FormatFloat(100*v, 'f', 0, 64) + "%"
	}
	return strconv.FormatFloat(100*v, 'g', 2, 64) + "%"
}

// AnswerCheck compares answers of a trial with answers to the same bodies alone, each in a batch of
// its own without load.
type AnswerCheck struct {
	Compared      int     `json:"compared"`                 // bodies
	Differ        int     `json:"differ"`                   // of them
	NotRepeatable int     `json:"not_repeatable,omitempty"` // further bodies, whose answers alone differ from one another
	Tolerance     float64 `json:"tolerance"`                // largest difference of numbers that agree, as a share of the largest number of an output
}

// String returns the comparison as one line.
func (c AnswerCheck) String() string {
	if c.Compared == 0 {
		return fmt.Sprintf("not compared with answers alone: all %d bodies have different answers in two runs alone", c.NotRepeatable)
	}
	text := fmt.Sprintf("%d compared with answers alone, %d differ by more than %g%%", c.Compared, c.Differ, 100*c.Tolerance)
	if c.NotRepeatable > 0 {
		text += fmt.Sprintf("; %d not repeatable", c.NotRepeatable)
	}
	return text
}

// Problem returns why the settings fail, or "" if all answers agree.
func (c AnswerCheck) Problem() string {
	if c.Differ == 0 {
		return ""
	}
	return fmt.Sprintf("answers differ in batches: %d of %d", c.Differ, c.Compared)
}

// Judge fails v if answers differ. c may be nil.
func (c *AnswerCheck) Judge(v *Verdict) {
	if c != nil && c.Differ > 0 {
		v.Result, v.Leaning, v.Why = Fail, Fail, c.Problem()
	}
}

// Remark returns what people should know about the comparison, or "".
func (c AnswerCheck) Remark() string {
	if c.NotRepeatable == 0 {
		return ""
	}
	return fmt.Sprintf("the model is not repeatable: %d of %d bodies have different answers in two runs alone, so that these were not compared with answers in batches",
		c.NotRepeatable, c.NotRepeatable+c.Compared)
}

// WrongAnswers returns why the answers of these settings cannot be used, or "": they differ in
// batches, or FP16 disagrees with FP32 and is not accepted.
func (r Result) WrongAnswers(acceptFP16 bool) string {
	if r.Answers != nil && r.Answers.Differ > 0 {
		return r.Answers.Problem()
	}
	if r.FP16 != nil && !r.FP16.All() && !acceptFP16 {
		return r.FP16.String()
	}
	return ""
}
