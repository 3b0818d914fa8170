//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"sweetspot/profiles"
	"sweetspot/sweep/plan"
)

const jobFile = "../../docs/examples/kubernetes/indexed-job.yaml"

// manifest is the part of the documents of a manifest that the tests use.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		AccessModes              []string `yaml:"accessModes"`
		Completions, Parallelism int
		Template                 struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Affinity struct {
					PodAntiAffinity struct {
						Required []struct {
							LabelSelector struct {
								MatchLabels map[string]string `yaml:"matchLabels"`
							} `yaml:"labelSelector"`
						} `yaml:"requiredDuringSchedulingIgnoredDuringExecution"`
					} `yaml:"podAntiAffinity"`
				}
				Containers []struct {
					Command, Args []string
					Env           []struct{ Name, Value string }
					Resources     struct{ Requests, Limits map[string]string }
					VolumeMounts  []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name      string
					ConfigMap struct{ Name string } `yaml:"configMap"`
					Claim     struct {
						ClaimName string `yaml:"claimName"`
					} `yaml:"persistentVolumeClaim"`
				}
			}
		}
	}
}

// jobManifest returns the documents of the manifest by their kinds, and the job as any JSON.
func jobManifest(t *testing.T) (byKind map[string]manifest, job map[string]any) {
	t.Helper()
	text, err := os.ReadFile(jobFile)
	if err != nil {
		t.Fatal(err)
	}
	byKind = map[string]manifest{}
	for d, typed := yaml.NewDecoder(bytes.NewReader(text)), yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		var raw map[string]any
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return byKind, job
		}
		if err = errors.Join(err, typed.Decode(&m)); err != nil {
			t.Fatal(err)
		}
		if byKind[m.Kind] = m; m.Kind == "Job" {
			job = raw
		}
	}
}

// checkJob returns an error if a job does not match the schema.
func checkJob(t *testing.T, job any) error {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("testdata/shards/job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(v)
}

// TestKubernetesJob: the manifest matches the schema, and its parts fit together.
func TestKubernetesJob(t *testing.T) {
	byKind, job := jobManifest(t)
	if err := checkJob(t, job); err != nil {
		t.Errorf("%s: %v", jobFile, err)
	}
	spec := byKind["Job"].Spec
	pod := spec.Template.Spec
	c := pod.Containers[0]
	if fmt.Sprint(c.Resources.Requests) != fmt.Sprint(c.Resources.Limits) {
		t.Errorf("requests %v and limits %v differ: the pod would not have its cores alone", c.Resources.Requests, c.Resources.Limits)
	}
	if n := strconv.Itoa(spec.Completions); spec.Parallelism > spec.Completions || c.Env[0].Name != "SHARDS" || c.Env[0].Value != n {
		t.Errorf("%d completions, parallelism %d, env %v", spec.Completions, spec.Parallelism, c.Env)
	}
	if got := pod.Affinity.PodAntiAffinity.Required[0].LabelSelector.MatchLabels; fmt.Sprint(got) != fmt.Sprint(spec.Template.Metadata.Labels) {
		t.Errorf("pods keep away from %v, and have the labels %v", got, spec.Template.Metadata.Labels)
	}
	for i, v := range pod.Volumes {
		if v.Name != c.VolumeMounts[i].Name {
			t.Errorf("volume %s is mounted as %s", v.Name, c.VolumeMounts[i].Name)
		}
	}
	if pod.Volumes[0].ConfigMap.Name != byKind["ConfigMap"].Metadata.Name || pod.Volumes[1].Claim.ClaimName != byKind["PersistentVolumeClaim"].Metadata.Name {
		t.Errorf("volumes %+v", pod.Volumes)
	}
	if got := byKind["PersistentVolumeClaim"].Spec.AccessModes; fmt.Sprint(got) != "[ReadWriteMany]" {
		t.Errorf("access modes %v: the pods are on several nodes", got)
	}
	p, err := plan.Parse("plan.yaml", []byte(byKind["ConfigMap"].Data["plan.yaml"]))
	if err == nil {
		err = p.CheckShards()
	}
	if err != nil {
		t.Errorf("the plan: %v", err)
	}
}

// TestKubernetesMutants: a manifest with a typical mistake does not match the schema.
func TestKubernetesMutants(t *testing.T) {
	for _, c := range []struct {
		path  string // of the changed field; of a list the first element
		value any    // nil removes it
	}{
		{"apiVersion", "v1"},
		{"kind", "CronJob"},
		{"spec.completionMode", "NonIndexed"},
		{"spec.completionMode", nil},
		{"spec.completions", nil},
		{"spec.completions", "4"},
		{"spec.completions", 0},
		{"spec.parallelism", 200000},
		{"spec.backoffLimitPerIndex", -1},
		{"spec.backoffLimitPerIndx", 1},
		{"spec.podFailurePolicy.rules.action", "Retry"},
		{"spec.template.spec.restartPolicy", "OnFailure"},
		{"spec.template.spec.restartPolicy", nil},
		{"spec.template.spec.affinity", nil},
		{"spec.template.spec.containers.resources.limits.cpu", "1500m"},
		{"spec.template.spec.containers.resources.limits.cpu", 4},
		{"spec.template.spec.containers.resources.requests", nil},
		{"spec.template.spec.containers.env.value", 4},
		{"spec.template.spec.containers.image", "registry.example.com/sweetspot"},
		{"spec.template.spec.containers.comand", "sh"},
		{"spec.template.spec.volumes.configMap", nil},
		{"spec.template.spec.volumes.persistentVolumeClaim", map[string]any{"claimName": "x"}},
	} {
		_, job := jobManifest(t)
		keys := strings.Split(c.path, ".")
		at := job
		for _, k := range keys[:len(keys)-1] {
			next := at[k]
			if list, ok := next.([]any); ok {
				next = list[0]
			}
			at = next.(map[string]any)
		}
		if last := keys[len(keys)-1]; c.value == nil {
			delete(at, last)
		} else {
			at[last] = c.value
		}
		if checkJob(t, job) == nil {
			t.Errorf("%s = %v matches the schema", c.path, c.value)
		}
	}
}

// TestKubernetesPods runs the command line of the manifest as the pods of the job would, with the
// environment that Kubernetes sets, and merges what they wrote. One pod is run twice, as if the first
// had been cut: it resumes.
func TestKubernetesPods(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts five sweeps")
	}
	if _, err := exec.LookPath("sweetspot"); err != nil { // installed by testscript.Main
		t.Fatal(err)
	}
	byKind, _ := jobManifest(t)
	spec := byKind["Job"].Spec
	c := spec.Template.Spec.Containers[0]
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/shards/plan.yaml")
	if err == nil {
		err = errors.Join(os.Mkdir(dir+"/plan", 0o755), os.Mkdir(dir+"/results", 0o755), os.WriteFile(dir+"/plan/plan.yaml", text, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/results/", dir+"/results/", "/plan/", dir+"/plan/").Replace(c.Args[0])
	pod := func(index int) {
		cmd := exec.CommandContext(t.Context(), c.Command[0], append(c.Command[1:], script)...)
		cmd.Env = append(os.Environ(), "JOB_COMPLETION_INDEX="+strconv.Itoa(index), "HOME="+dir)
		for _, e := range c.Env {
			cmd.Env = append(cmd.Env, e.Name+"="+strings.ReplaceAll(e.Value, "/tmp/data", dir+"/data"))
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("pod %d: %v\n%s", index, err, out)
		}
	}
	for i := range spec.Completions {
		pod(i)
	}
	// The third pod is cut after its first trials.
	cut := dir + "/results/part-2.1/profile.jsonl"
	lines, err := os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, bytes.Join(bytes.SplitAfter(lines, []byte("\n"))[:3], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	pod(2)
	found, err := filepath.Glob(dir + "/results/*/profile.jsonl")
	if err != nil || len(found) != spec.Completions+1 {
		t.Fatalf("profiles %v, %v", found, err)
	}
	cmd := exec.CommandContext(t.Context(), "sweetspot", append([]string{"profiles", "merge", "--json", "--to", dir + "/whole.jsonl"}, found...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("merge: %v\n%s", err, out)
	}
	var r profiles.MergeResult
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	if r.State != profiles.Done || r.Exit != exitYes || r.Shards.Measured != r.Shards.Grid.Points || r.Shards.Controls[2].Runs != 3 || len(r.Unlike) != 0 {
		t.Errorf("merged: state %s, exit %d, %d of %v points, controls %+v, unlike %v", r.State, r.Exit, r.Shards.Measured, r.Shards.Grid, r.Shards.Controls, r.Unlike)
	}
}
