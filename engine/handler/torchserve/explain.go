package torchserve

import (
	"errors"

	"sweetspot/engine/explain"
)

// WordSteps is Steps whose input is a text: an explanation is about its words and not about the elements
// of the tensor.
type WordSteps interface {
	// Words returns the words of a row from the state that Preprocess left.
	Words(state any) explain.Words
}

// Explanation implements explain.Explainer: without an envelope the explanation of the row, and else the
// list of all in the member that TorchServe's envelope has.
func (h *Handler) Explanation(state any) (explain.Wrapping, error) {
	s, ok := state.(*requestState)
	if !ok {
		return explain.Wrapping{}, errors.New("the explanation is not for a request that this handler has decoded")
	}
	var w explain.Wrapping
	switch h.config.Envelope {
	case JSON:
		w.Member = "predictions"
	case KServe:
		w.Member = "explanations"
	case KServeV2:
		return w, errors.New("the envelope kservev2 has no explanations; use :explain of KServe v1")
	}
	if steps, ok := h.steps.(WordSteps); ok {
		for _, row := range s.rows {
			w.Words = append(w.Words, steps.Words(row.state))
		}
	}
	return w, nil
}

// Words implements [WordSteps]. The elements of a word are the ids of all sequences with it; by default they become
// the id of unknown words, or 0 if the vocabulary has none.
func (c *TextClassifier) Words(state any) explain.Words {
	tokens := Words(state)
	w := explain.Words{Texts: tokens, Elements: make([][]int, len(tokens)), Baseline: float64(max(0, c.Vocabulary.unknown))}
	first := 0 // place of the sequences of a size
	for size := 1; size <= c.NGrams; size++ {
		count := max(0, len(tokens)-size+1)
		for i := range count {
			for word := i; word < i+size; word++ {
				w.Elements[word] = append(w.Elements[word], first+i)
			}
		}
		first += count
	}
	return w
}
