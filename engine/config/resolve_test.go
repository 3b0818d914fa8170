package config_test

import (
	"strings"
	"testing"

	"sweetspot/engine/config"
)

// TestResolve checks the priority of values: environment, command line, file, and that the
// environment counts only where the file says so.
func TestResolve(t *testing.T) {
	vars := map[string]string{
		"TS_JOB_QUEUE_SIZE": "7", "TS_TOKEN_EXPIRATION_TIME_MIN": "5", "TS_ALLOWED_URLS": "https://a/.*", "STORE": "/srv", "EMPTY": "",
		"TS_MODELS": "{}", "TS_OPEN_INFERENCE_PROTOCOL": "true",
	}
	getenv := func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
	flags := map[string]config.Override{"job_queue_size": {"6", "--queue-size"}, "model_store": {"/flag", "--model-store"}}
	tests := []struct {
		name, in string
		flags    map[string]config.Override
		key      string
		want     string
		from     string
	}{
		{"file", "job_queue_size=5\n", nil, "job_queue_size", "5", "f:1"},
		{"command line over file", "job_queue_size=5\n", flags, "job_queue_size", "6", "--queue-size"},
		{"command line alone", "", flags, "model_store", "/flag", "--model-store"},
		{"environment over both", "enable_envvars_config=TRUE\njob_queue_size=5\n", flags, "job_queue_size", "7", "TS_JOB_QUEUE_SIZE"},
		{"environment without a line", "enable_envvars_config=true\n", nil, "job_queue_size", "7", "TS_JOB_QUEUE_SIZE"},
		{"environment that is off", "enable_envvars_config=false\njob_queue_size=5\n", nil, "job_queue_size", "5", "f:2"},
		{"another name", "enable_envvars_config=true\n", nil, "token_expiration_min", "5", "TS_TOKEN_EXPIRATION_TIME_MIN"},
		{"a name that begins with ts", "enable_envvars_config=true\n", nil, "ts_open_inference_protocol", "true", "TS_OPEN_INFERENCE_PROTOCOL"},
		{"never from the environment", "enable_envvars_config=true\n", nil, "models", "", "default"},
		{"URLs need their own switch", "enable_envvars_config=true\nallowed_urls=b\n", nil, "allowed_urls", "b", "f:2"},
		{"URLs with it", "enable_envvars_config=true\nuse_env_allowed_urls=true\nallowed_urls=b\n", nil, "allowed_urls", "https://a/.*", "TS_ALLOWED_URLS"},
		{"variables in values", "model_store=$$STORE$$/m$$EMPTY$$\n", nil, "model_store", "/srv/m", "f:1"},
		{"the last one wins", "job_queue_size=1\njob_queue_size=2\n", nil, "job_queue_size", "2", "f:2"},
	}
	for _, c := range tests {
		f, err := config.Parse("f", []byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.Resolve(getenv, c.flags)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Get(c.key); got != c.want || r.From(c.key) != c.from {
			t.Errorf("%s: %s = %q from %s, want %q from %s", c.name, c.key, got, r.From(c.key), c.want, c.from)
		}
	}
	f, _ := config.Parse("f", []byte("\nmodel_store=$$NOWHERE$$\n"))
	if _, err := f.Resolve(getenv, nil); err == nil || err.Error() != "f:2: model_store: the environment variable NOWHERE is not set" {
		t.Errorf("unset variable: %v", err)
	}
	f, _ = config.Parse("f", []byte("enable_envvars_config=true\n"))
	vars["TS_JOB_QUEUE_SIZE"] = "many"
	r, err := f.Resolve(getenv, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.TorchServe(); err == nil || !strings.HasPrefix(err.Error(), `TS_JOB_QUEUE_SIZE: job_queue_size: "many" is not a whole number`) {
		t.Errorf("a bad variable: %v", err)
	}
}
