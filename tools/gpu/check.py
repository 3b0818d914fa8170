#!/usr/bin/env python3
"""Measures sweetspot on a GPU within ten minutes and writes results.json and page.md.

    tools/gpu/check.py --sweetspot bin/sweetspot --out results
    tools/gpu/check.py --sweetspot bin/sweetspot --out results --dry-run    on a machine without a GPU

Each step is a process with a time limit. A step that cannot run says "not run" with the reason, and the next one
follows. The results are written after each step, so that nothing is lost if the run is ended. With
--dry-run the trials are short, so that each step goes as far as it can.

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
import time
from pathlib import Path

from page import write_page

REPOSITORY = Path(__file__).resolve().parents[2]
RESERVE = 10  # seconds kept for the page


class NotRun(Exception):
    """A step cannot run here; its text is the reason."""


class Check:
    def __init__(self, args):
        self.args = args
        self.out = Path(args.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + args.limit
        self.step_end = self.end
        self.steps = []
        self.providers = {}
        self.env = dict(os.environ, XDG_DATA_HOME=str(self.out / "data"), XDG_STATE_HOME=str(self.out / "state"))
        if args.vulkan:
            self.env["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [args.vulkan, os.environ.get("LD_LIBRARY_PATH", "")]))
        if args.ts:
            self.env["PYTHONPATH"] = os.pathsep.join(filter(None, [args.ts, os.environ.get("PYTHONPATH", "")]))

    def run(self, *argv, ok=(0, 2, 3), env=None):
        """Runs sweetspot until the end of the step and returns its stdout. All that it has started ends with it."""
        left = self.step_end - time.monotonic()
        if left <= 1:
            raise NotRun("the time of the step is used up")
        process = subprocess.Popen([self.args.sweetspot, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=env or self.env, cwd=self.out, start_new_session=True)
        try:
            out, err = process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)  # it keeps the profile
            try:
                out, err = process.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
            raise NotRun(f"not ended within {left:.0f} s") from None
        except BaseException:  # this program is ended
            os.killpg(process.pid, signal.SIGKILL)
            raise
        if process.returncode not in ok:
            raise NotRun(last_lines(err) or f"exit {process.returncode}")
        return out

    def step(self, name, limit, work):
        """Runs one step within its limit and the time that is left of the whole."""
        begin = time.monotonic()
        self.step_end = min(begin + limit, self.end - RESERVE)
        result = {"name": name}
        try:
            if self.step_end - begin < 3:
                raise NotRun("the time of the whole check is used up")
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
        (self.out / "results.json").write_text(json.dumps({"dry_run": self.args.dry_run, "steps": self.steps}, indent=1) + "\n")
        write_page(self.out / "page.md", self.args.dry_run, self.steps)

    def seconds(self, full):
        """The length of a trial."""
        return 1 if self.args.dry_run else full

    # The steps.

    def machine(self):
        data = {"version": json.loads(self.run("version", "--json")), "doctor": json.loads(self.run("doctor", "--json", ok=(0, 1)))}
        data["version"].pop("modules", None)
        tool = shutil.which("nvidia-smi")
        if tool:
            query = "name,driver_version,memory.total,clocks.max.sm,power.limit,mig.mode.current"
            done = subprocess.run([tool, f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True, text=True, timeout=15)
            data["nvidia_smi"] = done.stdout.strip()
        return data

    def probe(self):
        """Tries each provider of ONNX Runtime; the later steps use the usable ones."""
        library = json.loads(self.run("version", "--json"))["onnxruntime"].get("library")
        if not library:
            raise NotRun("no ONNX Runtime")
        found = []
        for name in ("cuda", "webgpu", "tensorrt"):
            try:
                finding = json.loads(self.run("probe-gpu", name, library).strip().splitlines()[-1])
            except NotRun as e:
                finding = {"provider": name, "usable": False, "why": str(e)}
            found.append(finding)
            self.providers[name] = finding
        return found

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
            "trial": {"duration": f"{self.seconds(seconds)}s"}, "budget": {"time": "10m", "load_tests": 0},
        }

    def study(self, device):
        """The study's table on one device: Mask R-CNN with 10 clients, as the study had it, in FP32 and FP16. A dry run has a small one."""
        knobs = {"batch_size": [1, 4, 8], "precision": ["fp32", "fp16"] if device == "gpu" else "fp32", "device": device}
        if device == "cpu":
            knobs["threads"] = min(16, len(os.sched_getaffinity(0)))
        folder = self.out / "detector"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(REPOSITORY / "testdata/python/detector", folder)
        if not self.args.dry_run:
            with open(folder / "model-config.yaml", "a") as f:
                f.write("  size: full\n")
        plan = self.plan(str(folder), 6, {"mode": "closed", "concurrency": 10}, **knobs)
        plan["input"] = str(REPOSITORY / "testdata/case-study/pictures")
        return self.sweep(f"maskrcnn-{device}", plan, f"--python={self.args.python}")

    def onnx(self, provider):
        """resnet18 and encoder by batch size and precision, with one provider."""
        finding = self.providers.get(provider, {})
        if not finding.get("usable"):
            raise NotRun(finding.get("why") or "it was not probed")
        half = finding.get("half")
        out = {}
        for model in ("resnet18", "encoder"):
            plan = self.plan(f"builtin:{model}", 2, {"mode": "closed", "concurrency": "matched"}, batch_size="1-64*2", device="gpu",
                             precision=["fp32", "fp16"] if half else "fp32", options={"provider": provider})
            out[model] = self.sweep(f"{model}-{provider}", plan)
        return out

    def sampling(self):
        """P99 with and without sampling of the GPU at 2 Hz, in the order A B B A."""
        name = self.usable()[0]
        runs = []
        for n, sampled in enumerate([True, False, False, True] * (1 if self.args.dry_run else 2)):
            plan = self.plan("builtin:resnet18", 6, {"mode": "closed", "concurrency": 8}, batch_size=4, device="gpu", options={"provider": name})
            trials = self.sweep(f"sampling-{n}", plan, *([] if sampled else ["--no-gpu-sampling"]))["trials"]
            runs.append({"sampled": sampled, "p99_ms": trials[0]["p99_ms"], "rps": trials[0]["rps"]})
        return runs

    def live(self):
        """Switches FP16 on and off under load and counts failed requests."""
        names = [n for n in self.usable() if self.providers[n].get("half")]
        if not names:
            raise NotRun("no usable provider runs FP16")
        if (self.out / f"resnet18-{names[0]}" / "profile.jsonl").exists():
            self.run("report", str(self.out / f"resnet18-{names[0]}" / "profile.jsonl"), "--format", "svg", "--force", "--to", str(self.out / "resnet18.svg"))
        return toggle(self, names[0])


def toggle(check, provider):
    """Applies FP16 and FP32 in turns through the control API while requests flow."""
    import toggle as module
    return module.run(check.args.sweetspot, check.env, check.out, provider, check.seconds(20), check.step_end)


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


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sweetspot", required=True, help="the program")
    p.add_argument("--out", required=True, help="folder for the results")
    p.add_argument("--python", default=sys.executable, help="Python with torch, torchvision and pillow")
    p.add_argument("--ts", default="", help="folder that has TorchServe's package ts")
    p.add_argument("--vulkan", default="", help="folder that has libvulkan.so.1")
    p.add_argument("--limit", type=float, default=570, help="seconds for all (default 570)")
    p.add_argument("--dry-run", action="store_true", help="short trials, for a machine without a GPU")
    args = p.parse_args()
    args.sweetspot = shutil.which(args.sweetspot) or args.sweetspot
    args.sweetspot = str(Path(args.sweetspot).absolute())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    check = Check(args)
    check.step("machine", 20, check.machine)
    check.step("providers", 90, check.probe)
    check.step("study gpu", 150, lambda: check.study("gpu"))
    check.step("study cpu", 60, lambda: check.study("cpu"))
    for provider in ("cuda", "webgpu", "tensorrt"):
        check.step(f"onnx {provider}", 100, lambda: check.onnx(provider))
    check.step("sampling", 90, check.sampling)
    check.step("live", 45, check.live)
    return 0


if __name__ == "__main__":
    sys.exit(main())
