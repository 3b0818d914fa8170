package onnx

import (
	"bytes"

	"sweetspot/engine/payload"
)

// A batch is one run only if its rows have the same side inputs: those that the model takes
// once for the whole batch. Rows with different ones run apart.

// together reports whether two rows may be in one run.
func (p *plan) together(a, b *payload.Row) bool {
	for i := range p.items {
		in := &p.in[i]
		if !in.batched && !bytes.Equal(in.value(&a.Item[i]), in.value(&b.Item[i])) {
			return false
		}
	}
	return true
}

// allTogether reports whether the rows may be in one run.
func (p *plan) allTogether(rows []payload.Row) bool {
	if !p.side {
		return true
	}
	for k := range rows[1:] {
		if !p.together(&rows[0], &rows[k+1]) {
			return false
		}
	}
	return true
}

// groups returns the positions of the rows that run together, in the order of their first
// row.
func (p *plan) groups(rows []payload.Row) [][]int {
	var out [][]int
next:
	for k := range rows {
		for g := range out {
			if p.together(&rows[out[g][0]], &rows[k]) {
				out[g] = append(out[g], k)
				continue next
			}
		}
		out = append(out, []int{k})
	}
	return out
}

// runGroups runs each group of rows on its own. An error fails the whole batch.
func (s *session) runGroups(st *state, in []payload.Row, out []payload.Result) error {
	for _, group := range s.plan.groups(in) {
		rows, results := make([]payload.Row, len(group)), make([]payload.Result, len(group))
		for i, k := range group {
			rows[i] = in[k]
		}
		if err := s.runTogether(st, rows, results); err != nil {
			return err
		}
		for i, k := range group {
			out[k] = results[i]
		}
	}
	return nil
}
