package predict

import (
	"context"
	"errors"
	"sync"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/explain"
	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// maxExplanations is the largest number of explanations of one version of a model at a time. Each has
// at most a quarter of the queue, so that they leave half of it to predictions.
const maxExplanations = 2

// running counts the running explanations of each version.
type running struct {
	mu sync.Mutex
	n  map[*engine.ModelService]int
}

// begin counts one more, if there may be one more.
func (r *running) begin(s *engine.ModelService) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n[s] == maxExplanations {
		return false
	}
	if r.n == nil {
		r.n = map[*engine.ModelService]int{}
	}
	r.n[s]++
	return true
}

func (r *running) end(s *engine.ModelService) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n[s]--; r.n[s] == 0 {
		delete(r.n, s)
	}
}

// PrepareExplanation makes the prediction an explanation with the parameters of a query, as
// explain.Parse reads them, for a model of tensors. The handler of another model decides itself, and
// its query is not read. It is valid after Begin and TakeInstances.
func (p *Prediction) PrepareExplanation(query string) error {
	if p.ReadsHeader() {
		return nil
	}
	switch p.handler.(type) {
	case *handler.Tensors, handler.Instances, explain.Explainer:
	default:
		return errorf(Unsupported, "Model %q has no explanations", p.service.Model().Name)
	}
	if p.format != payload.Format(handler.JSON) {
		return errorf(NotAcceptable, "an explanation is %s; accept that", handler.TypeJSON)
	}
	var err error
	if p.explain, err = explain.Parse(query); err != nil {
		return errorf(BadInput, "%v", err)
	}
	return nil
}

// Explain is Run for an explanation: it runs the rows of the request, and then many copies of
// each with changes, which it queues beside other requests, never more at a time than a quarter
// of the queue. It waits while half of the queue is in use.
func (p *Prediction) Explain(ctx context.Context, b payload.Body, o Options) (r Reply, reusable bool, err error) {
	name := p.service.Model().Name
	if !p.running.begin(p.service) {
		return Reply{}, true, errorf(Busy, "Model %q: %d explanations are running, and no more run at a time; retry later", name, maxExplanations)
	}
	defer p.running.end(p.service)
	ticket, err := p.service.Admit()
	if err != nil {
		return Reply{}, true, engineError(name, err)
	}
	start := time.Now()
	p.request = payload.Request{Items: p.in[:0]}
	x := explanation{Prediction: p}
	if err = p.decode(b, o.Memory); err == nil {
		err = x.prepare(b, o.Memory)
	}
	if err != nil {
		ticket.Release()
		return Reply{}, true, err
	}
	x.timing.Decode = time.Since(start)
	err = x.runUnchanged(ctx, ticket)
	for row := 0; row < len(x.rows) && err == nil; row++ {
		err = x.runChanged(ctx, row)
	}
	if err != nil {
		return Reply{}, !mayStillRead(err), err
	}
	return x.reply()
}

// explanation is the work of one Explain.
type explanation struct {
	*Prediction
	in, out  int // places of the explained input and output
	wrapping explain.Wrapping
	rows     []explainedRow
	passes   int // that have ended
	timing   Timing

	atOnce int           // largest number of changed rows in the queue
	items  []tensor.Item // changed rows, with memory for their explained input
	values []byte        // that memory
}

// explainedRow is one row of the request.
type explainedRow struct {
	plan        *explain.Plan
	target      []int64
	score       explain.Score
	differences []float64
}

// prepare makes the plans of the rows and reserves the memory for them.
func (x *explanation) prepare(b payload.Body, m Memory) error {
	err := x.choose()
	if err == nil {
		err = x.plan(b)
	}
	if err != nil {
		return errorf(BadInput, "%v", err)
	}
	size, memory := 0, int64(0)
	for i, row := range x.rows {
		t := x.request.Items[i][x.in]
		size = max(size, len(t.Data))
		memory += 16*tensor.Elements(t.Shape) + 8*int64(row.plan.Len()) // of Attributions and of the differences
	}
	x.atOnce = rowsAtOnce(x.service, size)
	if m != nil {
		if err := m.Reserve(memory + int64(x.atOnce)*int64(size)); err != nil {
			return err
		}
	}
	x.values = make([]byte, x.atOnce*size)
	x.items = make([]tensor.Item, x.atOnce)
	return nil
}

// maxChanged is the most memory of changed rows at a time in bytes, unless one row is larger.
const maxChanged = 64 << 20

// rowsAtOnce returns how many changed rows of a size in bytes an explanation queues at a time: enough for a full batch of
// every worker, but at most a quarter of the queue.
func rowsAtOnce(s *engine.ModelService, size int) int {
	c := s.Config()
	n := min(max(1, c.BatchSize)*max(1, c.Workers), c.QueueSize/4)
	return max(1, min(n, maxChanged/max(1, size)))
}

// choose finds the explained input and output.
func (x *explanation) choose() (err error) {
	m := x.service.Model()
	if x.in, err = placeOf("input", x.explain.Input, m.Inputs); err == nil {
		x.out, err = placeOf("output", x.explain.Output, m.Outputs)
	}
	if h, ok := x.handler.(explain.Explainer); ok && err == nil {
		x.wrapping, err = h.Explanation(x.request.State)
	} else if _, ok := x.handler.(handler.Instances); ok {
		x.wrapping.Member = "explanations"
	}
	if err == nil && x.wrapping.Words != nil && x.in != 0 {
		err = errors.New("the words of a text are those of the first input; leave input out")
	}
	return err
}

// plan makes the plan of each row.
func (x *explanation) plan(b payload.Body) error {
	targets, err := x.targets(b)
	if err != nil {
		return err
	}
	spec := x.service.Model().Inputs[x.in]
	passes := int64(0)
	x.rows = make([]explainedRow, len(x.request.Items))
	for i, item := range x.request.Items {
		row := &x.rows[i]
		if x.wrapping.Words != nil {
			w := x.wrapping.Words[i]
			row.plan, err = x.explain.Groups(spec, item[x.in], w.Elements, w.Baseline)
		} else {
			row.plan, err = x.explain.Plan(spec, item[x.in])
		}
		if err != nil {
			return err
		}
		row.target = x.explain.Target
		if row.target == nil && i < len(targets) {
			row.target = targets[i]
		}
		passes += int64(row.plan.Len()) + 1
	}
	return explain.CheckPasses(passes)
}
