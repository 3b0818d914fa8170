package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine"
	"sweetspot/engine/handler"
	"sweetspot/engine/lengths"
	"sweetspot/engine/tensor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/stat"
)

// lengthsBlock is the length of a block: a batch padded to 128 takes a tenth of a second.
const lengthsBlock = 300 * time.Millisecond

// lengthsPlan is the plan of one comparison. A quick run has no time for blocks that replace
// disturbed ones.
func (b *lengthsBench) plan(length time.Duration) judge.Plan {
	p := b.shortPlan(b.watch())
	switch p.Length = max(p.Length, length); b.budget.mode {
	case "tests":
		p.Length, p.Blocks, p.MaxBlocks = 10*time.Millisecond, 8, 8
	case quick.mode:
		p.MaxBlocks = p.Blocks
	}
	return p
}

// lengthsTexts is the number of different texts, which are sent in turn. The answers to the
// first comparedTexts of them are compared.
const (
	lengthsTexts  = 512
	comparedTexts = 64
)

// measureLengths compares ways to run texts of different lengths together with padding all of
// them to 128 tokens: 16 clients over HTTP, one worker, one thread, batch size 8.
func measureLengths(ctx context.Context, e *env) error {
	b := &lengthsBench{env: e, measured: map[string]*variantResult{}, ratios: map[string]float64{padToAll: 1}, before: map[string]engine.Stats{}}
	var err error
	if b.child, err = e.startChild(ctx, lengthsCommand, &b.lengthsReady); err != nil {
		return err
	}
	return b.stop(b.measure(ctx))
}

// lengthsBench is the parent of the server.
type lengthsBench struct {
	*env
	lengthsReady
	*child
	texts    []load.Body
	drawn    []int64 // lengths of texts
	measured map[string]*variantResult
	ratios   map[string]float64      // rates divided by that of padToAll, of neighboring blocks
	before   map[string]engine.Stats // of the variants, before the blocks
}

// variantResult has the blocks of one variant.
type variantResult struct {
	samples  []load.Sample
	ms       []float64 // their latencies, in order of completion
	answered int
	seconds  float64
}

func (b *lengthsBench) measure(ctx context.Context) error {
	if err := b.drawTexts(); err != nil {
		return err
	}
	if err := b.compareAnswers(ctx); err != nil {
		return err
	}
	for _, v := range lengthVariants() {
		s, err := b.stats(ctx, v)
		if err != nil {
			return err
		}
		b.before[v.name] = s
	}
	if err := b.compareRates(ctx); err != nil {
		return err
	}
	for _, v := range lengthVariants() {
		if err := b.addShares(ctx, v); err != nil {
			return err
		}
	}
	if err := b.addPredictions(); err != nil {
		return err
	}
	return b.comparePolicies(ctx)
}

// drawTexts makes the bodies with lengths of the histogram.
func (b *lengthsBench) drawTexts() error {
	mix, err := newsMix()
	if err != nil {
		return err
	}
	s, err := lengths.For(b.Inputs, map[string]lengths.Shape{"input_ids": {mix}}, nil)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(b.seed, 1))
	for range lengthsTexts {
		item := s.Item(rng)
		body := handler.BodyOf(b.Inputs, item)
		b.texts = append(b.texts, load.Body{Type: body.Type, Data: body.Data})
		b.drawn = append(b.drawn, item[0].Shape[0])
	}
	return nil
}

// compareAnswers sends texts alone, and all of them from many clients to each variant, and
// adds the largest difference of the answers.
func (b *lengthsBench) compareAnswers(ctx context.Context) error {
	alone, err := b.answers(ctx, "equal", 1)
	if err != nil {
		return err
	}
	for _, v := range lengthVariants() {
		got, err := b.answers(ctx, v.name, lengthsClients)
		if err != nil {
			return err
		}
		largest := 0.0
		for i := range alone {
			for j := range alone[i] {
				largest = max(largest, math.Abs(alone[i][j]-got[i][j]))
			}
		}
		b.report.Add(judge.Figure{
			Name: "lengths.difference." + v.name, Value: largest, Unit: "logit",
			Detail: fmt.Sprintf("largest of %d answers, %d clients, batch size %d, compared with each text alone", len(alone), lengthsClients, lengthsBatch),
		})
	}
	return nil
}

// answers returns the answers of a variant to the first texts, in their order.
func (b *lengthsBench) answers(ctx context.Context, model string, clients int) ([][]float64, error) {
	texts := b.texts[:comparedTexts]
	if b.budget.mode == "tests" { // the answers to all of them take seconds
		texts = texts[:2*lengthsClients]
	}
	out, errs := make([][]float64, len(texts)), make([]error, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < len(texts) && errs[c] == nil; i += clients {
				out[i], errs[c] = b.ask(ctx, model, texts[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ask returns the numbers of one answer.
func (b *lengthsBench) ask(ctx context.Context, model string, body load.Body) ([]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.Predict+"/predictions/"+model, bytes.NewReader(body.Data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", body.Type)
	req.Header.Set("Accept", handler.TypeRaw)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && (res.StatusCode != http.StatusOK || len(data) == 0 || len(data)%4 != 0) {
		err = fmt.Errorf("%s: %s %.200s", model, res.Status, data)
	}
	return tensor.Tensor{Type: tensor.Float32, Data: data}.Numbers(), err
}

// block measures the requests a second of a variant for about d.
func (b *lengthsBench) block(model string) judge.Block {
	return func(ctx context.Context, d time.Duration) (float64, error) {
		res, err := load.Run(ctx, load.Config{
			Addr: b.Predict, Path: "/predictions/" + model, Header: [][2]string{{"Accept", handler.TypeRaw}},
			Bodies: b.texts, Spec: load.Spec{Mode: load.Closed, Concurrency: lengthsClients}, Limit: d, Seed: b.seed,
		})
		if err != nil {
			return 0, err
		}
		if err := requestError(res); err != nil {
			return 0, fmt.Errorf("%s: %w", model, err)
		}
		r := b.measured[model]
		if r == nil {
			r = &variantResult{}
			b.measured[model] = r
		}
		r.samples = append(r.samples, res.Samples...)
		for _, s := range res.Samples {
			r.ms = append(r.ms, s.Latency.Seconds()*1e3)
		}
		r.answered += len(res.Samples)
		r.seconds += res.Seconds
		return float64(len(res.Samples)) / res.Seconds, nil
	}
}

// compareRates adds the rate and the P99 of each variant, and its rate compared with that of
// padding to 128.
func (b *lengthsBench) compareRates(ctx context.Context) error {
	p := b.plan(lengthsBlock)
	var best judge.Ratio
	for _, v := range lengthVariants() {
		if v.name == padToAll {
			continue
		}
		r, err := judge.Paired(ctx, p, b.block(v.name), b.block(padToAll))
		if err != nil {
			return err
		}
		b.report.Add(r.Figure("lengths.ratio."+v.name, fmt.Sprintf("%s: %s/s, padded to %d: %s/s", v.about, judge.Number(r.A), newsHighest, judge.Number(r.B))))
		b.ratios[v.name] = r.Value
		if r.Value > best.Value {
			best = r
		}
	}
	b.report.Add(best.Figure("lengths.ratio.best", fmt.Sprintf("the best of them: %s/s", judge.Number(best.A))))
	for _, v := range lengthVariants() {
		r := b.measured[v.name]
		b.report.Add(judge.Figure{Name: "lengths.rate." + v.name, Value: float64(r.answered) / r.seconds, Unit: "1/s", Detail: fmt.Sprintf("%s, %d requests", v.about, r.answered)})
		p99 := stat.Quantile(r.ms, .99)
		b.report.Add(judge.Figure{Name: "lengths.p99." + v.name, Value: p99.Value, Unit: "ms", Detail: fmt.Sprintf("%s, %d requests of %d clients", v.about, r.answered, lengthsClients), Interval: &p99})
	}
	return nil
}

// addShares adds the share of batches that were split by shape, and the share of padding.
func (b *lengthsBench) addShares(ctx context.Context, v lengthVariant) error {
	now, err := b.stats(ctx, v)
	if err != nil {
		return err
	}
	was, batches := b.before[v.name].Lengths, float64(now.Batches-b.before[v.name].Batches)
	l := now.Lengths
	b.report.Add(judge.Figure{
		Name: "lengths.split." + v.name, Value: float64(l.SplitBatches-was.SplitBatches) / batches, Unit: "share",
		Detail: fmt.Sprintf("%s, %s runs a batch", v.about, judge.Number(float64(l.Runs-was.Runs)/batches)),
	})
	b.report.Add(judge.Figure{
		Name: "lengths.padding." + v.name, Value: float64(l.PaddedElements-was.PaddedElements) / float64(l.Elements-was.Elements), Unit: "share",
		Detail: fmt.Sprintf("%s, %d shapes", v.about, l.Shapes),
	})
	return nil
}

// stats returns the counters of a variant.
func (b *lengthsBench) stats(ctx context.Context, v lengthVariant) (s engine.Stats, err error) {
	err = b.get(ctx, "/stats", url.Values{"model": {v.name}}, &s)
	return s, err
}

// get asks the server's listener for measurements.
func (b *lengthsBench) get(ctx context.Context, path string, q url.Values, answer any) error {
	return doRequest(ctx, http.MethodGet, "http://"+b.Measure+path+"?"+q.Encode(), "", func(r io.Reader) error {
		return json.NewDecoder(r).Decode(answer)
	})
}

// addPredictions fits the time of a run to the batches of runs of equal shape, simulates all
// variants with it, and adds the largest errors: of the rates compared with padding to 128,
// since the machine's speed changes between the blocks, and of the P99.
func (b *lengthsBench) addPredictions() error {
	fit, ok := predict.FitLengths(predict.Lengths{Drawn: b.drawn}, b.measured["equal"].samples)
	if !ok {
		return errors.New("too few batches to fit the times of runs")
	}
	rates, p99s := map[string]float64{}, map[string]float64{}
	for _, v := range lengthVariants() {
		l := fit
		l.Pad, l.Buckets = v.pad, v.buckets
		var err error
		if rates[v.name], p99s[v.name], err = b.predict(l); err != nil {
			return err
		}
	}
	var ofRates, ofP99s []float64
	var detail []string
	for _, v := range lengthVariants() {
		predicted := rates[v.name] / rates[padToAll]
		ofRates = append(ofRates, math.Abs(predicted/b.ratios[v.name]-1))
		ofP99s = append(ofP99s, math.Abs(p99s[v.name]/stat.Quantile(b.measured[v.name].ms, .99).Value-1))
		detail = append(detail, fmt.Sprintf("%s %s/s, P99 %s ms", v.name, judge.Number(rates[v.name]), judge.Number(p99s[v.name])))
	}
	b.report.Add(judge.Figure{Name: "lengths.error.rate", Value: slices.Max(ofRates), Unit: "share", Detail: fmt.Sprintf(
		"largest of the ratios to padding to %d, from runs of equal shape: %s ms a run + %s us a token", newsHighest, judge.Number(fit.Run/1e6), judge.Number(fit.Each/1e3))})
	b.report.Add(judge.Figure{Name: "lengths.error.p99", Value: slices.Max(ofP99s), Unit: "share", Detail: "largest; predicted: " + strings.Join(detail, ", ")})
	return nil
}

// predict simulates the server with these times of runs.
func (b *lengthsBench) predict(l predict.Lengths) (rate, p99 float64, err error) {
	c := lengthsConfig()
	curve, err := l.Curve(c.BatchSize)
	if err != nil {
		return 0, 0, err
	}
	sim := predict.New(predict.Config{
		Settings: c.Settings, Rule: c.Rule, Service: curve, Lengths: &l, Clients: lengthsClients, Requests: 20000, Warm: time.Second, Seed: b.seed,
	})
	sim.Run()
	return float64(len(sim.Latencies())) / (sim.Now() - time.Second).Seconds(), sim.Quantile(.99), nil
}

// comparePolicies compares one open batch for each length class with batches of the oldest
// texts, which are divided into runs: rates and P99, without HTTP and with the same session.
func (b *lengthsBench) comparePolicies(ctx context.Context) error {
	p := b.plan(0)
	for _, model := range []string{"equal", "buckets"} {
		ms := map[string][]float64{}
		runsPerBatch := map[string]float64{}
		side := func(by string) judge.Block {
			return func(ctx context.Context, d time.Duration) (float64, error) {
				var r policyResult
				err := b.get(ctx, "/policy", url.Values{"model": {model}, "by": {by}, "for": {d.String()}}, &r)
				ms[by], runsPerBatch[by] = append(ms[by], r.MS...), r.Runs
				return r.Rate, err
			}
		}
		r, err := judge.Paired(ctx, p, side("class"), side("batch"))
		if err != nil {
			return err
		}
		p99 := func(by string) string { return judge.Number(stat.Quantile(ms[by], .99).Value) }
		b.report.Add(r.Figure("lengths.per-class."+model, fmt.Sprintf(
			"rate of one open batch per class compared with batches in order of arrival; P99 %s and %s ms, %s and %s runs a batch",
			p99("class"), p99("batch"), judge.Number(runsPerBatch["class"]), judge.Number(runsPerBatch["batch"]))))
	}
	return nil
}
