package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestManifests: the manifest of docs/examples is valid by Kubernetes' own types, and with a mistake it is not.
func TestManifests(t *testing.T) {
	text, err := os.ReadFile("../../docs/examples/kubernetes/indexed-job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found, err := check(text)
	if err != nil || fmt.Sprint(found) != "[v1 ConfigMap v1 PersistentVolumeClaim batch/v1 Job]" {
		t.Errorf("%v, %v", found, err)
	}
	for _, c := range []struct{ from, to, want string }{
		{"completionMode:", "completionmodes:", `unknown field "spec.completionmodes"`},
		{"completions: 4", "completions: four", "cannot unmarshal string"},
		{"completions: 4", "suspend: false", "needs completions"},
		{"restartPolicy: Never", "restartPolicy: OnFailure", "need restartPolicy Never"},
		{"backoffLimitPerIndex: 3", "backoffLimitPerPod: 3", "unknown field"},
		{"topologyKey:", "topology:", "unknown field"},
		{"mountPath: /plan", "path: /plan", "unknown field"},
		{"value: \"4\"", "value: 4", "cannot unmarshal number"},
		{"limits:\n              cpu: \"4\"", "limits:\n              cpu: 1500m", "differ"},
		{"kind: Job", "kind: IndexedJob", "is no kind"},
	} {
		if !strings.Contains(string(text), c.from) {
			t.Errorf("the manifest has no %q", c.from)
		}
		_, err := check([]byte(strings.Replace(string(text), c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q instead of %q: %v, want %q", c.to, c.from, err, c.want)
		}
	}
}
