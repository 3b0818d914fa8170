package local

import "testing"

func TestTextsAgree(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		want       bool
	}{
		{"scores of a batch", `{"cat": 0.7310585, "dog": 0.2689415}`, `{"dog": 0.26894152, "cat": 0.73105848}`, true},
		{"another score", `{"cat": 0.73, "dog": 0.27}`, `{"cat": 0.72, "dog": 0.28}`, false},
		{"boxes", `[{"bbox": [1.5, 100.25], "score": 0.5}]`, `[{"bbox": [1.55, 100.2], "score": 0.5}]`, true},
		{"a score beside boxes", `[{"bbox": [1.5, 900.25], "score": 0.5}]`, `[{"bbox": [1.5, 900.25], "score": 0.51}]`, false},
		{"a score in an array of its own", `{"boxes": [900.5], "scores": [0.5, 0.25]}`, `{"boxes": [900.5], "scores": [0.5, 0.26]}`, false},
		{"a small number beside a large one", `[1.0, 0.0000001]`, `[1.0, -0.0000001]`, true},
		{"labels", `[{"label": 10001}]`, `[{"label": 10002}]`, false},
		{"a whole number and a fraction", `[1]`, `[1.0001]`, true},
		{"texts", `{"text": "a"}`, `{"text": "b"}`, false},
		{"null and false", `[null]`, `[false]`, false},
		{"a missing box", `[0.5, 0.5]`, `[0.5]`, false},
		{"another key", `{"a": 0.5}`, `{"b": 0.5}`, false},
		{"one key more", `{"a": 0.5}`, `{"a": 0.5, "b": 1}`, false},
		{"an array and an object", `[]`, `{}`, false},
		{"a text and an array", `""`, `[]`, false},
		{"a number and a text", `0.5`, `"0.5"`, false},
		{"lines", "{\"a\": 0.5}\n{\"a\": 0.25}\n", "{\"a\": 0.5}\n{\"a\": 0.2500001}\n", true},
		{"fewer lines", "1\n2\n", "1\n", false},
		{"no JSON", "cat 0.5", "cat 0.5000001", false},
		{"JSON and more", `[0.5] cat`, `[0.5000001] cat`, false},
		{"nothing", "", " ", false},
		{"a number that is no float", `[1e999]`, `[1.5e999]`, false},
	} {
		if got := answersAgree([]byte(tt.a), []byte(tt.b), nil, tolerance); got != tt.want {
			t.Errorf("%s: %s and %s agree: %v", tt.name, tt.a, tt.b, got)
		}
		if got := answersAgree([]byte(tt.b), []byte(tt.a), nil, tolerance); got != tt.want {
			t.Errorf("%s: %s and %s agree: %v", tt.name, tt.b, tt.a, got)
		}
		if !answersAgree([]byte(tt.a), []byte(tt.a), nil, tolerance) {
			t.Errorf("%s: %s does not agree with itself", tt.name, tt.a)
		}
	}
}

func FuzzTextsAgree(f *testing.F) {
	f.Add([]byte(`[{"bbox": [1, 2.5], "score": 0.5}]`), []byte(`{"a": null}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		textsAgree(a, b, tolerance)
		if _, ok := readJSON(a); ok && !textsAgree(a, a, tolerance) {
			t.Errorf("%q does not agree with itself", a)
		}
	})
}
