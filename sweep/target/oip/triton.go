package oip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	protocol "sweetspot/engine/oip"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
)

// A Triton has extensions of the protocol: model_configuration, statistics, and model_repository, which loads a model with
// another configuration. The override replaces the whole configuration, so that the one in force is read, three values
// are changed, and all is sent back. Loading is only allowed if the server runs with --model-control-mode=explicit, which it
// does not say: unloading a model that does not exist changes nothing, and is refused in the other modes.

// triton is a model of a Triton.
type triton struct {
	api      *caller
	name     string
	initial  json.RawMessage // the configuration that Open has found
	now      modelConfig     // in force
	why      string          // why it cannot be changed; "" if it can
	metrics  bool            // it has statistics
	noStats  string          // why not
	changed  bool
	file     string // has what to restore; "" for none
	restored bool   // Open has restored what an earlier sweep had not
}

// Calls of the model repository.
const (
	loadTime   = 10 * time.Minute // of a large model; TensorRT builds its engines
	noSuchName = "sweetspot-asks-whether-models-can-be-loaded"
)

// openTriton reads the configuration of a model; nil if the server has none.
func openTriton(ctx context.Context, api *caller, c Config, s protocol.ServerMetadata, name string) (*triton, error) {
	if !slices.Contains(s.Extensions, "model_configuration") {
		return nil, nil
	}
	t := &triton{api: api, name: name, file: c.RestoreFile}
	if slices.Contains(s.Extensions, "model_repository") {
		if err := t.api.read(ctx, http.MethodPost, repositoryPath(noSuchName, "unload"), []byte("{}"), nil); err != nil {
			t.why = "the server refuses to load models: start it with --model-control-mode=explicit (" + err.Error() + ")"
		}
	} else {
		t.why = "the server has no extension model_repository"
	}
	var err error
	if t.why == "" {
		if t.restored, err = t.restoreEarlier(ctx); err != nil {
			return nil, err
		}
	}
	if t.initial, t.now, err = t.config(ctx); err != nil {
		return nil, fmt.Errorf("configuration of model %q: %w", name, err)
	}
	if _, err := t.statistics(ctx); err != nil {
		t.noStats = err.Error()
	} else {
		t.metrics = true
	}
	return t, nil
}

func repositoryPath(name, what string) string {
	return "/v2/repository/models/" + url.PathEscape(name) + "/" + what
}

// config reads the configuration in force.
func (t *triton) config(ctx context.Context) (json.RawMessage, modelConfig, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	data, err := t.api.do(ctx, http.MethodGet, t.api.base+modelPath(t.name, "")+"/config", load.Body{})
	if err != nil {
		return nil, modelConfig{}, err
	}
	c, err := parseModelConfig(data)
	return data, c, err
}

// describe adds the settings and what is fixed.
func (t *triton) describe(info *sweep.Info) {
	s := t.now.settings()
	info.Current = s
	info.Metrics.Breakdown, info.Metrics.Batches, info.MetricsWhy = t.metrics, t.metrics, t.noStats
	info.Limits.BatchAxis, info.Limits.BatchWhy = t.now.batches(), "max_batch_size is 0 in its configuration"
	info.Model.BatchAxis, info.Model.BatchWhy = info.Limits.BatchAxis, info.Limits.BatchWhy
	if info.Model.BatchAxis {
		info.Model.BatchWhy = "max_batch_size is not 0 in its configuration"
	}
	if t.restored {
		info.Model.Warnings = append(info.Model.Warnings, "an earlier sweep was killed before it restored the configuration of this model: it is restored now")
	}
	fixed := t.now.fixed()
	for _, k := range knob.All() {
		if !s.Has(k.Name) {
			info.Limits.Unreported = append(info.Limits.Unreported, k.Name)
		}
		why := fixed[k.Name]
		if why == "" {
			why = t.why
		}
		if why != "" {
			info.Fixed[k.Name] = why
		}
	}
}

// apply loads the model with other settings. After an error what was in force still is.
func (t *triton) apply(ctx context.Context, s knob.Settings) error {
	if t.why != "" {
		return errors.New(t.why)
	}
	before := t.now
	next, err := before.with(s)
	if err != nil {
		return err
	}
	if err := t.save(); err != nil {
		return err
	}
	t.changed = true
	if err := t.loadConfig(ctx, next.json()); err != nil {
		return t.back(before, err)
	}
	_, now, err := t.config(ctx)
	if err == nil && now.settings() != s {
		err = fmt.Errorf("the server was told %v, but %v is in force", s, now.settings())
	}
	if err != nil {
		return t.back(before, err)
	}
	t.now = now
	return nil
}

// back makes sure that the configuration before a change is in force, which failed with err.
func (t *triton) back(before modelConfig, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), restoreTime)
	defer cancel()
	if _, now, err2 := t.config(ctx); err2 == nil && now.settings() == before.settings() {
		return err
	}
	if err2 := t.loadConfig(ctx, before.json()); err2 != nil {
		return errors.Join(err, fmt.Errorf("the configuration before it could not be loaded again: %w", err2))
	}
	return err
}

// loadConfig loads the model with a configuration, and waits until it is ready.
func (t *triton) loadConfig(ctx context.Context, config []byte) error {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	body, err := json.Marshal(map[string]any{"parameters": map[string]string{"config": string(config)}})
	if err != nil {
		return err
	}
	if _, err := t.api.do(ctx, http.MethodPost, t.api.base+repositoryPath(t.name, "load"), load.Body{Type: typeJSON, Data: body}); err != nil {
		return fmt.Errorf("load %s: %w", t.name, err)
	}
	const pause = 100 * time.Millisecond
	for {
		_, err := t.api.do(ctx, http.MethodGet, t.api.base+modelPath(t.name, "")+"/ready", load.Body{})
		var refused *answerError
		if err == nil || !errors.As(err, &refused) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the model is not ready after it was loaded: %w", err)
		case <-time.After(pause):
		}
	}
}

// restore loads the configuration that Open has found.
func (t *triton) restore(ctx context.Context) error {
	if !t.changed {
		return nil
	}
	if err := t.loadConfig(ctx, t.initial); err != nil {
		return fmt.Errorf("restore the configuration of model %s: %w; it was %s", t.name, err, t.initial)
	}
	t.changed = false
	return t.forget()
}

// modelConfig is a model configuration of Triton: all of it, because an override replaces all. It is not changed.
type modelConfig struct{ fields map[string]any }

// parseModelConfig reads the JSON of Triton. Numbers keep their texts.
func parseModelConfig(data []byte) (modelConfig, error) {
	var c modelConfig
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&c.fields); err != nil {
		return c, err
	}
	if name, _ := c.fields["name"].(string); name == "" {
		return c, errors.New("name: there is none")
	}
	return c, nil
}

func (c modelConfig) json() []byte {
	data, err := json.Marshal(c.fields)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	return data
}

// batches reports whether the model takes batches.
func (c modelConfig) batches() bool {
	n, ok := whole(c.fields["max_batch_size"])
	return ok && n > 0
}

// group returns the only instance group; nil if there are several or none.
func (c modelConfig) group() map[string]any {
	groups, _ := c.fields["instance_group"].([]any)
	if len(groups) != 1 {
		return nil
	}
	g, _ := groups[0].(map[string]any)
	return g
}

func (c modelConfig) dynamic() map[string]any {
	d, _ := c.fields["dynamic_batching"].(map[string]any)
	return d
}

// settings returns what the configuration says. What it does not say is unreported.
func (c modelConfig) settings() knob.Settings {
	var s knob.Settings
	if n, ok := whole(c.group()["count"]); ok && n > 0 && n <= 256 {
		s.Workers = int(n)
	}
	if s.Device = deviceOf(c.group()); s.Workers == 0 {
		s.Device = ""
	}
	if n, ok := whole(c.fields["max_batch_size"]); ok && n <= 1024 {
		s.BatchSize = max(int(n), 1)
	} else {
		return s
	}
	s.BatchDelay = knob.DelayUnreported
	if d := c.dynamic(); d != nil {
		us, ok := whole(d["max_queue_delay_microseconds"])
		if d["max_queue_delay_microseconds"] == nil {
			us, ok = 0, true // the default
		}
		if ok && us%100 == 0 && us <= 60e6 {
			s.BatchDelay = time.Duration(us) * time.Microsecond
		}
		policy, _ := d["default_queue_policy"].(map[string]any)
		if n, ok := whole(policy["max_queue_size"]); ok && n > 0 && n <= 1e6 {
			s.QueueSize = int(n)
		}
	}
	return s
}

// deviceOf returns the device of an instance group; "" if that is none of ours.
func deviceOf(group map[string]any) string {
	gpus, _ := group["gpus"].([]any)
	if group["kind"] == "KIND_CPU" {
		return "cpu"
	}
	if group["kind"] == "KIND_GPU" && len(gpus) == 1 {
		if n, ok := whole(gpus[0]); ok {
			return fmt.Sprintf("gpu:%d", n)
		}
	}
	return ""
}

// fixed returns the knobs that cannot be changed, with the reasons.
func (c modelConfig) fixed() map[knob.Name]string {
	out := map[knob.Name]string{
		knob.FP16: "a model configuration of Triton does not report it", knob.Threads: "its name depends on the backend of Triton",
		knob.Device: "instance_group of the model's configuration sets it", knob.QueueSize: "default_queue_policy of the model's configuration sets it",
	}
	if c.group() == nil {
		out[knob.Workers] = "the model's configuration has several instance groups, or none"
	}
	const noBatching = "the model's configuration has no dynamic_batching, so that Triton never joins requests"
	switch s := c.settings(); {
	case !c.batches():
		out[knob.BatchSize] = "max_batch_size is 0 in the model's configuration"
		out[knob.BatchDelay] = out[knob.BatchSize]
	case c.dynamic() == nil:
		out[knob.BatchSize], out[knob.BatchDelay] = noBatching, noBatching
	case !s.Has(knob.BatchDelay):
		out[knob.BatchDelay] = "its delay is no multiple of 0.1 ms up to 60 s"
	}
	return out
}

// with returns the configuration with other workers, batch size and delay.
func (c modelConfig) with(s knob.Settings) (modelConfig, error) {
	copied, err := parseModelConfig(c.json())
	if err != nil {
		return c, err
	}
	now, fixed := c.settings(), c.fixed()
	if s.Workers != now.Workers && fixed[knob.Workers] == "" {
		copied.group()["count"] = number(int64(s.Workers))
	}
	if s.BatchSize != now.BatchSize && fixed[knob.BatchSize] == "" {
		copied.fields["max_batch_size"] = number(int64(s.BatchSize))
		delete(copied.dynamic(), "preferred_batch_size") // by default the largest; one above it is an error
	}
	if s.BatchDelay != now.BatchDelay && fixed[knob.BatchDelay] == "" {
		copied.dynamic()["max_queue_delay_microseconds"] = number(s.BatchDelay.Microseconds())
	}
	if got := copied.settings(); got != s {
		var errs []error
		for _, k := range knob.All() {
			if got.Get(k.Name) != s.Get(k.Name) {
				errs = append(errs, fmt.Errorf("%s: %s", k.Name, fixed[k.Name]))
			}
		}
		return c, errors.Join(errs...)
	}
	return copied, nil
}

// number is a whole number as in a decoded configuration.
func number(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// whole reads a whole number from 0 on, which Triton writes as a number or as a text.
func whole(v any) (int64, bool) {
	var n json.Number
	switch v := v.(type) {
	case json.Number:
		n = v
	case string:
		n = json.Number(strings.TrimSpace(v))
	default:
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil && i >= 0
}
