package openapi_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sweetspot/engine/api/openapi"
)

var inBraces = regexp.MustCompile(`\{([a-z_]+)\}`)

// documents are all descriptions, with a path that each must have and one that it must not.
func documents() []struct {
	name     string
	d        *openapi.Document
	has, not string
} {
	return []struct {
		name     string
		d        *openapi.Document
		has, not string
	}{
		{"inference", openapi.Inference(), "/predictions/{model_name}", "/models"},
		{"management", openapi.Management(), "/models", "/predictions/{model_name}"},
		{"metrics", openapi.Metrics(), "/metrics", "/models"},
		{"predict", openapi.Predict("net", "a picture", "a list"), "/v2/models/net/infer", "/predictions/{model_name}"},
		{"manage", openapi.Manage(), "/models/{model_name}", "/models"},
	}
}

// TestDocuments: every operation has an ID, answers, and exactly the parameters that are in its path.
func TestDocuments(t *testing.T) {
	for _, c := range documents() {
		if _, ok := c.d.Paths[c.has]; !ok {
			t.Errorf("%s: no path %s", c.name, c.has)
		}
		if _, ok := c.d.Paths[c.not]; ok {
			t.Errorf("%s: a path %s", c.name, c.not)
		}
		if c.d.OpenAPI != "3.0.1" || c.d.Info.Version != openapi.Version {
			t.Errorf("%s: OpenAPI %s of version %s", c.name, c.d.OpenAPI, c.d.Info.Version)
		}
		for path, p := range c.d.Paths {
			var want []string
			for _, m := range inBraces.FindAllStringSubmatch(path, -1) {
				want = append(want, m[1])
			}
			slices.Sort(want)
			operations := 0
			for _, o := range []*openapi.Operation{p.Get, p.Put, p.Post, p.Delete, p.Options} {
				if o == nil {
					continue
				}
				operations++
				checkOperation(t, c.name+" "+path, o, want)
			}
			if operations == 0 || !strings.HasPrefix(path, "/") {
				t.Errorf("%s %s: %d operations", c.name, path, operations)
			}
		}
	}
}

func checkOperation(t *testing.T, where string, o *openapi.Operation, want []string) {
	t.Helper()
	var have []string
	for _, p := range o.Parameters {
		if p.In == "path" {
			have = append(have, p.Name)
			if !p.Required {
				t.Errorf("%s: %s is not required", where, p.Name)
			}
		}
	}
	slices.Sort(have)
	if !slices.Equal(have, want) {
		t.Errorf("%s: path parameters %q, want %q", where, have, want)
	}
	if o.OperationID == "" || len(o.Responses) == 0 || o.Parameters == nil {
		t.Errorf("%s: %+v lacks an ID, answers or the list of parameters", where, o)
	}
	for code, r := range o.Responses {
		if len(code) != 3 || r.Description == "" {
			t.Errorf("%s: answer %q: %+v", where, code, r)
		}
	}
}

// TestDocumentsAreFresh: what one description adds to an operation is not in the next one.
func TestDocumentsAreFresh(t *testing.T) {
	text := func() string {
		b, err := json.Marshal(openapi.Inference())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	before := text()
	openapi.Predict("net", "in", "out")
	openapi.Manage()
	if text() != before {
		t.Error("another description has changed this one")
	}
	if got := openapi.Predict("net", "a picture", "a list").Paths["/predictions/net"].Post; got.RequestBody.Description != "a picture" || got.Responses["200"].Description != "a list" {
		t.Errorf("the prediction of one model: %+v", got)
	}
}
