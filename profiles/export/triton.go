package export

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
)

// fitsTriton tells why s is no configuration of Triton's.
func fitsTriton(s Source, _ bool) error {
	if err := untold(s); err != nil {
		return err
	}
	limits := knob.Limits{Rule: knob.Eager, BatchAxis: s.Model.BatchAxis, BatchWhy: "see the profile's model"}
	if err := plainSettings(s).Validate(limits); err != nil {
		return err
	}
	if forTriton(s).Model.Name == "" {
		return fmt.Errorf("model name %q: Triton wants a folder of that name; use letters, digits, _ - . in it", s.Model.Name)
	}
	for _, t := range s.tensors() {
		if _, ok := tritonType(t.Type); !ok {
			return fmt.Errorf("%q: unknown type %q; want one of Open Inference Protocol v2, such as FP32", t.Name, t.Type)
		}
	}
	return nil
}

// forTriton is s with a name that a folder can have.
func forTriton(s Source) Source {
	if name := plainName(s.Model.Name); name != s.Model.Name {
		s.ownName, s.Model.Name = s.Model.Name, name
	}
	return s
}

// tensors are the model's inputs and outputs, when both are known.
func (s Source) tensors() []profiles.Tensor {
	if len(s.Model.Inputs) == 0 || len(s.Model.Outputs) == 0 {
		return nil
	}
	return append(append([]profiles.Tensor{}, s.Model.Inputs...), s.Model.Outputs...)
}

// tritonType is Triton's word for an element type.
func tritonType(oip string) (string, bool) {
	switch oip {
	case "BYTES":
		return "TYPE_STRING", true
	case "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64":
		return "TYPE_" + oip, true
	}
	return "", false
}

// onORT tells whether Triton's ONNX Runtime backend runs the model.
func onORT(s Source) bool {
	return strings.HasPrefix(s.Machine.Runtime, "onnxruntime") || strings.HasSuffix(s.Model.Source, ".onnx")
}

// batches tells whether Triton forms batches. At batch size 1 it does too, with
// one request each: without its batcher it bounds no queue.
func batches(s Source) bool { return s.Model.BatchAxis }

func maxBatch(s Source) int {
	if batches(s) {
		return s.Settings.BatchSize
	}
	return 0
}

// writeTriton writes config.pbtxt, in the text form of protocol buffers.
func writeTriton(s Source) []byte {
	var b strings.Builder
	b.Write(heading("config.pbtxt for Triton", s, tritonNotes(s)))
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("name: %s", strconv.QuoteToASCII(s.Model.Name))
	if onORT(s) {
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
	if onORT(s) {
		line("parameters {\n  key: \"intra_op_thread_count\"\n  value {\n    string_value: \"%d\"\n  }\n}", s.Settings.Threads)
	}
	return []byte(b.String())
}

// instance is where the instances run, as two fields' text. Without a number
// they would go to every GPU, so many on each.
func instance(s Source) (kind, gpus string) {
	if _, on := gpu(s.Settings.Device); !on {
		return "KIND_CPU", ""
	}
	return "KIND_GPU", fmt.Sprintf("\n    gpus: [ %d ]", gpuNumber(s))
}

// gpuNumber is the GPU the settings name; 0 for the first and for one named
// otherwise, which has to be made the only one.
func gpuNumber(s Source) int {
	if ids := deviceIDs(s); ids != nil {
		return ids[0]
	}
	return 0
}

// writeTensors writes inputs or outputs. Triton takes no empty dims: a scalar is
// one element that it reshapes.
func writeTensors(b *strings.Builder, what string, ts []profiles.Tensor) {
	fmt.Fprintf(b, "%s [\n", what)
	for i, t := range ts {
		word, _ := tritonType(t.Type)
		scalar := ""
		if len(t.Shape) == 0 {
			scalar = "\n    reshape { shape: [ ] }"
		}
		fmt.Fprintf(b, "  {\n    name: %s\n    data_type: %s\n    dims: [ %s ]%s\n  }", strconv.QuoteToASCII(t.Name), word, dims(t), scalar)
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
	if s.Options.Rule == knob.TorchServe {
		out = append(out, "Measured under the torchserve rule: Triton counts the delay from the arrival of the oldest request, TorchServe from the "+
			"first take, so the figures above hold nearly, not exactly. Measure with --rule eager to come closer.")
	}
	out = append(out, tritonBatchNotes(s)...)
	if s.Settings.Precision == knob.HalfPrecision {
		out = append(out, "FP16 has no key for ONNX Runtime: put an FP16 copy of the model into the folder. A TensorRT build of Triton has "+
			"optimization.execution_accelerators with precision_mode FP16 instead, which was not measured.")
	}
	if id, on := gpu(s.Settings.Device); on && id != "" && deviceIDs(s) == nil {
		out = append(out, fmt.Sprintf("device %s has no key: gpus takes numbers; start Triton with CUDA_VISIBLE_DEVICES=%s, which makes it number 0.", s.Settings.Device, id))
	}
	if !onORT(s) {
		out = append(out, fmt.Sprintf("backend and threads %d are not written: which keys they have depends on what runs the model; add them.", s.Settings.Threads))
	}
	if s.tensors() == nil {
		out = append(out, "input and output are not written, as the profile does not hold them: Triton completes them from the model, "+
			"or does not start; with --disable-auto-complete-config they have to be added.")
	}
	return out
}

// tritonFolder says where in the model repository things go.
func tritonFolder(s Source) string {
	out := fmt.Sprintf("This file goes into the folder %s of the model repository", s.Model.Name)
	if onORT(s) {
		out += ", the ONNX model into it as 1/model.onnx"
	}
	if s.ownName != "" {
		out += fmt.Sprintf("; %q is no good name for a folder", s.ownName)
	}
	return out + "."
}

func tritonBatchNotes(s Source) []string {
	switch {
	case !batches(s):
		return []string{fmt.Sprintf("The model has no batch axis, so there is no batcher, and without one Triton bounds no queue: queue size %d has no key.", s.Settings.QueueSize)}
	case s.Settings.BatchSize == 1:
		return []string{"At batch size 1 the batcher is there for its queue's bound; the delay does nothing."}
	}
	return nil
}
