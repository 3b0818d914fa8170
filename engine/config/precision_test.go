package config_test

import (
	"strings"
	"testing"

	"sweetspot/engine/config"
	"sweetspot/engine/knob"
)

func TestHandlerPrecision(t *testing.T) {
	for _, tt := range []struct {
		text  string
		p     knob.Precision
		known bool
		err   string
	}{
		{"handler:\n  precision: fp16\n", knob.HalfPrecision, true, ""},
		{"handler: {precision: 'fp32', a: 1}\n", knob.FullPrecision, true, ""},
		{"handler:\n  a: 1\nprecision: fp16\n", 0, false, ""},
		{"", 0, false, ""},
		{"handler:\n  precision: int8\n", 0, false, `f:2: handler: precision: "int8"; want fp32 or fp16`},
		{"handler:\n  precision:\n", 0, false, "want fp32 or fp16"},
		{"handler: [", 0, false, "f:1: not YAML"},
	} {
		p, known, err := config.HandlerPrecision("f", []byte(tt.text))
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) || p != tt.p || known != tt.known {
			t.Errorf("%q: %v, %v, %v; want %v, %v, %q", tt.text, p, known, err, tt.p, tt.known, tt.err)
		}
	}
}

func TestSetHandlerPrecision(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nhandler:\n  b: fp32\n  precision: fp32 # fast\nc: fp32\n": "a: 1\nhandler:\n  b: fp32\n  precision: fp16 # fast\nc: fp32\n",
		`handler: {"precision": "fp32", b: 2}`:                           `handler: {"precision": "fp16", b: 2}`,
		"handler:\r\n  precision: fp32\r\n":                              "handler:\r\n  precision: fp16\r\n",
	} {
		got, err := config.SetHandlerPrecision("f", []byte(text), knob.HalfPrecision)
		if err != nil || string(got) != want {
			t.Errorf("%q = %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a: 1\n", "handler:\n  precision:\n    fp32\n"} {
		if got, err := config.SetHandlerPrecision("f", []byte(text), knob.HalfPrecision); err == nil {
			t.Errorf("%q = %q", text, got)
		}
	}
}

func FuzzSetHandlerPrecision(f *testing.F) {
	f.Add([]byte("handler:\n  precision: fp32\n"))
	f.Add([]byte("handler: {precision: fp16}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := config.SetHandlerPrecision("f", data, knob.HalfPrecision)
		if err != nil {
			return
		}
		if p, known, err := config.HandlerPrecision("f", got); p != knob.HalfPrecision || !known || err != nil {
			t.Errorf("%q became %q: %v, %v, %v", data, got, p, known, err)
		}
	})
}
