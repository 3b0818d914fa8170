"""An ONNX model behind BentoML. Variables: MODEL, MAX_BATCH_SIZE, MAX_LATENCY_MS, WORKERS."""

import os

import bentoml
import numpy
import onnxruntime


# BentoML has no longest wait: it learns one from the traffic. MAX_LATENCY_MS is the latency that it aims below.
@bentoml.service(workers=int(os.environ["WORKERS"]), traffic={"timeout": 30})
class Model:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    @bentoml.api(
        batchable=True,
        batch_dim=0,
        max_batch_size=int(os.environ["MAX_BATCH_SIZE"]),
        max_latency_ms=int(os.environ["MAX_LATENCY_MS"]),
    )
    def predict(self, x: numpy.ndarray) -> numpy.ndarray:
        return self.session.run(None, {"x": x.astype(numpy.float32)})[0]
