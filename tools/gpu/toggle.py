"""Serves resnet18 on the GPU, sends requests, and switches FP16 on and off meanwhile."""
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Clients:
    """Clients that send one request after the other and count those that fail."""

    def __init__(self, url, body, n):
        self.url, self.body = url, body
        self.sent = self.failed = 0
        self.first = ""
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work) for _ in range(n)]

    def work(self):
        while not self.stop.is_set():
            reason = ""
            try:
                request = urllib.request.Request(self.url, self.body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=30) as answer:
                    answer.read()
            except (OSError, urllib.error.URLError) as e:
                reason = str(e)
            with self.lock:
                self.sent += 1
                if reason:
                    self.failed += 1
                    self.first = self.first or reason


def set_knobs(url, settings):
    """Applies settings; returns the steps."""
    request = urllib.request.Request(url, json.dumps(settings).encode(), {"Content-Type": "application/json"}, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        steps = [json.loads(line) for line in answer.read().decode().splitlines() if line.strip()]
    if "error" in steps[-1]:
        raise RuntimeError(steps[-1]["error"])
    return steps


def run(program, env, folder, provider, seconds, end):
    ports = [free_port() for _ in range(3)]
    at = [f"127.0.0.1:{p}" for p in ports]
    argv = [program, "serve", "builtin:resnet18", "--device", "gpu", "--disable-token-auth", "--batch-size", "8", "--listen", at[0],
            "--management", at[1], "--metrics", at[2], "--grpc", "", "--grpc-management", ""]
    with open(os.path.join(folder, "serve.log"), "w") as log:
        server = subprocess.Popen(argv, env=env, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    clients = None
    try:
        control = f"http://{at[1]}/engine/v1/models/resnet18/settings"
        settings = wait_ready(server, control, end)
        clients = Clients(f"http://{at[0]}/predictions/resnet18", picture(), 8)
        for t in clients.threads:
            t.start()
        changes, agreement, until = 0, "not compared", min(time.monotonic() + seconds, end - 5)
        while time.monotonic() < until:
            settings["precision"] = "fp16" if settings["precision"] == "fp32" else "fp32"
            for step in set_knobs(control, settings):
                if str(step.get("step", "")).startswith("fp16 agrees"):
                    agreement = step["step"]
            changes += 1
            time.sleep(1)
        return {"provider": provider, "changes": changes, "requests": clients.sent, "failed": clients.failed,
                "first_failure": clients.first, "agreement": agreement}
    finally:
        if clients:
            clients.stop.set()
            for t in clients.threads:
                if t.ident:
                    t.join()
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def wait_ready(server, control, end):
    """Waits until the model is served and returns its settings."""
    while True:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}; see serve.log")
        try:
            with urllib.request.urlopen(control, timeout=5) as answer:
                got = json.loads(answer.read())
                return got.get("settings", got)
        except (OSError, urllib.error.URLError, ValueError):
            if time.monotonic() > end - 10:
                raise RuntimeError("the server was not ready in time; see serve.log") from None
            time.sleep(0.2)


def picture():
    """A request with one input of resnet18."""
    row = [[[0.5] * 224] * 224] * 3
    return json.dumps(row).encode()
