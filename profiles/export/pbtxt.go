package export

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// modelConfigDescriptor describes the fields of Triton's ModelConfig that are written. The
// text format has field names only, so that the numbers differ from Triton's.
const modelConfigDescriptor = `
name: "model_config.proto" syntax: "proto3"
enum_type { name: "Kind"
  value { name: "KIND_AUTO" number: 0 } value { name: "KIND_GPU" number: 1 }
  value { name: "KIND_CPU" number: 2 } value { name: "KIND_MODEL" number: 3 } }
enum_type { name: "DataType"
  value { name: "TYPE_INVALID" number: 0 } value { name: "TYPE_BOOL" number: 1 }
  value { name: "TYPE_UINT8" number: 2 } value { name: "TYPE_UINT16" number: 3 }
  value { name: "TYPE_UINT32" number: 4 } value { name: "TYPE_UINT64" number: 5 }
  value { name: "TYPE_INT8" number: 6 } value { name: "TYPE_INT16" number: 7 }
  value { name: "TYPE_INT32" number: 8 } value { name: "TYPE_INT64" number: 9 }
  value { name: "TYPE_FP16" number: 10 } value { name: "TYPE_FP32" number: 11 }
  value { name: "TYPE_FP64" number: 12 } value { name: "TYPE_STRING" number: 13 }
  value { name: "TYPE_BF16" number: 14 } }
message_type { name: "Shape"
  field { name: "shape" number: 1 label: LABEL_REPEATED type: TYPE_INT64 } }
message_type { name: "Tensor"
  field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "data_type" number: 2 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".DataType" }
  field { name: "dims" number: 3 label: LABEL_REPEATED type: TYPE_INT64 }
  field { name: "reshape" number: 4 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".Shape" } }
message_type { name: "Group"
  field { name: "count" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 }
  field { name: "kind" number: 2 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".Kind" }
  field { name: "gpus" number: 3 label: LABEL_REPEATED type: TYPE_INT32 } }
message_type { name: "Policy"
  field { name: "max_queue_size" number: 1 label: LABEL_OPTIONAL type: TYPE_UINT32 } }
message_type { name: "Batching"
  field { name: "preferred_batch_size" number: 1 label: LABEL_REPEATED type: TYPE_INT32 }
  field { name: "max_queue_delay_microseconds" number: 2 label: LABEL_OPTIONAL type: TYPE_UINT64 }
  field { name: "default_queue_policy" number: 3 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".Policy" } }
message_type { name: "Value"
  field { name: "string_value" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING } }
message_type { name: "Parameter"
  field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".Value" } }
message_type { name: "ModelConfig"
  field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "backend" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "max_batch_size" number: 3 label: LABEL_OPTIONAL type: TYPE_INT32 }
  field { name: "input" number: 4 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".Tensor" }
  field { name: "output" number: 5 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".Tensor" }
  field { name: "instance_group" number: 6 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".Group" }
  field { name: "dynamic_batching" number: 7 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".Batching" }
  field { name: "parameters" number: 8 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".Parameter" } }
`

// newModelConfig returns an empty ModelConfig.
func newModelConfig() *dynamicpb.Message {
	var file descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(modelConfigDescriptor), &file); err != nil {
		panic("export: " + err.Error())
	}
	d, err := protodesc.NewFile(&file, nil)
	if err != nil {
		panic("export: " + err.Error())
	}
	return dynamicpb.NewMessage(d.Messages().ByName("ModelConfig"))
}

// readTriton parses config.pbtxt with the parser of protocol buffers. It ignores fields that
// are not written by this package.
func readTriton(data []byte, _ Source) (map[string]string, error) {
	m := newModelConfig()
	if err := (prototext.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, m); err != nil {
		return nil, err
	}
	out := map[string]string{"max_batch_size": "0", pathDelay: "0"} // a field with the value 0 is missing in the message
	flatten("", m, out)
	return out, nil
}

const pathDelay = "dynamic_batching.max_queue_delay_microseconds"

// flatten adds all fields that are set to out, by their paths. The path of a message in a
// list has its index, or its key if it is a parameter. A list of values is one text.
func flatten(prefix string, m protoreflect.Message, out map[string]string) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := prefix + string(f.Name())
		switch {
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				e := v.List().Get(i).Message()
				flatten(fmt.Sprintf("%s[%s].", name, element(i, e)), e, out)
			}
		case f.IsList():
			parts := make([]string, v.List().Len())
			for i := range parts {
				parts[i] = v.List().Get(i).String()
			}
			out[name] = strings.Join(parts, ", ")
		case f.Message() != nil:
			flatten(name+".", v.Message(), out)
		case f.Enum() != nil:
			out[name] = fmt.Sprint(v.Enum())
			if d := f.Enum().Values().ByNumber(v.Enum()); d != nil {
				out[name] = string(d.Name())
			}
		default:
			out[name] = v.String()
		}
		return true
	})
}

// element returns the name of an element of a list of messages in a path: its key or index.
func element(i int, e protoreflect.Message) string {
	if f := e.Descriptor().Fields().ByName("key"); f != nil {
		return e.Get(f).String()
	}
	return itoa(i)
}

// tritonFields returns the values of a config.pbtxt by their paths, as in flatten.
func tritonFields(s Source) []field {
	kind, _ := instance(s)
	out := []field{
		{"name", s.Model.Name},
		{"max_batch_size", itoa(maxBatch(s))},
		{"instance_group[0].count", itoa(s.Settings.Workers)},
		{"instance_group[0].kind", kind},
	}
	if kind == "KIND_GPU" {
		out = append(out, field{"instance_group[0].gpus", itoa(gpuNumber(s))})
	}
	if usesONNXRuntime(s) {
		out = append(out, field{"backend", "onnxruntime"},
			field{"parameters[intra_op_thread_count].value.string_value", itoa(s.Settings.Threads)})
	}
	if batches(s) {
		out = append(out, field{"dynamic_batching.preferred_batch_size", itoa(s.Settings.BatchSize)},
			field{"dynamic_batching.default_queue_policy.max_queue_size", itoa(s.Settings.QueueSize)},
			field{pathDelay, fmt.Sprint(s.Settings.BatchDelay.Microseconds())})
	}
	if s.tensors() != nil {
		for i, t := range s.tensors() {
			list, j := "input", i
			if n := len(s.Model.Inputs); i >= n {
				list, j = "output", i-n
			}
			dataType, _ := tritonType(t.Type)
			path := fmt.Sprintf("%s[%d].", list, j)
			out = append(out, field{path + "name", t.Name}, field{path + "data_type", dataType}, field{path + "dims", dims(t)})
		}
	}
	return out
}
