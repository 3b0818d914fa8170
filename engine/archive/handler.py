"""Runs an ONNX model in TorchServe with ONNX Runtime, as sweetspot serve answers for it.

The bodies: JSON (an array for a single input, an object by name, or the inputs of the Open
Inference Protocol) and the raw little-endian bytes of a single input. model.json says what the
inputs and outputs are. Settings in model-config.yaml:

handler:
  threads: 1    # of a worker; the default is 1, because workers and threads share the cores
"""
import json
import math
import os

import numpy
import onnxruntime

TYPES = {
    "BOOL": numpy.bool_, "UINT8": numpy.uint8, "UINT16": numpy.uint16, "UINT32": numpy.uint32, "UINT64": numpy.uint64,
    "INT8": numpy.int8, "INT16": numpy.int16, "INT32": numpy.int32, "INT64": numpy.int64,
    "FP16": numpy.float16, "FP32": numpy.float32, "FP64": numpy.float64, "BYTES": numpy.object_,
}


# TorchServe takes the only class of this file. A ValueError is a body that does not fit the
# model: it fails alone, with status 400.
class Handler:
    def initialize(self, context):
        folder = context.system_properties.get("model_dir")
        with open(os.path.join(folder, "model.json"), encoding="utf-8") as f:
            self.model = json.load(f)
        config = (getattr(context, "model_yaml_config", None) or {}).get("handler") or {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(config.get("threads", 1))
        options.inter_op_num_threads = 1
        gpu = context.system_properties.get("gpu_id")
        providers = ["CPUExecutionProvider"]
        if gpu is not None and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(gpu)}))
        self.session = onnxruntime.InferenceSession(os.path.join(folder, self.model["file"]), options, providers=providers)

    def handle(self, data, context):
        answers = [None] * len(data)
        groups = {}
        for i, request in enumerate(data):
            try:
                values = self.decode(request)
                groups.setdefault(self.group(values, i), []).append((i, values))
            except ValueError as e:
                answers[i] = self.refuse(context, i, str(e))
        for rows in groups.values():
            self.run(rows, answers)
        for i in range(len(data)):
            if context.get_response_status(i)[0] != 400:
                context.set_response_content_type(i, "application/json")
        return answers

    def refuse(self, context, i, message):
        context.set_response_status(400, "Bad Request", idx=i)
        context.set_response_content_type(i, "application/json")
        return json.dumps({"code": 400, "type": "BadRequestException", "message": message})

    def group(self, values, i):
        """Rows of equal shape and equal inputs without a batch axis run together."""
        if not self.model["batch"]:
            return i
        return tuple(v.tobytes() if spec["whole"] else v.shape for spec, v in zip(self.model["inputs"], values))

    def run(self, rows, answers):
        feed = {}
        for k, spec in enumerate(self.model["inputs"]):
            parts = [values[k] for _, values in rows]
            if spec["whole"]:
                feed[spec["name"]] = parts[0]
            else:
                feed[spec["name"]] = numpy.stack(parts, axis=spec["axis"])
        outputs = self.session.run([o["name"] for o in self.model["outputs"]], feed)
        for n, (i, _) in enumerate(rows):
            item = []
            for spec, value in zip(self.model["outputs"], outputs):
                item.append(value if spec["whole"] else numpy.take(value, n, axis=spec["axis"]))
            answers[i] = self.encode(item)

    def decode(self, request):
        body = request.get("data")
        if body is None:
            body = request.get("body")
        if body is None:  # a form with the inputs as its fields
            return [self.tensor(spec, self.field(request, spec)) for spec in self.model["inputs"]]
        if isinstance(body, (bytes, bytearray)):
            raw = self.raw(bytes(body))
            if raw is not None:
                return [raw]
            try:
                body = json.loads(body)
            except ValueError:
                raise ValueError("the body is neither JSON nor the bytes of the input")
        elif isinstance(body, str):
            try:
                body = json.loads(body)
            except ValueError:
                raise ValueError("the body is not JSON")
        return self.from_json(body)

    def field(self, request, spec):
        value = request.get(spec["name"])
        if value is None:
            raise ValueError("input %s is missing" % spec["name"])
        if isinstance(value, (bytes, bytearray, str)):
            try:
                return json.loads(value)
            except ValueError:
                raise ValueError("input %s is not JSON" % spec["name"])
        return value

    def raw(self, body):
        """The bytes of a single input of fixed size, or None."""
        inputs = self.model["inputs"]
        if len(inputs) != 1 or inputs[0]["type"] == "BYTES" or any(n < 0 for n in inputs[0]["shape"]):
            return None
        kind, shape = numpy.dtype(TYPES[inputs[0]["type"]]).newbyteorder("<"), inputs[0]["shape"]
        if len(body) != kind.itemsize * math.prod(shape):
            return None
        return numpy.frombuffer(body, dtype=kind).reshape(shape).astype(kind.newbyteorder("="))

    def from_json(self, body):
        inputs = self.model["inputs"]
        if isinstance(body, dict) and isinstance(body.get("inputs"), list):
            body = {t.get("name"): t.get("data") for t in body["inputs"] if isinstance(t, dict)}
        elif not isinstance(body, dict):
            if len(inputs) != 1:
                raise ValueError("the model has %d inputs: want an object with their names" % len(inputs))
            body = {inputs[0]["name"]: body}
        elif len(inputs) == 1 and inputs[0]["name"] not in body:
            for name in ("data", "body"):
                if name in body:
                    body = {inputs[0]["name"]: body[name]}
                    break
        out = []
        for spec in inputs:
            if spec["name"] not in body:
                raise ValueError("input %s is missing" % spec["name"])
            out.append(self.tensor(spec, body[spec["name"]]))
        return out

    def tensor(self, spec, value):
        kind = TYPES[spec["type"]]
        wrong = ValueError("input %s: not values of one shape, %s %s" % (spec["name"], spec["type"], spec["shape"]))
        try:
            array = self.cast(value, kind)
        except (TypeError, ValueError, OverflowError):
            raise wrong
        if array is None:
            raise wrong
        shape = spec["shape"]
        if array.ndim == len(shape) + 1 and array.shape[0] == 1:
            array = array[0]
        if array.ndim == 1 and len(shape) != 1 and all(n >= 0 for n in shape) and array.size == math.prod(shape):
            array = array.reshape(shape)
        if array.ndim != len(shape) or any(n >= 0 and n != have for n, have in zip(shape, array.shape)):
            raise ValueError("input %s: shape %s, want %s" % (spec["name"], list(array.shape), shape))
        return array

    def cast(self, value, kind):
        """The values as an array of this type, or None if one does not fit it."""
        if kind is numpy.object_:
            array = numpy.asarray(value, dtype=object)
            return array if all(isinstance(v, str) for v in array.flat) else None
        found = numpy.asarray(value)
        if found.dtype.kind == "U":  # "NaN" and "Infinity" are texts in JSON
            found = found.astype(numpy.float64)
        if found.dtype.kind not in "iufb":
            return None
        with numpy.errstate(all="ignore"):
            array = found.astype(kind)
            if array.dtype.kind == "f":
                fits = numpy.isinf(array) == numpy.isinf(found)
            else:
                fits = array == found
        return array if numpy.all(fits) else None

    def encode(self, item):
        texts = [self.text(v) for v in item]
        if len(texts) == 1:
            return texts[0]
        names = [json.dumps(o["name"]) for o in self.model["outputs"]]
        return "{" + ", ".join(n + ": " + t for n, t in zip(names, texts)) + "}"

    def text(self, value):
        value = numpy.asarray(value)
        if value.ndim == 1 and value.dtype.kind == "f" and numpy.isfinite(value).all():
            return "[" + ",".join(numbers(value)) + "]"  # five times as fast as one by one
        if value.ndim > 0:
            return "[" + ",".join(self.text(v) for v in value) + "]"
        if value.dtype == numpy.bool_:
            return "true" if value else "false"
        if value.dtype.kind in "iu":
            return str(int(value))
        if value.dtype.kind != "f":
            return json.dumps(str(value), ensure_ascii=False)
        if numpy.isnan(value):
            return '"NaN"'
        if numpy.isinf(value):
            return '"Infinity"' if value > 0 else '"-Infinity"'
        return number(value)


def numbers(values):
    """The texts of number for finite values."""
    for i, text in enumerate(values.astype("U").tolist()):
        if "e" in text:
            yield number(values[i])
        else:
            yield text[:-2] if text.endswith(".0") else text


def number(value):
    """The fewest digits that read back as the same number."""
    text = numpy.format_float_positional(value, unique=True, trim="-")
    return text if len(text) < 24 else numpy.format_float_scientific(value, unique=True, trim="-")
