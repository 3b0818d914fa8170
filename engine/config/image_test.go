package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/config"
)

func TestImageOptions(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []config.ImageOption
		err        string
	}{
		{"nothing", "", nil, ""},
		{"TorchServe's own keys", "minWorkers: 1\nhandler:\n  topk: 5\n", nil, ""},
		{"all kinds", "minWorkers: 1\nhandler:\n  profile: true\n  image:\n    normalize: 0..1\n    mean: [0.5, 1, -1e-3]\n    \"std\": 2 # one\n", []config.ImageOption{
			{"normalize", "0..1", 5}, {"mean", "0.5:1:-1e-3", 6}, {"std", "2", 7},
		}, ""},
		{"one option", "handler: {image: {order: bgr}}", []config.ImageOption{{"order", "bgr", 1}}, ""},
		{"no map", "handler:\n  image: imagenet\n", nil, "m.yaml:2: handler: image: want a map, such as normalize: imagenet"},
		{"a list of lists", "handler:\n  image:\n    mean: [[1]]\n", nil, "m.yaml:3: handler: image: mean: want a word, a number or a list of numbers"},
		{"nothing in it", "handler:\n  image:\n    order:\n", nil, "m.yaml:3: handler: image: order: want a word, a number or a list of numbers"},
		{"no YAML", "handler: [", nil, "m.yaml: "},
		{"too long", strings.Repeat("#", 70000), nil, "m.yaml: 70000 bytes, expected at most 65536"},
	} {
		got, err := config.ImageOptions("m.yaml", []byte(tt.text))
		if tt.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

// Options have a name and a value, and errors say in which file.
func FuzzImageOptions(f *testing.F) {
	f.Add([]byte("handler:\n  image:\n    normalize: 0..1\n    mean: [0.5, 1]\n"))
	f.Add([]byte("handler: {image: {order: bgr}}"))
	f.Add([]byte("a: &x\n  image: 1\nhandler: *x\n"))
	f.Add([]byte("handler:\n  image:\n    ? [a]\n    : b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := config.ImageOptions("m.yaml", data)
		if err != nil && !strings.HasPrefix(err.Error(), "m.yaml:") {
			t.Errorf("error %q does not say where it is", err)
		}
		for _, o := range got {
			if o.Line < 1 {
				t.Errorf("%q has line %d", o.Name, o.Line)
			}
		}
	})
}
