// Package command is the target for any server that starts by a command on this machine, as a plan
// describes it: the knobs are placeholders in the command line, the environment, config files, and
// HTTP calls to the running server.
//
// [Open] starts the server with the first value of each knob. [Target.Apply] changes what the calls of the plan
// can change; for all other knobs it ends the server and starts another. A start that fails is a
// [process.StartError], which says what kind of failure it was; the settings before it are then in force again.
//
// The server is run by a supervisor of package process, which ends it with all its processes, also if this process is killed.
//
// Live may run concurrently with Info, Apply and Use. Otherwise only one goroutine may use a Target.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/drive"
	"sweetspot/sweep/target/process"
	"sweetspot/sweep/trial"
)

// Config says how the server is started and which requests it gets.
type Config struct {
	Plan       plan.Plan // with its Server
	Supervisor []string  // the command line of a process that calls Supervise
	Env        []string  // of the server, before that of the plan
	Log        io.Writer // gets the output of the server; nil for no log
	Bodies     []load.Body
	Start      knob.Settings // values of those of the seven whose range is auto
	Cores      int           // of this machine, 0 is unknown
}

// Target is a server that was started by a command.
type Target struct {
	cfg       Config
	own       []knob.Knob
	templates map[string]template
	http      *http.Client

	gate    drive.Gate // guards everything below
	running *running   // nil if there is no server
	current knob.Settings
}

// running is a server that is ready.
type running struct {
	*process.Process
	values map[string]string // of all placeholders at its start
	load   load.Config       // common part of all runs
}

// Open starts the server with the first value of each knob, waits until it is ready, and sends it
// one request.
func Open(ctx context.Context, c Config) (*Target, error) {
	t, err := newTarget(c)
	if err != nil {
		return nil, err
	}
	if len(c.Bodies) == 0 {
		return nil, errors.New("input: the server needs requests: give a file or folder of bodies with input, or --input FILE")
	}
	if t.running, err = t.start(ctx, t.current); err != nil {
		return nil, fmt.Errorf("start with the first value of each knob (%v): %w", t.current, err)
	}
	if err := t.tryRequest(ctx, t.running); err != nil {
		return nil, errors.Join(err, t.Close(ctx))
	}
	return t, nil
}

// Describe returns the Info that the target has when it is open, without starting the server.
func Describe(ctx context.Context, c Config) (sweep.Info, error) {
	t, err := newTarget(c)
	if err != nil {
		return sweep.Info{}, err
	}
	return t.Info(ctx)
}

// newTarget returns a target without a server.
func newTarget(c Config) (*Target, error) {
	if c.Plan.Server == nil {
		return nil, errors.New("the plan does not say how to start a server")
	}
	t := &Target{cfg: c, own: c.Plan.OwnKnobs(), http: &http.Client{Transport: &http.Transport{}}}
	var err error
	if t.templates, err = readTemplates(c.Plan); err != nil {
		return nil, err
	}
	if err := checkUsed(c.Plan, t.templates); err != nil {
		return nil, err
	}
	t.current, err = t.first()
	return t, err
}

// first returns the first value of each knob of the plan.
func (t *Target) first() (knob.Settings, error) {
	var s knob.Settings
	table := knob.Limits{Own: t.own}.Table()
	for _, n := range slices.Sorted(maps.Keys(t.cfg.Plan.Knobs)) {
		text := t.cfg.Plan.Knobs[n]
		if text == knob.Auto {
			text = t.cfg.Start.Get(n)
		}
		values, err := table.Expand(n, text)
		if err != nil {
			return s, fmt.Errorf("knobs: %w", err)
		}
		if err := s.Set(n, values[0]); err != nil {
			return s, fmt.Errorf("knobs: %w", err)
		}
	}
	return s, nil
}

// limits returns the knobs of the plan: those of the seven that it does not name are not reported.
func (t *Target) limits() knob.Limits {
	l := knob.Limits{Own: t.own, BatchAxis: true}
	for _, k := range knob.All() {
		if _, named := t.cfg.Plan.Knobs[k.Name]; !named {
			l.Unreported = append(l.Unreported, k.Name)
		}
	}
	return l
}

// Info describes the knobs of the plan. The server reports nothing else.
func (t *Target) Info(context.Context) (sweep.Info, error) {
	release := t.gate.Hold()
	current := t.current
	release()
	argv := t.cfg.Plan.Server.Command
	program := filepath.Base(argv[0])
	info := sweep.Info{
		Model:   sweep.ModelInfo{Name: scriptOf(argv), Source: plan.Command},
		Current: current, Runtime: program, Cores: t.cfg.Cores, Limits: t.limits(), Fixed: map[knob.Name]string{},
	}
	if m := t.cfg.Plan.Model; m != "" {
		info.Model.Name = strings.TrimSuffix(filepath.Base(m), filepath.Ext(m))
	}
	for _, n := range info.Limits.Unreported {
		info.Fixed[n] = "the plan does not name it"
	}
	for _, b := range t.cfg.Bodies {
		info.Model.LargestBody = max(info.Model.LargestBody, int64(len(b.Data)))
	}
	return info, nil
}

// scriptOf returns the name of the script or the model in a command, such as server.py, or else that of its program.
func scriptOf(argv []string) string {
	for _, word := range argv[1:] {
		if slices.Contains([]string{".py", ".sh", ".js", ".rb", ".jar", ".onnx", ".mar"}, filepath.Ext(word)) {
			return filepath.Base(word)
		}
	}
	return filepath.Base(argv[0])
}

// Use reports no utilization.
func (t *Target) Use() trial.ResourceUse {
	return trial.ResourceUse{GPU: trial.GPUUse{Reason: "a server by a command"}}
}

// Close ends the server.
func (t *Target) Close(context.Context) error {
	return t.gate.Close(func() error {
		t.stop()
		t.http.CloseIdleConnections()
		return nil
	})
}

// stop ends the server, if there is one. No load runs.
func (t *Target) stop() {
	if t.running != nil {
		t.running.Stop()
		t.running = nil
	}
}

// template is a config file with placeholders.
type template struct{ name, text string }

// readTemplates reads the templates of a plan.
func readTemplates(p plan.Plan) (map[string]template, error) {
	out := map[string]template{}
	for n, path := range p.Server.Files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("server: files: %s: %w", n, err)
		}
		out[n] = template{filepath.Base(path), string(text)}
	}
	return out, nil
}

// checkUsed returns an error for each knob that the server does not get. A plan with files cannot
// check it, because it does not read them.
func checkUsed(p plan.Plan, templates map[string]template) error {
	if len(templates) == 0 {
		return nil
	}
	used := plan.Placeholders(serverTexts(p.Server, templates)...)
	var errs []error
	for _, n := range slices.Sorted(maps.Keys(p.Knobs)) {
		if !slices.Contains(used, string(n)) {
			errs = append(errs, fmt.Errorf("knobs: %s: the server does not get it: write {%s} in command, env, files or live", n, n))
		}
	}
	if slices.Contains(plan.Placeholders(p.Server.Request.URL), plan.Port) && !slices.Contains(used, plan.Port) {
		errs = append(errs, errors.New("server: request: url: the server does not get its port: write {port} in command, env or files too"))
	}
	return errors.Join(errs...)
}

// serverTexts returns the texts that the server gets.
func serverTexts(s *plan.Server, templates map[string]template) []string {
	texts := slices.Concat(s.Command, slices.Collect(maps.Values(s.Env)))
	for _, f := range templates {
		texts = append(texts, f.text)
	}
	for _, c := range s.Live {
		texts = append(texts, c.Texts()...)
	}
	return texts
}

// allTexts returns all texts of a server that may have placeholders.
func allTexts(s *plan.Server, templates map[string]template) []string {
	return append(append(serverTexts(s, templates), s.Ready.URL, s.Request.URL), slices.Collect(maps.Values(s.Request.Header))...)
}

// timed appends a step that began at begin.
func timed(steps []sweep.Step, what string, begin time.Time) []sweep.Step {
	took := time.Since(begin)
	return append(steps, sweep.Step{What: what, Took: took, TookMS: float64(took) / float64(time.Millisecond)})
}
