package config

import (
	"slices"
	"strings"
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
	keyModelStore      = "model_store"
	keyLoadModels      = "load_models"
	keyDefaultWorkers  = "default_workers_per_model"
	keyQueueSize       = "job_queue_size"
	keyNumberOfGPU     = "number_of_gpu"
	keyResponseTimeout = "default_response_timeout"
	keyMaxRequestSize  = "max_request_size"
)

// The keys that TorchServe reads, by the type of their value. It ignores other keys without
// a warning.
var (
	numberKeys = strings.Fields(`default_workers_per_model job_queue_size number_of_netty_threads
		netty_client_threads number_of_gpu io_ratio default_response_timeout default_startup_timeout
		max_request_size max_response_size metric_time_interval grpc_inference_port grpc_management_port
		grpc_inference_max_connection_age_ms grpc_inference_max_connection_age_grace_ms
		grpc_management_max_connection_age_ms grpc_management_max_connection_age_grace_ms
		unregister_model_timeout initial_worker_port initial_distribution_port token_expiration_min`)
	booleanKeys = strings.Fields(`async_logging prefer_direct_buffer use_native_io cpu_launcher_enable
		ipex_enable ipex_gpu_enable limit_max_image_pixels decode_input_request disable_system_metrics
		model_metrics_auto_detect enable_metrics_api install_py_dep_per_model enable_grpc_ssl
		use_env_allowed_urls disable_token_authorization enable_model_api ts_open_inference_protocol
		enable_envvars_config debug`)
	textKeys = strings.Fields(`models model_snapshot load_models model_store workflow_store
		inference_address management_address metrics_address grpc_inference_address grpc_management_address
		cpu_launcher_args system_metrics_cmd metrics_mode metrics_config vmargs keystore keystore_pass
		keystore_type private_key_file certificate_file cors_allowed_origin cors_allowed_methods
		cors_allowed_headers blacklist_env_vars allowed_urls model_server_home default_service_handler
		service_envelope ts_header_key_sequence_id ts_header_key_sequence_start ts_header_key_sequence_end
		cpp_log_config plugins_path python`)
)

func isKnown(key string) bool {
	return slices.Contains(numberKeys, key) || slices.Contains(booleanKeys, key) || slices.Contains(textKeys, key)
}

func knownKeys() []string { return slices.Concat(numberKeys, booleanKeys, textKeys) }
