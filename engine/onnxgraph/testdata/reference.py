"""Makes reference.json: results of other programs for the models in a folder.

    dir=$(mktemp -d)
    go test ./engine/onnxgraph/builtin -run TestModels -export "$dir"
    pip install onnx==1.23.2 numpy onnxconverter-common==1.16.0
    python engine/onnxgraph/testdata/reference.py "$dir" > engine/onnxgraph/testdata/reference.json

The reference evaluator of the onnx package runs each model on two generated items, and
its intermediate results give the work of one item. onnxconverter-common converts the models to
FP16; a hash of the converted weights is kept.
"""

import hashlib
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxconverter_common import float16

PROBES = 8  # numbers kept of each output, evenly spread
TOKENS = 64
WORK = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Numbers on both sides of every limit of the conversion.
EDGES = [0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, 65504.0, 65520.0, 1e4, 10000.001, -1e4, -1e6, 3.4e38, -3.4e38, float("inf"),
         -float("inf"), float("nan"), 1e-7, -1e-7, 9e-8, -9e-8, 1e-30, 6e-8, 2.98e-8, 6.1035e-5, 6.0976e-5, 2049.0, 2051.0,
         0.333251953125, 1.00048828125, 1.000488281250001, 5.9604645e-8, 1e-45]


def numbers(n):
    """The multiplicative sequence of Knuth: evenly spread over 0 to 1, the same in any language."""
    return ((np.arange(n, dtype=np.uint64) + 1) * 2654435761 % 2**32).astype(np.float64) / 2**32


def feed(value):
    """Two items for one input."""
    dims = [2] + [d.dim_value or TOKENS for d in value.type.tensor_type.shape.dim[1:]]
    v = numbers(int(np.prod(dims))).reshape(dims)
    if "mask" in value.name:
        v = np.ones(dims, np.int64)
        v[1, 48:] = 0
        return v
    if value.type.tensor_type.elem_type == onnx.TensorProto.INT64:
        return np.floor(v * 8192).astype(np.int64)
    return (v if len(dims) == 4 else 2 * v - 1).astype(np.float32)


def evaluate(model):
    """The values of all outputs and of all operands of the nodes that count as work."""
    names = [o.name for o in model.graph.output]
    constant = {t.name for t in model.graph.initializer}
    every = list(names)
    for node in model.graph.node:
        if node.op_type in WORK:
            every += [n for n in [node.output[0], *node.input] if n not in every and n not in constant]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in every)
    feeds = {v.name: feed(v) for v in model.graph.input}
    values = dict(zip(every, ReferenceEvaluator(model).run(None, feeds)))
    values.update(feeds)
    values.update({t.name: numpy_helper.to_array(t) for t in model.graph.initializer})
    return names, values


def flops(model, values, rows):
    """2 for each multiplication of one item, and of one row where outputs have rows."""
    item = row = 0
    for node in model.graph.node:
        if node.op_type not in WORK:
            continue
        out, left, right = (values[n].shape for n in (node.output[0], node.input[0], node.input[1]))
        count = 2 * int(np.prod(out))
        if node.op_type == "Conv":
            count *= int(np.prod(right[1:]))
        elif node.op_type == "ConvTranspose":  # each number of the input meets the whole kernel
            count = 2 * int(np.prod(left)) * int(np.prod(right[1:]))
        else:
            count *= left[-1]
        if rows and out[0] == rows:
            row += count // rows
        else:
            item += count // 2
    return item, row


def half(model):
    """The sum of each FP16 initializer of the converted model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = float16.convert_float_to_float16(model, keep_io_types=True)
    return {t.name: hashlib.sha256(numpy_helper.to_array(t).astype("<f2").tobytes()).hexdigest()
            for t in converted.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}


def combined(sums):
    return hashlib.sha256("".join(f"{k} {sums[k]}\n" for k in sorted(sums)).encode()).hexdigest()


def describe(path):
    model = onnx.load(path)
    onnx.checker.check_model(model)
    sums = half(onnx.load(path))
    names, values = evaluate(model)
    outputs = {}
    for name in names:
        v = values[name]
        flat = v.ravel()
        at = [i * flat.size // PROBES for i in range(PROBES)]
        outputs[name] = {"shape": v.shape, "at": at, "values": [round(float(flat[i]), 7) for i in at],
                         "largest": round(float(np.abs(flat).max()), 7), "mean": round(float(flat.mean(dtype=np.float64)), 9)}
    rows = values["batch_idx"].size if "batch_idx" in names else 0
    item, row = flops(model, values, rows)
    return {"flops": item, "flops_per_row": row, "outputs": outputs, "half": {"initializers": len(sums), "sha256": combined(sums)}}


def edges():
    v = np.array(EDGES, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codes = float16.convert_np_to_float16(v)
    return {"fp32_bits": v.view(np.uint32).tolist(), "fp16_bits": codes.view(np.uint16).tolist()}


def main():
    folder = pathlib.Path(sys.argv[1])
    out = {"made_with": f"onnx {onnx.__version__}, numpy {np.__version__}, onnxconverter-common",
           "models": {p.stem: describe(p) for p in sorted(folder.glob("*.onnx"))}, "edges": edges()}
    print(json.dumps(out, separators=(",", ":")))


main()
