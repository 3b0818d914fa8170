"""An ONNX model behind LitServe. Variables: MODEL, MAX_BATCH_SIZE, WAIT_MS, WORKERS; the argument is the port."""

import os
import sys

import litserve
import numpy
import onnxruntime


class API(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def decode_request(self, request):
        return numpy.asarray(request["x"], numpy.float32)

    def batch(self, inputs):
        return numpy.concatenate(inputs)

    def predict(self, rows):
        return self.session.run(None, {"x": rows})[0]

    def unbatch(self, outputs):
        return list(outputs)

    def encode_response(self, output):
        return {"y": output.reshape(-1).tolist()}


if __name__ == "__main__":
    api = API(max_batch_size=int(os.environ["MAX_BATCH_SIZE"]), batch_timeout=int(os.environ["WAIT_MS"]) / 1000)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(os.environ["WORKERS"]))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
