"""A mosec server: a batch takes 20 ms and .5 ms for each of its requests."""

import argparse
import time

from mosec import Server, Worker


class Double(Worker):
    def forward(self, data):
        if not isinstance(data, list):  # with a batch size of 1 there are no batches
            return self.forward([data])[0]
        time.sleep(0.02 + 0.0005 * len(data))
        return [{"y": 2 * d["x"]} for d in data]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-batch-size", type=int, default=1)
    parser.add_argument("--max-wait-time", type=int, default=0, help="ms")
    parser.add_argument("--workers", type=int, default=1)
    args, _ = parser.parse_known_args()  # mosec reads the others: --address, --port
    server = Server()
    server.append_worker(Double, num=args.workers, max_batch_size=args.max_batch_size, max_wait_time=args.max_wait_time)
    server.run()
