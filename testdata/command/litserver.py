"""A LitServe server: a batch takes 20 ms and .5 ms for each of its requests."""

import argparse
import time

import litserve as ls

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--max-batch-size", type=int, default=1)
parser.add_argument("--batch-timeout", type=float, default=0.0, help="seconds")
parser.add_argument("--workers", type=int, default=1)
args = parser.parse_args()


class API(ls.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request):
        return request["x"]

    def batch(self, inputs):
        return inputs

    def unbatch(self, outputs):
        return outputs

    def predict(self, x):
        xs = x if isinstance(x, list) else [x]
        time.sleep(0.02 + 0.0005 * len(xs))
        return [2 * v for v in xs] if isinstance(x, list) else 2 * x

    def encode_response(self, output):
        return {"y": output}


if __name__ == "__main__":
    api = API(max_batch_size=args.max_batch_size, batch_timeout=args.batch_timeout)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=args.workers)
    server.run(host="127.0.0.1", port=args.port, num_api_servers=1, generate_client_file=False, log_level="warning")
