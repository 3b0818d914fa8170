"""An ONNX model behind mosec. Variables: MODEL, MAX_BATCH_SIZE, WAIT_MS, WORKERS; arguments: --port."""

import os

import numpy
import onnxruntime
from mosec import Server, Worker


class Model(Worker):
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def forward(self, data):
        # A single request comes alone if batching is off.
        requests = data if isinstance(data, list) else [data]
        rows = numpy.concatenate([numpy.asarray(r["x"], numpy.float32) for r in requests])
        answers = [{"y": y.tolist()} for y in self.session.run(None, {"x": rows})[0]]
        return answers if isinstance(data, list) else answers[0]


if __name__ == "__main__":
    server = Server()
    server.append_worker(
        Model,
        num=int(os.environ["WORKERS"]),
        max_batch_size=int(os.environ["MAX_BATCH_SIZE"]),
        max_wait_time=int(os.environ["WAIT_MS"]),
    )
    server.run()
