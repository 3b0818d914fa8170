package config

import (
	"math"
	"strings"
	"sync"

	"sweetspot/engine/knob"
)

// The keys that this project reads and writes.
const (
	keyModels          = "models"
	keySnapshot        = "model_snapshot"
	keyInference       = "inference_address"
	keyManagement      = "management_address"
	keyMetrics         = "metrics_address"
	keyGRPCInference   = "grpc_inference_port"
	keyGRPCManagement  = "grpc_management_port"
	keyGRPCHost        = "grpc_inference_address"
	keyGRPCManageHost  = "grpc_management_address"
	keyGRPCAge         = "grpc_inference_max_connection_age_ms"
	keyGRPCGrace       = "grpc_inference_max_connection_age_grace_ms"
	keyGRPCManageAge   = "grpc_management_max_connection_age_ms"
	keyGRPCManageGrace = "grpc_management_max_connection_age_grace_ms"
	keyGRPCSecure      = "enable_grpc_ssl"
	keyModelStore      = "model_store"
	keyLoadModels      = "load_models"
	keyDefaultWorkers  = "default_workers_per_model"
	keyQueueSize       = "job_queue_size"
	keyNumberOfGPU     = "number_of_gpu"
	keyResponseTimeout = "default_response_timeout"
	keyStartupTimeout  = "default_startup_timeout"
	keyMaxRequestSize  = "max_request_size"
	keyMaxResponseSize = "max_response_size"
	keyEnableEnvVars   = "enable_envvars_config"
	keyEnvURLs         = "use_env_allowed_urls"
	keyAllowedURLs     = "allowed_urls"
	keyModelAPI        = "enable_model_api"
	keyNoTokens        = "disable_token_authorization"
	keyTokenMinutes    = "token_expiration_min"
	keyMetricsAPI      = "enable_metrics_api"
	keyMetricsConfig   = "metrics_config"
	keyNoSystem        = "disable_system_metrics"
	keyMetricInterval  = "metric_time_interval"
	keyMetricsMode     = "metrics_mode"
	keyKeystore        = "keystore"
	keyKeystoreType    = "keystore_type"
	keyPrivateKey      = "private_key_file"
	keyCertificate     = "certificate_file"
	keyCORSOrigin      = "cors_allowed_origin"
	keyCORSMethods     = "cors_allowed_methods"
	keyCORSHeaders     = "cors_allowed_headers"
	keyEnvelope        = "service_envelope"
	keyCPULauncher     = "cpu_launcher_enable"
	keyLauncherArgs    = "cpu_launcher_args"
	keyOIP             = "ts_open_inference_protocol"
)

// ValueKind is the type of the value of a key.
type ValueKind uint8

// The kinds of value.
const (
	Text ValueKind = iota
	Number
	Boolean
	Float
	Address
)

// Key is a key that TorchServe reads. It ignores other keys without a warning.
type Key struct {
	Name      string
	Kind      ValueKind
	Low, High int64  // of a Number
	Env       string // environment variable that has priority with enable_envvars_config; "" is none
	Default   string
}

// Keys returns the keys that TorchServe reads, in the order of docs/torchserve-compatibility.md.
func Keys() []Key {
	number := func(name string, low, high int64, def string) Key {
		return Key{Name: name, Kind: Number, Low: low, High: high, Env: envName(name), Default: def}
	}
	key := func(name string, kind ValueKind, def string) Key {
		return Key{Name: name, Kind: kind, Env: envName(name), Default: def}
	}
	const most = math.MaxInt32
	return []Key{
		key(keyInference, Address, "http://127.0.0.1:8080"), key(keyManagement, Address, "http://127.0.0.1:8081"), key(keyMetrics, Address, "http://127.0.0.1:8082"),
		key(keyGRPCHost, Text, "127.0.0.1"), key(keyGRPCManageHost, Text, "127.0.0.1"),
		number(keyGRPCInference, 1, 65535, "7070"), number(keyGRPCManagement, 1, 65535, "7071"),
		number(keyGRPCAge, 1, math.MaxInt64, "none"), number(keyGRPCGrace, 0, math.MaxInt64, "none"),
		number(keyGRPCManageAge, 1, math.MaxInt64, "none"), number(keyGRPCManageGrace, 0, math.MaxInt64, "none"),
		key(keyGRPCSecure, Boolean, "false"),
		key(keyModelStore, Text, "required"), key("workflow_store", Text, "model_store"), key(keyLoadModels, Text, "none"),
		key(keyModels, Text, "none"), key(keySnapshot, Text, "none"),
		number(keyDefaultWorkers, 0, most, "0: one for each GPU, or for each core"), number(keyQueueSize, 1, most, "100"),
		number(keyNumberOfGPU, 0, most, "all"), number(keyResponseTimeout, 0, most, "120"), number(keyStartupTimeout, 0, most, "120"),
		number("unregister_model_timeout", 0, most, "120"),
		number(keyMaxRequestSize, 1, most, "6553500"), number(keyMaxResponseSize, 1, most, "6553500"),
		key("limit_max_image_pixels", Boolean, "true"), key("decode_input_request", Boolean, "true"),
		key("default_service_handler", Text, "none"), key(keyEnvelope, Text, "none"),
		key(keyNoTokens, Boolean, "false"), key(keyTokenMinutes, Float, "60"), key(keyModelAPI, Boolean, "false"),
		key(keyAllowedURLs, Text, "file://.*|http(s)?://.*"), key(keyEnvURLs, Boolean, "false"),
		key(keyKeystore, Text, "none"), key("keystore_pass", Text, "changeit"), key(keyKeystoreType, Text, "PKCS12"),
		key(keyPrivateKey, Text, "none"), key(keyCertificate, Text, "none"),
		key(keyCORSOrigin, Text, "none"), key(keyCORSMethods, Text, "none"), key(keyCORSHeaders, Text, "none"),
		key("blacklist_env_vars", Text, "none"),
		key(keyMetricsAPI, Boolean, "true"), key(keyMetricsMode, Text, "log"), key(keyMetricsConfig, Text, "ts/configs/metrics.yaml"),
		key("model_metrics_auto_detect", Boolean, "false"), key(keyNoSystem, Boolean, "false"),
		number(keyMetricInterval, 1, most, "60"), key("system_metrics_cmd", Text, "its own"),
		key(keyOIP, Boolean, "false"),
		key("ts_header_key_sequence_id", Text, "ts_request_sequence_id"), key("ts_header_key_sequence_start", Text, "ts_request_sequence_start"),
		key("ts_header_key_sequence_end", Text, "ts_request_sequence_end"),
		number("number_of_netty_threads", 0, most, "0: twice the cores"), number("netty_client_threads", 0, most, "0: twice the cores"),
		key("async_logging", Boolean, "false"), key("prefer_direct_buffer", Boolean, "false"), key("use_native_io", Boolean, "true"),
		number("io_ratio", 1, 100, "50"),
		key(keyCPULauncher, Boolean, "false"), key(keyLauncherArgs, Text, "none"),
		key("ipex_enable", Boolean, "false"), key("ipex_gpu_enable", Boolean, "false"),
		key("install_py_dep_per_model", Boolean, "false"),
		number("initial_worker_port", 1, 65535, "9000"), number("initial_distribution_port", 1, 65535, "29500"),
		key("model_server_home", Text, "its own"), key("cpp_log_config", Text, "none"),
		key("vmargs", Text, "none"), key("plugins_path", Text, "none"), key("python", Text, "that of the start script"),
		key(keyEnableEnvVars, Boolean, "false"), key("debug", Boolean, "false"),
	}
}

// envName returns the environment variable of a key: that of the constant in TorchServe's
// code, if its name starts with TS_.
func envName(key string) string {
	switch key {
	case keyModels, keySnapshot, "use_native_io", "io_ratio", keyMetricInterval, "system_metrics_cmd",
		keyEnableEnvVars, keyEnvURLs, "vmargs", "plugins_path", "python":
		return ""
	case keyTokenMinutes:
		return "TS_TOKEN_EXPIRATION_TIME_MIN"
	}
	if name := strings.ToUpper(key); strings.HasPrefix(name, "TS_") {
		return name
	}
	return "TS_" + strings.ToUpper(key)
}

// keyIndex has the keys by name.
var keyIndex = sync.OnceValue(func() map[string]Key {
	out := map[string]Key{}
	for _, k := range Keys() {
		out[k.Name] = k
	}
	return out
})

// maxKey is more than the longest key has; what is longer is no misspelling of one.
const maxKey = 60

// keyNames returns the names of the keys.
var keyNames = sync.OnceValue(func() []string {
	var out []string
	for _, k := range Keys() {
		out = append(out, k.Name)
	}
	return out
})

// lookupKey returns a key by its exact name.
func lookupKey(name string) (Key, bool) {
	k, ok := keyIndex()[name]
	return k, ok
}

// otherNames are names from elsewhere that people write for a key. Those of TorchServe's own
// pages and examples are among them.
var otherNames = map[string]string{
	"metrics_format":    keyMetricsMode,
	"queue_size":        keyQueueSize,
	"response_timeout":  keyResponseTimeout,
	"startup_timeout":   keyStartupTimeout,
	"workers":           keyDefaultWorkers,
	"workers_per_model": keyDefaultWorkers,
	"default_workers":   keyDefaultWorkers,
	"number_of_gpus":    keyNumberOfGPU,
	"port":              keyInference,
	"grpc_port":         keyGRPCInference,
}

// nearestKey returns the key that an unknown name may mean.
func nearestKey(name string) (string, bool) {
	if known, ok := otherNames[strings.ToLower(name)]; ok {
		return known, true
	}
	if len(name) > maxKey {
		return "", false
	}
	return knob.Nearest(name, keyNames())
}
