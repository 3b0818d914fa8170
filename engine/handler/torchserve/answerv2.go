package torchserve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// closeV2 appends the answer of Open Inference Protocol v2 as TorchServe's envelope writes it: an
// output for each input, with the name of the input and a flat list.
func closeV2(dst []byte, h *Handler, state *requestState, items []tensor.Item) ([]byte, error) {
	dst = append(dst, '{')
	if state.id != "" {
		dst = append(handler.AppendString(append(dst, `"id":`...), state.id), ',')
	}
	dst = handler.AppendString(append(dst, `"model_name":`...), h.config.Model)
	dst = handler.AppendString(append(dst, `,"model_version":`...), h.config.Version)
	dst = append(dst, `,"outputs":[`...)
	for i, item := range items {
		text, err := h.steps.Postprocess(nil, item, state.rows[i].state)
		if err != nil {
			return dst, err
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendOutput(dst, state.rows[i].name, text); err != nil {
			return dst, err
		}
	}
	return append(dst, "]}"...), nil
}

// appendOutput appends the JSON value text as an output. Its type is that of numpy's array of it:
// FP64 or INT64 for numbers, BYTES for all else.
func appendOutput(dst []byte, name string, text []byte) ([]byte, error) {
	elements, err := flatten(nil, text)
	if err != nil {
		return dst, fmt.Errorf("answer: %w", err)
	}
	datatype := datatypeOf(elements)
	dst = handler.AppendString(append(dst, `{"name":`...), name)
	dst = append(dst, `,"datatype":"`+datatype+`","data":[`...)
	dst = append(dst, bytes.Join(elements, []byte{','})...)
	dst = strconv.AppendInt(append(dst, `],"shape":[`...), int64(len(elements)), 10)
	return append(dst, "]}"...), nil
}

// flatten appends the values of nested lists to dst.
func flatten(dst [][]byte, text []byte) ([][]byte, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || text[0] != '[' {
		return append(dst, text), nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		return dst, err
	}
	var err error
	for _, v := range list {
		if dst, err = flatten(dst, v); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// datatypeOf returns the type of a flat list; that of an empty one is numpy's default.
func datatypeOf(elements [][]byte) string {
	datatype := tensor.Int64
	if len(elements) == 0 {
		datatype = tensor.Float64
	}
	for _, e := range elements {
		switch first := e[0]; {
		case first != '-' && (first < '0' || first > '9'):
			return tensor.String.String()
		case bytes.ContainsAny(e, ".eE"):
			datatype = tensor.Float64
		}
	}
	return datatype.String()
}
