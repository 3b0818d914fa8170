package export

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
)

// checkFolder returns an error if a server that loads models from a folder of their name, and does not know the
// batching rules of TorchServe, cannot have these settings.
func checkFolder(s Source, server string) error {
	if err := checkComplete(s); err != nil {
		return err
	}
	limits := knob.Limits{Rule: knob.Eager, BatchAxis: s.mayBatch(), BatchWhy: "see the profile's model"}
	if err := commonSettings(s).Validate(limits); err != nil {
		return err
	}
	if forTriton(s).Model.Name == "" {
		return fmt.Errorf("model name %q: %s needs a folder with that name; use letters, digits, . _ and -", s.Model.Name, server)
	}
	return nil
}

// checkTriton returns an error if Triton cannot have these settings.
func checkTriton(s Source, _ bool) error {
	if err := checkFolder(s, "Triton"); err != nil {
		return err
	}
	for _, t := range s.tensors() {
		if _, ok := tritonType(t.Type); !ok {
			return fmt.Errorf("%q: unknown type %q; want one of Open Inference Protocol v2, such as FP32", t.Name, t.Type)
		}
	}
	return nil
}

// forTriton returns s with a name that is valid for a folder.
func forTriton(s Source) Source {
	if name := validName(s.Model.Name); name != s.Model.Name {
		s.originalName, s.Model.Name = s.Model.Name, name
	}
	return s
}

// tensors returns the inputs and the outputs of the model; nil unless both are known.
func (s Source) tensors() []profiles.Tensor {
	if len(s.Model.Inputs) == 0 || len(s.Model.Outputs) == 0 {
		return nil
	}
	return append(append([]profiles.Tensor{}, s.Model.Inputs...), s.Model.Outputs...)
}

// tritonType returns Triton's name of an element type.
func tritonType(oip string) (string, bool) {
	switch oip {
	case "BYTES":
		return "TYPE_STRING", true
	case "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64":
		return "TYPE_" + oip, true
	}
	return "", false
}

// usesONNXRuntime reports whether the ONNX Runtime backend of Triton runs the model.
func usesONNXRuntime(s Source) bool {
	return strings.HasPrefix(s.Machine.Runtime, "onnxruntime") || strings.HasSuffix(s.Model.Source, ".onnx")
}

// batches reports whether dynamic batching is used. It is used also at batch size 1,
// because without it Triton does not limit the queue.
func batches(s Source) bool {
	if s.Model.BatchAxis == nil {
		return s.Settings.BatchSize > 1
	}
	return *s.Model.BatchAxis
}

// mayBatch reports whether the model may have a batch axis. If the profile does not say so, its batch
// size is a reported one.
func (s Source) mayBatch() bool { return s.Model.BatchAxis == nil || *s.Model.BatchAxis }

func maxBatch(s Source) int {
	if batches(s) {
		return s.Settings.BatchSize
	}
	return 0
}

// writeTriton writes config.pbtxt, in the text format of protocol buffers.
func writeTriton(s Source) []byte {
	var b strings.Builder
	b.Write(heading("config.pbtxt for Triton", s, tritonNotes(s)))
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("name: %s", strconv.QuoteToASCII(s.Model.Name))
	if usesONNXRuntime(s) {
		line(`backend: "onnxruntime"`)
	}
	line("max_batch_size: %d", maxBatch(s))
	if s.tensors() != nil {
		writeTensors(&b, "input", s.Model.Inputs)
		writeTensors(&b, "output", s.Model.Outputs)
	}
	kind, gpus := instance(s)
	line("instance_group [\n  {\n    count: %d\n    kind: %s%s\n  }\n]", s.Settings.Workers, kind, gpus)
	if batches(s) {
		line("dynamic_batching {\n  preferred_batch_size: [ %d ]\n  max_queue_delay_microseconds: %d\n"+
			"  default_queue_policy {\n    max_queue_size: %d\n  }\n}",
			s.Settings.BatchSize, s.Settings.BatchDelay/time.Microsecond, s.Settings.QueueSize)
	}
	if usesONNXRuntime(s) {
		line("parameters {\n  key: \"intra_op_thread_count\"\n  value {\n    string_value: \"%d\"\n  }\n}", s.Settings.Threads)
	}
	return []byte(b.String())
}

// instance returns the device of the instances, as the texts of two fields. Without a GPU
// number Triton would start this number of instances on each GPU.
func instance(s Source) (kind, gpus string) {
	if _, on := gpu(s.Settings.Device); !on {
		return "KIND_CPU", ""
	}
	return "KIND_GPU", fmt.Sprintf("\n    gpus: [ %d ]", gpuNumber(s))
}

// gpuNumber returns the number of the GPU in the settings. It is 0 if they have no number; a
// GPU with another name must then be the only visible one.
func gpuNumber(s Source) int {
	if ids := deviceIDs(s); ids != nil {
		return ids[0]
	}
	return 0
}

// writeTensors writes inputs or outputs. Triton does not allow empty dims: a scalar is
// written as one element with a reshape.
func writeTensors(b *strings.Builder, list string, ts []profiles.Tensor) {
	fmt.Fprintf(b, "%s [\n", list)
	for i, t := range ts {
		dataType, _ := tritonType(t.Type)
		reshape := ""
		if len(t.Shape) == 0 {
			reshape = "\n    reshape { shape: [ ] }"
		}
		fmt.Fprintf(b, "  {\n    name: %s\n    data_type: %s\n    dims: [ %s ]%s\n  }", strconv.QuoteToASCII(t.Name), dataType, dims(t), reshape)
		if i < len(ts)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
}

func dims(t profiles.Tensor) string {
	if len(t.Shape) == 0 {
		return "1"
	}
	parts := make([]string, len(t.Shape))
	for i, d := range t.Shape {
		parts[i] = strconv.FormatInt(d, 10)
	}
	return strings.Join(parts, ", ")
}

func tritonNotes(s Source) []string {
	out := append(append(verdictNotes(s), ownNotes(s)...), tritonFolder(s))
	switch s.Options.Rule {
	case knob.RuleUnreported:
		out = append(out, unreportedRule+"Triton.")
	case knob.TorchServe:
		out = append(out, "Measured under the torchserve rule: Triton counts the delay from the arrival of the oldest request, TorchServe from the "+
			"first take, so that the figures above are approximate. Measure with --rule eager for better ones.")
	}
	out = append(out, tritonBatchNotes(s)...)
	switch {
	case s.Settings.Precision != knob.HalfPrecision:
	case inPython(s):
		out = append(out, noFP16)
	default:
		out = append(out, "FP16 has no key for ONNX Runtime: copy an FP16 version of the model to the folder. A TensorRT build of Triton has "+
			"optimization.execution_accelerators with precision_mode FP16 instead, which was not measured.")
	}
	if id, on := gpu(s.Settings.Device); on && id != "" && deviceIDs(s) == nil {
		out = append(out, fmt.Sprintf("device %s has no key: gpus accepts numbers only; start Triton with CUDA_VISIBLE_DEVICES=%s, so that this GPU is number 0.", s.Settings.Device, id))
	}
	if !usesONNXRuntime(s) {
		out = append(out, fmt.Sprintf("backend and threads %d are not written: their keys depend on the backend; add them.", s.Settings.Threads))
	}
	if s.tensors() == nil {
		out = append(out, "input and output are not written, because the profile does not have them: Triton takes them from the model "+
			"if it can; otherwise, and with --disable-auto-complete-config, they must be added.")
	}
	return out
}

// tritonFolder says where the files must be in the model repository.
func tritonFolder(s Source) string {
	out := fmt.Sprintf("Copy this file to the folder %s of the model repository", s.Model.Name)
	if usesONNXRuntime(s) {
		out += ", and the ONNX model to 1/model.onnx in that folder"
	}
	if s.originalName != "" {
		out += fmt.Sprintf("; %q is not a suitable name for a folder", s.originalName)
	}
	return out + "."
}

func tritonBatchNotes(s Source) []string {
	switch {
	case !batches(s) && s.Model.BatchAxis == nil:
		return []string{fmt.Sprintf("It is not known whether the model has a batch axis, so that there is no dynamic batching. Without it Triton does not limit the queue: queue size %d has no key.", s.Settings.QueueSize)}
	case !batches(s):
		return []string{fmt.Sprintf("The model has no batch axis, so that there is no dynamic batching. Without it Triton does not limit the queue: queue size %d has no key.", s.Settings.QueueSize)}
	case s.Settings.BatchSize == 1:
		return []string{"At batch size 1 dynamic batching is used because it limits the queue; the delay has no effect."}
	}
	return nil
}
