"""Asks a server with Triton's client for the Open Inference Protocol over HTTP.

The server has the models scale, pair and words of testdata/bodies and the model half, which
returns an FP16 input. Usage: client.py HOST:PORT KEY
"""

import sys

import numpy as np
import tritonclient.http as oip
from tritonclient.utils import InferenceServerException

client = oip.InferenceServerClient(sys.argv[1], concurrency=4)
# infer adds its own headers to the dictionary that it gets, so that each call gets a copy.
key = {"Authorization": "Bearer " + sys.argv[2]}


def input_of(name, array, datatype, binary):
    value = oip.InferInput(name, list(array.shape), datatype)
    value.set_data_from_numpy(array, binary_data=binary)
    return value


def equal(got, want):
    assert got.dtype == want.dtype and got.shape == want.shape and np.array_equal(got, want, equal_nan=want.dtype.kind == "f"), (got, want)


def fails(what, text):
    try:
        what()
    except InferenceServerException as e:
        assert text in e.message(), e.message()
    else:
        raise AssertionError("no error: " + text)


# Descriptions and readiness.
assert client.is_server_live() and client.is_server_ready()
assert client.get_server_metadata(headers=dict(key))["name"] == "sweetspot"
assert "binary_tensor_data" in client.get_server_metadata(headers=dict(key))["extensions"]
about = client.get_model_metadata("pair", headers=dict(key))
assert [(i["name"], i["datatype"], i["shape"]) for i in about["inputs"]] == [("a", "FP32", [-1, 2]), ("n", "INT64", [-1, 1])], about
assert [o["name"] for o in about["outputs"]] == ["scaled", "next"], about
assert client.is_model_ready("pair", headers=dict(key)) and not client.is_model_ready("none", headers=dict(key))
states = {m["name"]: m["state"] for m in client.get_model_repository_index(headers=dict(key))}
assert states == {"half": "READY", "pair": "READY", "scale": "READY", "words": "READY"}, states

# Rows, as JSON and as bytes, in both directions; NaN and infinities.
x = np.arange(12, dtype=np.float32).reshape(3, 4)
x[1, 2], x[2, 3], x[0, 0] = np.nan, np.inf, -np.inf
for binary_in in (True, False):
    for binary_out in (True, False):
        outputs = [oip.InferRequestedOutput("y", binary_data=binary_out)]
        answer = client.infer("scale", [input_of("x", x, "FP32", binary_in)], outputs=outputs, request_id="42", headers=dict(key))
        equal(answer.as_numpy("y"), 2 * x)
        response = answer.get_response()
        assert response["id"] == "42" and response["model_name"] == "scale" and response["model_version"] == "1.0", response
    equal(client.infer("scale", [input_of("x", x, "FP32", binary_in)], headers=dict(key)).as_numpy("y"), 2 * x)

# Two inputs and outputs, in another order, one of each form; a version.
a, n = np.array([[1.5, 2.5], [10, 20]], np.float32), np.array([[3], [-2]], np.int64)
inputs = [input_of("n", n, "INT64", False), input_of("a", a, "FP32", True)]
outputs = [oip.InferRequestedOutput("next", binary_data=False), oip.InferRequestedOutput("scaled", binary_data=True)]
answer = client.infer("pair", inputs, model_version="1.0", outputs=outputs, headers=dict(key))
equal(answer.as_numpy("scaled"), a * n.astype(np.float32))
equal(answer.as_numpy("next"), n + 1)
answer = client.infer("pair", inputs, outputs=outputs[:1], headers=dict(key))
assert answer.as_numpy("scaled") is None

# Texts.
texts = np.array([["cat", "größe"], ["", "a"]], dtype=np.object_)
encoded = np.array([[t.encode() for t in row] for row in texts], dtype=np.object_)
for binary_in in (True, False):
    for binary_out in (True, False):
        outputs = [oip.InferRequestedOutput("y", binary_data=binary_out)]
        got = client.infer("words", [input_of("x", texts, "BYTES", binary_in)], outputs=outputs, headers=dict(key)).as_numpy("y")
        assert [[v if isinstance(v, bytes) else v.encode() for v in row] for row in got] == encoded.tolist(), got

# FP16 is binary only.
h = np.array([[1, 2.5], [-3, 65504]], np.float16)
equal(client.infer("half", [input_of("x", h, "FP16", True)], headers=dict(key)).as_numpy("y"), h)
fails(lambda: client.infer("half", [input_of("x", h, "FP16", True)], outputs=[oip.InferRequestedOutput("y", binary_data=False)], headers=dict(key)), "FP16 has no form in JSON")

# Requests in parallel get their own answers.
waiting = []
for i in range(32):
    row = np.full((1 + i % 3, 4), i, np.float32)
    waiting.append((row, client.async_infer("scale", [input_of("x", row, "FP32", i % 2 == 0)], headers=dict(key))))
for row, answer in waiting:
    equal(answer.get_result().as_numpy("y"), 2 * row)

# Errors have their text.
fails(lambda: client.infer("none", [input_of("x", x, "FP32", True)], headers=dict(key)), "Model not found: none")
fails(lambda: client.infer("scale", [input_of("z", x, "FP32", True)], headers=dict(key)), 'unknown input "z"')
fails(lambda: client.infer("scale", [input_of("x", x[0], "FP32", True)], headers=dict(key)), "shape [4], expected [-1 4]")
fails(lambda: client.infer("scale", [input_of("x", x.astype(np.float64), "FP64", True)], headers=dict(key)), "datatype FP64, expected FP32")
fails(lambda: client.infer("scale", [input_of("x", x, "FP32", True)], outputs=[oip.InferRequestedOutput("z")], headers=dict(key)), 'unknown output "z"')
fails(lambda: client.infer("scale", [input_of("x", x, "FP32", True)]), "key is missing")
print("ok")
