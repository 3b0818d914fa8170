"""Asks a server with Triton's client for the Open Inference Protocol over gRPC.

The server has the models scale, pair and words of testdata/bodies and the model half, which
returns an FP16 input. Usage: client_grpc.py HOST:PORT KEY
"""

import queue
import sys

import numpy as np
import tritonclient.grpc as oip
from tritonclient.utils import InferenceServerException

client = oip.InferenceServerClient(sys.argv[1])
headers = {"authorization": "Bearer " + sys.argv[2]}


def input_of(name, array, datatype):
    value = oip.InferInput(name, list(array.shape), datatype)
    value.set_data_from_numpy(array)
    return value


def equal(got, want):
    assert got.dtype == want.dtype and got.shape == want.shape and np.array_equal(got, want, equal_nan=want.dtype.kind == "f"), (got, want)


def fails(what, code, text):
    try:
        what()
    except InferenceServerException as e:
        assert e.status() == "StatusCode." + code and text in e.message(), (e.status(), e.message())
    else:
        raise AssertionError("no error: " + text)


# Descriptions and readiness.
assert client.is_server_live(headers=headers) and client.is_server_ready(headers=headers)
about = client.get_server_metadata(headers=headers)
assert about.name == "sweetspot" and "binary_tensor_data" in about.extensions, about
about = client.get_model_metadata("pair", headers=headers)
assert [(i.name, i.datatype, list(i.shape)) for i in about.inputs] == [("a", "FP32", [-1, 2]), ("n", "INT64", [-1, 1])], about
assert [o.name for o in about.outputs] == ["scaled", "next"], about
assert client.is_model_ready("pair", headers=headers)
fails(lambda: client.is_model_ready("none", headers=headers), "NOT_FOUND", "Model not found: none")

# Rows, NaN and infinities, the id.
x = np.arange(12, dtype=np.float32).reshape(3, 4)
x[1, 2], x[2, 3], x[0, 0] = np.nan, np.inf, -np.inf
answer = client.infer("scale", [input_of("x", x, "FP32")], request_id="42", headers=headers)
equal(answer.as_numpy("y"), 2 * x)
response = answer.get_response()
assert response.id == "42" and response.model_name == "scale" and response.model_version == "1.0", response

# Two inputs and outputs, in another order; a version; one output.
a, n = np.array([[1.5, 2.5], [10, 20]], np.float32), np.array([[3], [-2]], np.int64)
inputs = [input_of("n", n, "INT64"), input_of("a", a, "FP32")]
outputs = [oip.InferRequestedOutput("next"), oip.InferRequestedOutput("scaled")]
answer = client.infer("pair", inputs, model_version="1.0", outputs=outputs, headers=headers)
equal(answer.as_numpy("scaled"), (a * n).astype(np.float32))
equal(answer.as_numpy("next"), n + 1)
assert client.infer("pair", inputs, outputs=outputs[:1], headers=headers).as_numpy("scaled") is None

# Texts and FP16.
texts = np.array([["cat", "größe"], ["", "a"]], dtype=np.object_)
got = client.infer("words", [input_of("x", texts, "BYTES")], headers=headers).as_numpy("y")
assert got.tolist() == [[t.encode() for t in row] for row in texts], got
h = np.array([[1, 2.5], [-3, 65504]], np.float16)
equal(client.infer("half", [input_of("x", h, "FP16")], headers=headers).as_numpy("y"), h)

# Requests in parallel get their own answers.
answers = queue.Queue()
rows = [np.full((1 + i % 3, 4), i, np.float32) for i in range(32)]
for i, row in enumerate(rows):
    client.async_infer("scale", [input_of("x", row, "FP32")], lambda result, error, i=i: answers.put((i, result, error)), headers=headers)
for _ in rows:
    i, result, error = answers.get(timeout=60)
    assert error is None, error
    equal(result.as_numpy("y"), 2 * rows[i])

# Errors have their code and text.
fails(lambda: client.infer("none", [input_of("x", x, "FP32")], headers=headers), "NOT_FOUND", "Model not found: none")
fails(lambda: client.infer("scale", [input_of("z", x, "FP32")], headers=headers), "INVALID_ARGUMENT", 'unknown input "z"')
fails(lambda: client.infer("scale", [input_of("x", x[0], "FP32")], headers=headers), "INVALID_ARGUMENT", "shape [4], expected [-1 4]")
fails(lambda: client.infer("scale", [input_of("x", x.astype(np.float64), "FP64")], headers=headers), "INVALID_ARGUMENT", "datatype FP64, expected FP32")
fails(lambda: client.infer("scale", [input_of("x", x, "FP32")], outputs=[oip.InferRequestedOutput("z")], headers=headers), "INVALID_ARGUMENT", 'unknown output "z"')
fails(lambda: client.infer("scale", [input_of("x", x, "FP32")]), "PERMISSION_DENIED", "key is missing")
print("ok")
