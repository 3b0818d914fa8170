// Command kubernetes checks manifests with Kubernetes' own types: each document must have only fields
// that its kind has, with values of their types.
//
//	go run -C tools/kubernetes . ../../docs/examples/kubernetes/indexed-job.yaml
//
// It is a module of its own, so that Kubernetes' libraries are no dependencies of the product.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	failed := false
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		kinds, checkErr := check(text)
		if err = errors.Join(err, checkErr); err != nil {
			failed = true
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			continue
		}
		fmt.Printf("%s: %v\n", path, kinds)
	}
	if failed || len(os.Args) < 2 {
		os.Exit(1)
	}
}

// kinds are the kinds of documents that are known, with a function that returns an empty one.
var kinds = map[string]func() any{
	"batch/v1 Job":             func() any { return &batch.Job{} },
	"v1 ConfigMap":             func() any { return &core.ConfigMap{} },
	"v1 PersistentVolumeClaim": func() any { return &core.PersistentVolumeClaim{} },
}

// check returns the kinds of the documents of a manifest, in order, or why one of them is not valid.
func check(text []byte) (found []string, err error) {
	for i, doc := range bytes.Split(text, []byte("\n---\n")) {
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(doc, &head); err != nil {
			return found, fmt.Errorf("document %d: %w", i+1, err)
		}
		kind := head.APIVersion + " " + head.Kind
		empty, ok := kinds[kind]
		if !ok {
			return found, fmt.Errorf("document %d: %q is no kind that this program knows", i+1, kind)
		}
		v := empty()
		if err := decode(doc, v); err != nil {
			return found, fmt.Errorf("document %d: %s: %w", i+1, kind, err)
		}
		if job, ok := v.(*batch.Job); ok {
			if err := checkIndexed(job.Spec); err != nil {
				return found, fmt.Errorf("document %d: %s: %w", i+1, kind, err)
			}
		}
		found = append(found, kind)
	}
	return found, nil
}

// decode reads a document as the server does: names of fields in their case, no unknown and no repeated ones, and
// no conversion of numbers to texts.
func decode(doc []byte, v any) error {
	text, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return err
	}
	strict, err := json.UnmarshalStrict(text, v)
	return errors.Join(append(strict, err)...)
}

// checkIndexed checks what the types do not say, and the server refuses: rules of Indexed Jobs.
func checkIndexed(s batch.JobSpec) error {
	var errs []error
	if s.CompletionMode == nil || *s.CompletionMode != batch.IndexedCompletion {
		return nil
	}
	if s.Completions == nil || s.Parallelism == nil || *s.Parallelism > 100000 {
		errs = append(errs, errors.New("an Indexed Job needs completions, and at most 100000 pods at a time"))
	}
	if never := s.Template.Spec.RestartPolicy == core.RestartPolicyNever; !never && (s.BackoffLimitPerIndex != nil || s.PodFailurePolicy != nil) {
		errs = append(errs, errors.New("backoffLimitPerIndex and podFailurePolicy need restartPolicy Never"))
	}
	for _, c := range s.Template.Spec.Containers {
		for name, limit := range c.Resources.Limits {
			if request := c.Resources.Requests[name]; request.Cmp(limit) != 0 {
				errs = append(errs, fmt.Errorf("container %s: %s: request %v and limit %v differ", c.Name, name, request.String(), limit.String()))
			}
			if name == core.ResourceCPU && limit.MilliValue()%1000 != 0 {
				errs = append(errs, fmt.Errorf("container %s: %v cores are no whole number", c.Name, limit.String()))
			}
		}
	}
	return errors.Join(errs...)
}
