"""Serves a model on the GPU, sends requests, and switches FP16 and the device meanwhile."""
import itertools
import json
import signal
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

# The numbers of one input of each model.
INPUTS = {"resnet18": 3 * 224 * 224, "mlp": 64}
TIMEOUT = 30  # seconds for one request or change, or what is left of the step


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Clients:
    """Clients that send one request after the other and count those that fail."""

    def __init__(self, url, body, n, end):
        self.url, self.body, self.end = url, body, end
        self.sent = self.failed = 0
        self.first = ""
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(n)]
        for t in self.threads:
            t.start()

    def work(self):
        while not self.stop.is_set() and time.monotonic() < self.end:
            reason = ""
            try:
                call(self.url, self.body, "POST", "application/octet-stream", TIMEOUT)
            except (OSError, ValueError) as e:
                reason = explain(e)
            with self.lock:
                self.sent += 1
                if reason:
                    self.failed += 1
                    self.first = self.first or reason

    def join(self):
        """Waits for the answers that are under way, until the end of the step."""
        self.stop.set()
        for t in self.threads:
            t.join(max(0, self.end - time.monotonic()))


def call(url, body=None, method="GET", kind="application/json", timeout=TIMEOUT):
    request = urllib.request.Request(url, body, {"Content-Type": kind}, method=method)
    with urllib.request.urlopen(request, timeout=max(0.1, timeout)) as answer:
        return answer.read()


def explain(e):
    """The server's own words, if an error has them."""
    if isinstance(e, urllib.error.HTTPError):
        text = e.read().decode(errors="replace")
        try:
            return json.loads(text)["message"]
        except (ValueError, KeyError, TypeError):
            return f"{e}: {text[:200]}"
    return str(e)


def change(url, settings, end):
    """Applies settings. Returns the texts of the steps, and why they were refused; one of them is empty."""
    try:
        lines = call(url, json.dumps(settings).encode(), "PUT", timeout=min(TIMEOUT, end - time.monotonic())).decode().splitlines()
    except (OSError, ValueError) as e:
        return [], explain(e)
    steps = [json.loads(line) for line in lines if line.strip()]
    if "error" in steps[-1]:
        return [], steps[-1]["error"]
    return [str(s["step"]) for s in steps if "step" in s], ""


def run(start, program, model, provider, half, seconds, end, grace):
    """Switches for the given seconds, at most until end. FP16 is asked for once where the provider lacks it: the
    refusal must have a reason, and requests must go on."""
    at = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    server = start(program, "serve", f"builtin:{model}", "--device", "gpu", "--disable-token-auth", "--batch-size", "8",
                   "--listen", at[0], "--management", at[1], "--metrics", at[2], "--grpc", "", "--grpc-management", "")
    clients = None
    out = {"provider": provider, "model": model, "changes": {}, "failed_changes": [], "agreement": "not compared", "refused": ""}
    try:
        control = f"http://{at[1]}/engine/v1/models/{model}/settings"
        wait_ready(server, control, end)
        clients = Clients(f"http://{at[0]}/predictions/{model}", struct.pack("<f", 0.5) * INPUTS[model], 8, end)
        if not half:
            out["refused"] = change(control, {"precision": "fp16"}, end)[1] or "FP16 was not refused"
        turns = [("precision", "fp16"), ("precision", "fp32")] * half + [("device", "cpu"), ("device", "gpu")]
        until = min(time.monotonic() + seconds, end - 2 * grace)
        for name, value in itertools.cycle(turns):
            if time.monotonic() >= until:
                break
            steps, why = change(control, {name: value}, end)
            if why:
                out["failed_changes"].append(f"{name} {value}: {why}")
            else:
                out["changes"][f"{name} {value}"] = out["changes"].get(f"{name} {value}", 0) + 1
            out["agreement"] = next((s for s in steps if s.startswith("fp16 agrees")), out["agreement"])
            time.sleep(min(1, max(0, until - time.monotonic())))
        return out
    finally:
        if clients:
            clients.join()
            out.update(requests=clients.sent, failed=clients.failed, first_failure=clients.first)
        server.signal(signal.SIGTERM)
        server.wait(end, grace)


def wait_ready(server, control, end):
    """Waits until the model is served."""
    while True:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with {server.process.returncode}: {server.texts()[1][-400:]}")
        try:
            call(control, timeout=min(5, end - time.monotonic()))
            return
        except (OSError, ValueError):
            if time.monotonic() > end:
                raise RuntimeError("the server was not ready in time: " + server.texts()[1][-400:]) from None
            time.sleep(0.2)
