"""Prints what an interpreter has of what TorchServe's worker needs, as JSON.

It imports none of it, because torch takes seconds; only with an NVIDIA driver does it ask torch
for the GPUs.
"""
import importlib.metadata
import importlib.util
import json
import os
import platform
import runpy

PACKAGES = {"ts": "torchserve", "torch": "torch", "psutil": "psutil", "yaml": "pyyaml"}


def find(name):
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def version(spec, package):
    if spec is None or not spec.origin:
        return ""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pass
    try:  # packages of a distribution may have no metadata
        return str(runpy.run_path(os.path.join(os.path.dirname(spec.origin), "version.py"))["__version__"])
    except Exception:
        return ""


def gpus():
    if not os.path.exists("/dev/nvidiactl"):
        return 0
    try:
        import torch

        return torch.cuda.device_count()
    except Exception:
        return 0


specs = {name: find(name) for name in PACKAGES}
missing = [PACKAGES[name] for name, spec in specs.items() if spec is None or not spec.origin]
home = os.path.dirname(specs["ts"].origin) if "torchserve" not in missing else ""
if home and not os.path.exists(os.path.join(home, "model_service_worker.py")):
    missing.append("torchserve (its package ts is another one)")
print(json.dumps({
    "python": platform.python_version(),
    "home": home,
    "torchserve": version(specs["ts"], "torchserve"),
    "torch": version(specs["torch"], "torch"),
    "missing": missing,
    "gpus": gpus() if not missing else 0,
}))
