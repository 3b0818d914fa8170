package config

import (
	"fmt"
	"strings"
)

// ignored has the keys that TorchServe reads and sweetspot serve does not, with the reason, which
// docs/torchserve-compatibility.md repeats.
var ignored = reasons(map[string]string{
	"there are no workflows": "workflow_store",
	"pictures have at most 33,554,432 pixels, those for handlers in Python as many as Pillow takes":             "limit_max_image_pixels",
	"the inputs of a model say how a body is read; handlers in Python get JSON and text decoded, as by default": "decode_input_request",
	"an archive names its handler":                                                              "default_service_handler",
	"nothing is installed: the interpreter has the packages":                                    "install_py_dep_per_model",
	"`--python` or `SWEETSPOT_PYTHON` names the interpreter":                                    "python",
	"there are no sequences":                                                                    "ts_header_key_sequence_id ts_header_key_sequence_start ts_header_key_sequence_end",
	"only PEM files are read: private_key_file and certificate_file":                            "keystore keystore_pass keystore_type",
	"handlers in Python get the whole environment":                                              "blacklist_env_vars",
	"workers have no ports":                                                                     "initial_worker_port initial_distribution_port",
	"workers are always started":                                                                "debug",
	"all metrics of handlers in Python are at `/metrics`, or those that `metrics_config` names": "model_metrics_auto_detect",
	"the metrics of the machine are measured without a command":                                 "system_metrics_cmd",
	"the routes of the Open Inference Protocol are always there":                                "ts_open_inference_protocol",
	"it is about the Java server": `number_of_netty_threads netty_client_threads async_logging prefer_direct_buffer use_native_io io_ratio
		model_server_home cpp_log_config vmargs plugins_path`,
	"models run in ONNX Runtime, or in torch without it": "ipex_enable ipex_gpu_enable",
})

// reasons turns reason -> keys into key -> reason.
func reasons(keys map[string]string) map[string]string {
	out := map[string]string{}
	for reason, list := range keys {
		for key := range strings.FieldsSeq(list) {
			out[key] = reason
		}
	}
	return out
}

// Ignored returns why sweetspot serve does not read a key that TorchServe reads; "" if it does.
func Ignored(key string) string { return ignored[key] }

// Unused returns a line for each key of the file that sweetspot serve ignores.
func (f *File) Unused() []string {
	var out []string
	inForce := f.inForce()
	for i, l := range f.Lines {
		if l.Kind != Pair || inForce[l.Key] != i {
			continue
		}
		if l.Key == keyLauncherArgs && isTrue(f.Get(keyCPULauncher)) {
			out = append(out, f.unusedLauncher(l)...)
		}
		if reason := Ignored(l.Key); reason != "" {
			out = append(out, fmt.Sprintf("%s: %s is ignored: %s", f.From(l.Key), l.Key, reason))
		}
	}
	return out
}
