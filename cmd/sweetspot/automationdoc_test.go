//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/backend/onnx/ortlib"
)

// fileIn matches a file in a page: a block whose language is followed by its path.
var fileIn = regexp.MustCompile("(?sm)^```[a-z]+ (\\S+)\n(.*?)^```$")

// pageFolder returns a page of docs, and what runs commands in a folder with the files of the page.
func pageFolder(t *testing.T, name string) (page string, shell func(command string) (string, error)) {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, m := range fileIn.FindAllStringSubmatch(string(text), -1) {
		path := filepath.Join(dir, m[1])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(m[2]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := exec.LookPath("sweetspot"); err != nil { // installed by testscript.Main
		t.Fatal(err)
	}
	env := append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_STATE_HOME="+dir+"/state")
	if lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cacheFolder(t))); err == nil {
		env = append(env, ortlib.EnvVar+"="+lib.Path)
	}
	return string(text), func(command string) (string, error) {
		c := exec.CommandContext(t.Context(), "sh", "-c", command)
		c.Dir, c.Env = dir, env
		out, err := c.CombinedOutput()
		return string(out), err
	}
}

func cacheFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAutomationPage: the commands of docs/automation.md print what the page says, and its workflow
// does what the page says: it fails for the slower model, and not for the same one.
func TestAutomationPage(t *testing.T) {
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("no jq here")
	}
	_, ortErr := ortlib.Find(ortlib.FromEnv(os.Getenv, cacheFolder(t)))
	page, shell := pageFolder(t, "automation.md")
	found := examples(t, "automation.md")
	if len(found) < 20 {
		t.Errorf("%d commands were found on the page", len(found))
	}
	steps := workflowSteps(t, page)
	if testing.Short() {
		t.Log("the page is only read: it sweeps twenty times, and its workflow nine")
		return
	}
	for _, e := range found {
		if ortErr != nil && strings.Contains(e.command, "doctor") {
			t.Logf("not run without ONNX Runtime: %s", e.command)
			continue
		}
		out, err := shell(e.command)
		if err != nil || !sameAnswer(e.out, out) {
			t.Errorf("docs/automation.md:%d: %s: %v: -page +answer\n%s", e.line, e.command, err, cmp.Diff(e.out, out))
		}
	}
	for _, c := range []struct{ model, want string }{{"new", "regression: "}, {"base", "no regression: "}} {
		if _, err := shell("rm -rf results; if [ " + c.model + " = base ]; then cp base/model.csv new/; fi"); err != nil {
			t.Fatal(err)
		}
		if out, err := shell(steps["measure"]); err != nil {
			t.Fatalf("measure: %v\n%s", err, out)
		}
		out, err := shell(steps["gate"])
		last := out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]
		if (err != nil) != (c.model == "new") || !strings.HasPrefix(last, c.want) {
			t.Errorf("the gate for the %s model: %v, want %q\n%s", c.model, err, c.want, out)
		}
	}
	// The machine measures the same model differently: it cannot tell.
	if _, err := shell("sweetspot sim:base/model.csv --target virtual --sweep=gate.yaml --requests 120 -q --out results/few > /dev/null || true; rm -r results/again; mv results/few results/again"); err != nil {
		t.Fatal(err)
	}
	if out, err := shell(steps["gate"]); err != nil || !strings.Contains(out, "::warning::it cannot be told") {
		t.Errorf("the gate on a machine that cannot tell: %v\n%s", err, out)
	}
}

// workflowSteps returns the commands of the steps of the workflow, by their names, for the virtual
// device. Those that need GitHub are not run.
func workflowSteps(t *testing.T, page string) map[string]string {
	t.Helper()
	var workflow struct {
		On   string
		Env  map[string]string
		Jobs map[string]struct {
			Steps []struct{ Name, Run, Uses string }
		}
	}
	for _, m := range fileIn.FindAllStringSubmatch(page, -1) {
		if strings.HasSuffix(m[1], "serving.yaml") {
			if err := yaml.Unmarshal([]byte(m[2]), &workflow); err != nil {
				t.Fatal(err)
			}
		}
	}
	out := map[string]string{}
	var names []string
	for _, s := range workflow.Jobs["gate"].Steps {
		if (s.Run == "") == (s.Uses == "") {
			t.Errorf("step %q has neither or both of run and uses", s.Name)
		}
		if s.Run != "" {
			names = append(names, s.Name)
			out[s.Name] = "set -e\nMODEL=model.csv\n" + s.Run
		}
	}
	if want := []string{"install", "models", "machine", "measure", "gate"}; workflow.On != "pull_request" || workflow.Env["MODEL"] == "" || !slices.Equal(names, want) {
		t.Fatalf("the workflow has the steps %v, want %v", names, want)
	}
	const real = `sweetspot "$from/$MODEL" `
	if !strings.Contains(out["measure"], real) {
		t.Fatalf("the step measure has no %s", real)
	}
	out["measure"] = strings.ReplaceAll(out["measure"], real, `sweetspot "sim:$from/$MODEL" --target virtual `)
	return out
}
