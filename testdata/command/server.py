"""A model server with nothing but Python's standard library: it executes up to --max-batch-size
waiting requests together, in --workers threads. A batch takes 20 ms and .5 ms for each request."""

import argparse
import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--max-batch-size", type=int, default=1)
parser.add_argument("--workers", type=int, default=1)
args = parser.parse_args()
jobs = queue.Queue()


def work():
    while True:
        batch = [jobs.get()]
        while len(batch) < args.max_batch_size and not jobs.empty():
            try:
                batch.append(jobs.get_nowait())
            except queue.Empty:
                break
        time.sleep(0.02 + 0.0005 * len(batch))
        for done in batch:
            done.set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"status": "ready"})

    def do_POST(self):
        json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        done = threading.Event()
        jobs.put(done)
        done.wait()
        self.answer({"label": "cat"})

    def answer(self, value):
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)  # one write, so that no packet waits for another

    def log_message(self, *_):
        pass


for _ in range(args.workers):
    threading.Thread(target=work, daemon=True).start()
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()
