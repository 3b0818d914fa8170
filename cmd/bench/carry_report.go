package main

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/sweep/stat"
)

// report adds the figures of a model's rows. pick is the choice of the prediction.
func (c carrySides) report(m comparedModel, rows []carryRow, pick knob.Settings) error {
	rng := rand.New(rand.NewPCG(c.e.seed, 0))
	for i := range rows {
		if err := c.reportRow(m, &rows[i], rng); err != nil {
			return err
		}
	}
	c.reportRanks(m, rows)
	c.reportRegret(m, rows, pick)
	return nil
}

// reportRow adds the ratios of one setting.
func (c carrySides) reportRow(m comparedModel, r *carryRow, rng *rand.Rand) error {
	s := r.settings
	name := fmt.Sprintf("%s.%s", m.name, settingsName(s))
	rates, otherRates := r.rates(-1)
	iv := stat.Paired(rates, otherRates, rng)
	_, kept, all := r.used(-1)
	c.e.report.Add(judge.Figure{
		Name: "carry.rate." + name, Value: iv.Value, Unit: "ratio", Detail: fmt.Sprintf("95%% %s-%s, ours %s/s, TorchServe %s/s, predicted for it with its cost %s/s (%+.0f%%), %d of %d pairs undisturbed",
			judge.Number(iv.Low), judge.Number(iv.High), judge.Number(r.rate()), judge.Number(r.otherRate()), judge.Number(r.predicted.Rate),
			100*(r.predicted.Rate/r.otherRate()-1), kept, all),
	})
	own, other, err := r.latencies()
	if err != nil {
		return err
	}
	c.e.report.Add(judge.Figure{
		Name: "carry.p99." + name, Value: p99(own) / p99(other), Unit: "ratio", Detail: fmt.Sprintf("ours %s ms, TorchServe %s ms, predicted for it %s ms",
			judge.Number(p99(own)), judge.Number(p99(other)), judge.Number(r.predicted.P99)),
	})
	return nil
}

// reportRanks adds how well the orders of the settings agree, and what bounds it.
func (c carrySides) reportRanks(m comparedModel, rows []carryRow) {
	var own, other, predicted, errs []float64
	passes := make([][]float64, c.e.budget.carry().passes)
	for i := range rows {
		r := &rows[i]
		own, other, predicted = append(own, r.rate()), append(other, r.otherRate()), append(predicted, r.predicted.Rate)
		errs = append(errs, math.Abs(math.Log(r.predicted.Rate/r.otherRate())))
		for pass := range passes {
			passes[pass] = append(passes[pass], r.otherRateIn(pass))
		}
	}
	detail := fmt.Sprintf("%d settings, %d clients", len(rows), comparedClients)
	c.add("rank."+m.name+".ours", spearman(own, other), "rho", detail)
	c.addPredicted("rank."+m.name+".predicted", spearman(predicted, other), "rho", detail)
	if len(passes) == 2 {
		rho := spearman(passes[0], passes[1])
		c.add("rank."+m.name+".ceiling", ceiling(rho), "rho",
			fmt.Sprintf("what a prediction without error would have: the two passes over the settings on TorchServe have %s with each other", judge.Number(rho)))
	}
	c.addPredicted("error."+m.name, middle(errs), "share", "median of the differences of predicted and measured rates")
}

// ceiling returns the correlation with the mean of two measurements that their true values would have, if the two have the correlation r with
// each other (Spearman 1910, Brown 1910).
func ceiling(r float64) float64 {
	if !(r > 0) {
		return 0
	}
	return math.Sqrt(2 * r / (1 + r))
}

// reportRegret adds how far the choices are from the best setting on the TorchServe.
func (c carrySides) reportRegret(m comparedModel, rows []carryRow, pick knob.Settings) {
	best := slices.MaxFunc(rows, func(a, b carryRow) int { return cmp.Compare(a.otherRate(), b.otherRate()) })
	ours := slices.MaxFunc(rows, func(a, b carryRow) int { return cmp.Compare(a.rate(), b.rate()) })
	chosen := rows[slices.IndexFunc(rows, func(r carryRow) bool { return r.settings == pick })]
	for _, x := range []struct {
		name string
		row  carryRow
		add  func(name string, value float64, unit, detail string)
	}{{"ours", ours, c.add}, {"predicted", chosen, c.addPredicted}} {
		x.add("regret."+m.name+"."+x.name, 1-x.row.otherRate()/best.otherRate(), "share", fmt.Sprintf("%s has %s/s there, the best %s %s/s",
			settingsName(x.row.settings), judge.Number(x.row.otherRate()), settingsName(best.settings), judge.Number(best.otherRate())))
	}
}

func (c carrySides) add(name string, value float64, unit, detail string) {
	c.e.report.Add(judge.Figure{Name: "carry." + name, Value: value, Unit: unit, Detail: detail})
}

// addPredicted adds a figure of the predictions. It is undecided if the machine was busy while their base was measured.
func (c carrySides) addPredicted(name string, value float64, unit, detail string) {
	f := judge.Figure{Name: "carry." + name, Value: value, Unit: unit, Detail: detail}
	if carryDisturbed(c.probed) {
		iv := openInterval(value)
		f.Interval = &iv
		f.Detail += fmt.Sprintf("; other processes used %.0f%% of the machine and the hypervisor %.0f%% while the probe ran", 100*c.probed.Foreign, 100*c.probed.Steal)
	}
	c.e.report.Add(f)
}

// spearman returns the rank correlation of two lists; equal values have the mean of their ranks. It is NaN if a value
// is missing.
func spearman(a, b []float64) float64 {
	if slices.ContainsFunc(slices.Concat(a, b), math.IsNaN) {
		return math.NaN()
	}
	ra, rb := ranks(a), ranks(b)
	mean := float64(len(a)+1) / 2
	var ab, aa, bb float64
	for i := range ra {
		x, y := ra[i]-mean, rb[i]-mean
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

// ranks returns the ranks of the values, from 1.
func ranks(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		less, equal := 0, 0
		for _, y := range v {
			switch {
			case y < x:
				less++
			case y == x:
				equal++
			}
		}
		out[i] = float64(less) + float64(equal+1)/2
	}
	return out
}
