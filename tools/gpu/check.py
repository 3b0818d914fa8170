#!/usr/bin/env python3
"""Measures sweetspot on a GPU within ten minutes and writes results.json and page.md.

    tools/gpu/check.py --sweetspot bin/sweetspot --out results
    tools/gpu/check.py --sweetspot bin/sweetspot --out results --dry-run    on a machine without a GPU
    tools/gpu/check.py --sweetspot bin/sweetspot --out results --software "$(tools/swiftshader.sh)"

Each step is a process with a time limit. A step that cannot run says "not run" with the reason, and the next one
follows. The results are written after each step, so that nothing is lost if the run is ended. With
--dry-run the trials are short, so that each step goes as far as it can. --software runs the steps of ONNX models to their end on
a Vulkan device that computes on the CPU, with a small model and without FP16, which that device lacks.

It needs the program that `make build` makes, which has ONNX Runtime inside. For Mask R-CNN it
needs a Python with torch, torchvision and pillow, and TorchServe's package ts: --ts is the folder that has it. For
WebGPU it needs the Vulkan loader: --vulkan is a folder with libvulkan.so.1.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import toggle
from page import write_page

REPOSITORY = Path(__file__).resolve().parents[2]

# The longest time of each step in seconds, in the order in which they run. With RESERVE, which is kept for the page, they
# sum to LIMIT. GRACE is the last part of each step: it is what a program has to end once it is asked to.
LIMITS = {
    "providers": 65, "machine": 40, "study gpu": 115, "study cpu": 60, "onnx cuda": 75, "onnx webgpu": 60,
    "onnx tensorrt": 40, "sampling": 65, "live": 40,
}
GRACE = 5
RESERVE = 10
LIMIT = sum(LIMITS.values()) + RESERVE


class NotRun(Exception):
    """A step cannot run here; its text is the reason."""


class Child:
    """A program in a session of its own. Its output goes to files, so that nothing waits for what it has started."""

    def __init__(self, argv, env, folder):
        self.out, self.err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err, env=env, cwd=folder, start_new_session=True)

    def wait(self, end, grace):
        """Waits until it ends, and reports whether it did before end. After that it is asked to end, which keeps a
        profile, and killed grace seconds later. One that the kernel cannot end, such as in a call of a driver, is left."""
        for limit, number in ((end, signal.SIGTERM), (end + grace, signal.SIGKILL), (end + 1.1 * grace, None)):
            try:
                self.process.wait(max(0, limit - time.monotonic()))
                return limit == end
            except subprocess.TimeoutExpired:
                if number:
                    self.signal(number)
        return False

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def texts(self):
        """What it has written to stdout and to stderr."""
        out = []
        for f in (self.out, self.err):
            f.seek(0)
            out.append(f.read())
        return out


class Check:
    def __init__(self, args):
        self.args = args
        self.out = Path(args.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.scale = args.limit / LIMIT
        self.grace = GRACE * self.scale
        self.step_end = 0
        self.steps = []
        self.children = []
        self.providers = {}
        self.env = dict(os.environ, XDG_DATA_HOME=str(self.out / "data"), XDG_STATE_HOME=str(self.out / "state"))
        self.prepend("LD_LIBRARY_PATH", args.software or args.vulkan)
        self.prepend("PYTHONPATH", args.ts)
        if args.software:
            driver = str(Path(args.software).absolute() / "vk_swiftshader_icd.json")
            self.env.update(VK_ICD_FILENAMES=driver, VK_DRIVER_FILES=driver)

    def prepend(self, name, folder):
        if folder:
            self.env[name] = os.pathsep.join(filter(None, [str(Path(folder).absolute()), self.env.get(name, "")]))

    def start(self, *argv):
        child = Child(argv, self.env, self.out)
        self.children.append(child)
        return child

    def finish(self, child, ok=(0,)):
        """Waits for a program until the end of the step and returns its stdout."""
        begin = time.monotonic()
        ended = child.wait(self.step_end, self.grace)
        out, err = child.texts()
        if not ended:
            raise NotRun(f"not ended within {max(0, self.step_end - begin):.0f} s")
        if child.process.returncode not in ok:
            raise NotRun(last_lines(err) or f"exit {child.process.returncode}")
        return out

    def run(self, *argv, ok=(0, 2, 3)):
        """Runs sweetspot until the end of the step and returns its stdout."""
        if time.monotonic() >= self.step_end:
            raise NotRun("the time of the step is used up")
        return self.finish(self.start(self.args.sweetspot, *argv), ok)

    def step(self, name, work):
        """Runs one step within its limit."""
        begin = time.monotonic()
        self.step_end = begin + LIMITS[name] * self.scale - 1.1 * self.grace
        result = {"name": name}
        try:
            result["data"] = work()
            result["state"] = "ran"
        except NotRun as e:
            result.update(state="not run", reason=str(e))
        except Exception as e:  # the other steps follow all the same
            result.update(state="failed", reason=f"{type(e).__name__}: {e}")
        result["seconds"] = round(time.monotonic() - begin, 1)
        self.steps.append(result)
        reason = f": {result['reason']}" if "reason" in result else ""
        print(f"{name}: {result['state']}{reason} ({result['seconds']} s)", flush=True)
        all = {"dry_run": self.args.dry_run, "software": bool(self.args.software), "steps": self.steps}
        (self.out / "results.json").write_text(json.dumps(all, indent=1) + "\n")
        write_page(self.out / "page.md", all)

    def end(self):
        """Ends what is left of all programs."""
        for child in self.children:
            if child.process.poll() is None:
                child.signal(signal.SIGKILL)

    def short(self):
        """Whether all figures mean nothing, so that they need not be good."""
        return self.args.dry_run or bool(self.args.software)

    def trial(self, seconds):
        """How long a trial is. A device in software gets as many requests as a P99 needs."""
        if self.args.software:
            return {"requests": 140}
        return {"duration": "1s" if self.args.dry_run else f"{seconds}s"}

    # The steps.

    def probe(self):
        """Tries each provider of ONNX Runtime, all at the same time; the later steps use the usable ones."""
        library = json.loads(self.run("version", "--json"))["onnxruntime"].get("library")
        if not library:
            raise NotRun("no ONNX Runtime")
        started = {name: self.start(self.args.sweetspot, "probe-gpu", name, library) for name in ("cuda", "webgpu", "tensorrt")}
        for name, child in started.items():
            try:
                self.providers[name] = json.loads(self.finish(child).strip().splitlines()[-1])
            except NotRun as e:
                self.providers[name] = {"provider": name, "usable": False, "why": str(e)}
        return list(self.providers.values())

    def machine(self):
        data = {"version": json.loads(self.run("version", "--json")), "doctor": json.loads(self.run("doctor", "--json", ok=(0, 1)))}
        data["version"].pop("modules", None)
        tool = shutil.which("nvidia-smi")
        if tool:
            query = "name,driver_version,memory.total,clocks.max.sm,power.limit,mig.mode.current"
            data["nvidia_smi"] = self.finish(self.start(tool, f"--query-gpu={query}", "--format=csv,noheader")).strip()
        return data

    def usable(self):
        names = [n for n, f in self.providers.items() if f.get("usable")]
        if not names:
            raise NotRun("no GPU is usable by ONNX Runtime: " + "; ".join(f"{n}: {f.get('why', 'not probed')}" for n, f in self.providers.items()))
        return names

    def sweep(self, name, plan, *flags):
        """Runs a plan and returns its trials. What it has measured until the end of its time counts."""
        folder = self.out / name
        shutil.rmtree(folder, ignore_errors=True)
        path = self.out / f"{name}.yaml"
        path.write_text(json.dumps(plan))  # JSON is YAML
        reason = None
        try:
            self.run(f"--sweep={path}", "--out", str(folder), *flags)
        except NotRun as e:
            reason = str(e)
        trials = read_trials(folder / "profile.jsonl")
        if not trials:
            raise NotRun(reason or "no trial was measured")
        return {"trials": trials, "incomplete": reason}

    def plan(self, model, seconds, load, sla="100ms", **knobs):
        options = knobs.pop("options", {})
        return {
            "version": 1, "model": model, "strategy": "grid", "sla": {"limit": sla}, "load": load,
            "knobs": {"workers": 1, "batch_delay_ms": 1, **knobs}, "options": options,
            "trial": self.trial(seconds), "budget": {"time": "10m", "load_tests": 0},
        }

    def study(self, device):
        """The study's table on one device: Mask R-CNN with 10 clients, as the study had it, in FP32 and FP16. Without a GPU it is a small one."""
        knobs = {"batch_size": [1, 4, 8], "precision": ["fp32", "fp16"] if device == "gpu" else "fp32", "device": device}
        if device == "cpu":
            knobs["threads"] = min(16, len(os.sched_getaffinity(0)))
        folder = self.out / "detector"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(REPOSITORY / "testdata/python/detector", folder)
        if not self.short():
            with open(folder / "model-config.yaml", "a") as f:
                f.write("  size: full\n")
        plan = self.plan(str(folder), 6, {"mode": "closed", "concurrency": 10}, **knobs)
        plan["trial"] = {"duration": "1s" if self.short() else "6s"}
        plan["input"] = str(REPOSITORY / "testdata/case-study/pictures")
        return self.sweep(f"maskrcnn-{device}", plan, f"--python={self.args.python}")

    def onnx(self, provider):
        """resnet18 and encoder by batch size and precision, with one provider. TensorRT builds an engine for each
        batch size, so that it gets one."""
        finding = self.providers.get(provider, {})
        if not finding.get("usable"):
            raise NotRun("; ".join(filter(None, [finding.get("why"), finding.get("fix")])) or "it was not probed")
        models, sizes = ("resnet18", "encoder"), [1, 4, 16, 64]
        if provider == "tensorrt":
            models, sizes = ("resnet18",), 8
        if self.args.software:
            models, sizes = ("mlp",), [4, 8]
        out, first = {}, None
        for model in models:
            plan = self.plan(f"builtin:{model}", 2, {"mode": "closed", "concurrency": "matched"}, batch_size=sizes, device="gpu",
                             precision=["fp32", "fp16"] if finding.get("half") else "fp32", options={"provider": provider})
            try:
                out[model] = self.sweep(f"{model}-{provider}", plan)
            except NotRun as e:
                first = first or e
                out[model] = {"trials": [], "incomplete": str(e)}
        if not any(m["trials"] for m in out.values()):
            raise first
        for model, data in out.items():
            if data["trials"]:
                data["chart"] = self.chart(f"{model}-{provider}")
        return out

    def chart(self, name):
        """Draws the trials of a sweep, and returns the name of the file; None if its time is used up."""
        try:
            self.run("report", str(self.out / name / "profile.jsonl"), "--format", "svg", "--force", "--to", str(self.out / f"{name}.svg"))
        except NotRun:
            return None
        return f"{name}.svg"

    def small(self):
        """The model of sampling and live."""
        return "mlp" if self.args.software else "resnet18"

    def sampling(self):
        """P99 with and without sampling of the GPU at 2 Hz, in the order A B B A."""
        name, runs, reason = self.usable()[0], [], None
        for n, sampled in enumerate([True, False, False, True] * (1 if self.short() else 2)):
            plan = self.plan(f"builtin:{self.small()}", 3, {"mode": "closed", "concurrency": 8}, batch_size=4, device="gpu", options={"provider": name})
            try:
                trials = self.sweep(f"sampling-{n}", plan, *([] if sampled else ["--no-gpu-sampling"]))["trials"]
            except NotRun as e:
                if len(runs) < 2:
                    raise
                reason = str(e)
                break
            runs.append({"sampled": sampled, "p99_ms": trials[0]["p99_ms"], "rps": trials[0]["rps"]})
        return {"provider": name, "runs": runs, "incomplete": reason}

    def live(self):
        """Switches FP16 and the device under load and counts failed requests."""
        name = next((n for n in self.usable() if self.providers[n].get("half")), self.usable()[0])
        half = bool(self.providers[name].get("half"))
        seconds = (10 if self.args.dry_run else 22) * self.scale
        data = toggle.run(self.start, self.args.sweetspot, self.small(), name, half, seconds, self.step_end, self.grace)
        if not data["changes"]:
            raise NotRun("no change ended in its time" + "".join(f"; {why}" for why in data["failed_changes"]))
        return data


def read_trials(path):
    """The measured trials of a profile."""
    out = []
    if not path.exists():
        return out
    for line in path.read_text().splitlines():
        try:
            t = json.loads(line)
        except ValueError:
            continue  # the torn end of an interrupted run
        if t.get("t") != "trial" or t.get("error"):
            continue
        s, gpu = t["settings"], t["use"]["gpu"]
        out.append({
            "device": s.get("device"), "precision": s.get("precision"), "batch_size": s.get("batch_size"),
            "rps": t["throughput_rps"]["value"], "p99_ms": t["latency_ms"]["p99"]["value"], "model_p99_ms": t["model_ms"]["p99"],
            "verdict": t["verdict"]["result"], "errors": sum(t["counts"].get(k) or 0 for k in ("refused", "failed", "timeout")),
            "gpu_percent": gpu.get("percent_mean"), "power_w": gpu.get("power_w"), "energy_j": gpu.get("energy_j"),
            "ok": t["counts"]["ok"], "throttled": gpu.get("throttled"), "gpu_reason": gpu.get("reason"),
            "warnings": t.get("warnings"),
        })
    return out


def last_lines(text):
    """The last error, on one line."""
    lines = [line for line in text.strip().splitlines() if line.strip() and not line.startswith("progress")]
    return " ".join(lines[-2:])[:400]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sweetspot", required=True, help="the program")
    p.add_argument("--out", required=True, help="folder for the results")
    p.add_argument("--python", default=sys.executable, help="Python with torch, torchvision and pillow")
    p.add_argument("--ts", default="", help="folder that has TorchServe's package ts")
    p.add_argument("--vulkan", default="", help="folder that has libvulkan.so.1")
    p.add_argument("--software", default="", metavar="FOLDER", help="SwiftShader, of tools/swiftshader.sh: a Vulkan device that computes on the CPU")
    p.add_argument("--limit", type=float, default=LIMIT, help=f"seconds for all (default {LIMIT}); each step has a share of it")
    p.add_argument("--dry-run", action="store_true", help="short trials, for a machine without a GPU")
    args = p.parse_args()
    if not 1 <= args.limit <= LIMIT:
        p.error(f"--limit {args.limit:g} is outside 1-{LIMIT}")
    if args.software and not (Path(args.software) / "vk_swiftshader_icd.json").exists():
        p.error(f"--software {args.software}: it has no vk_swiftshader_icd.json; tools/swiftshader.sh prints the folder")
    args.sweetspot = str(Path(shutil.which(args.sweetspot) or args.sweetspot).absolute())
    return args


def main():
    check = Check(arguments())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    steps = {
        "providers": check.probe, "machine": check.machine, "study gpu": lambda: check.study("gpu"), "study cpu": lambda: check.study("cpu"),
        "onnx cuda": lambda: check.onnx("cuda"), "onnx webgpu": lambda: check.onnx("webgpu"), "onnx tensorrt": lambda: check.onnx("tensorrt"),
        "sampling": check.sampling, "live": check.live,
    }
    try:
        for name in LIMITS:
            check.step(name, steps[name])
    finally:
        check.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
