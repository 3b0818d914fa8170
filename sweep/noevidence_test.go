package sweep_test

import (
	"context"
	"errors"
	"testing"

	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// failing is a device whose measurements from this one on return an error.
type failing struct {
	*device
	from int
	err  error
}

func (f *failing) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	if f.measured+1 >= f.from {
		f.measured++
		return trial.Result{}, f.err
	}
	return f.device.Measure(ctx, m)
}

// TestErrorsOfTrials: a trial whose error is no evidence about the server has no verdict; with any other error it fails.
func TestErrorsOfTrials(t *testing.T) {
	for _, c := range []struct {
		err  error
		want trial.Answer
	}{
		{errors.New("out of memory"), trial.Fail},
		{sweep.NoEvidence(errors.New("not recorded")), trial.Undecided},
		{context.Canceled, trial.Undecided},
	} {
		n := &memoryRecorder{}
		r := runner(&device{}, n, 20*ms)
		r.Target = &failing{&device{}, 2, c.err}
		if _, err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if x := n.trials[1]; x.Verdict.Result != c.want || x.Verdict.Likely() != c.want || x.Error != c.err.Error() {
			t.Errorf("%v: %v, error %q; want %v", c.err, x.Verdict, x.Error, c.want)
		}
	}
}

// TestValidationsWithoutEvidenceEnd: validations that cannot be measured are not repeated for ever, and nothing is chosen.
func TestValidationsWithoutEvidenceEnd(t *testing.T) {
	n := &memoryRecorder{}
	r := runner(&device{}, n, 40*ms)
	d := &failing{&device{}, 5, sweep.NoEvidence(errors.New("not recorded"))}
	r.Target = d
	r.BeforePoint = func(context.Context) error {
		if d.measured > 20 {
			return sweep.ErrAborted
		}
		return nil
	}
	out, err := r.Run(t.Context())
	if err != nil || out.Choice != nil || out.Aborted || len(out.Trials) != 7 {
		t.Errorf("%d trials, choice %v, aborted %v, %v; want 7 trials and no choice", len(out.Trials), out.Choice, out.Aborted, err)
	}
}
