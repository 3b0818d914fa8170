"""Writes the page of the check of a GPU."""

# The published study: requests per second and P99 of the model latency in ms, batch 8.
PUBLISHED = {"gpu over cpu, rate": 12.0, "gpu over cpu, latency": 13.0, "fp16 over fp32, rate": 1.44}


def number(v, digits=3):
    return "n/a" if v is None else f"{v:.{digits}g}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]


def trial_rows(trials):
    rows = []
    for t in trials:
        joules = t["ok"] / t["energy_j"] if t.get("energy_j") else None
        gpu = number(t["gpu_percent"]) if t["gpu_percent"] is not None else f"n/a ({t['gpu_reason']})" if t.get("gpu_reason") else "n/a"
        rows.append([
            t["device"], t["precision"], t["batch_size"], number(t["rps"]), number(t["p99_ms"]), number(t["model_p99_ms"]), t["verdict"],
            gpu, number(t["power_w"]), number(joules), {True: "throttled", False: "no", None: "n/a"}[t["throttled"]],
        ])
    return rows


HEAD = ["device", "precision", "batch", "requests/s", "P99 ms", "model P99 ms", "verdict", "GPU %", "W", "requests/J", "throttled"]


def best(trials, **want):
    """The highest rate of the trials with these settings."""
    rates = [t["rps"] for t in trials if all(t[k] == v for k, v in want.items()) and t["rps"] is not None]
    return max(rates, default=None)


def ratio(a, b):
    return a / b if a and b else None


def study(steps):
    trials = [t for s in steps if s["name"].startswith("study") and s["state"] == "ran" for t in s["data"]["trials"]]
    out = ["", "## Mask R-CNN, 10 clients, promise 100 ms", ""]
    if not trials:
        return out + ["Not run: see the steps."]
    out += table(HEAD, trial_rows(trials))
    at8 = {d: best(trials, device=d, batch_size=8, precision="fp32") for d in ("cpu", "gpu")}
    half = best(trials, device="gpu", batch_size=8, precision="fp16")
    out += ["", *table(["ratio at batch 8", "here", "published"], [
        ["GPU over CPU, rate", number(ratio(at8["gpu"], at8["cpu"])), PUBLISHED["gpu over cpu, rate"]],
        ["FP16 over FP32 on the GPU, rate", number(ratio(half, at8["gpu"])), PUBLISHED["fp16 over fp32, rate"]],
    ])]
    for name, key in (("request", "p99_ms"), ("model", "model_p99_ms")):
        within = [t for t in trials if t[key] is not None and t[key] <= 100 and t["rps"] is not None]
        top = max(within, key=lambda t: t["rps"], default=None)
        text = f"{top['device']}, batch {top['batch_size']}, {top['precision']}: {number(top['rps'])} requests/s" if top else "none keeps it"
        out += ["", f"If the promise binds the {name} latency: {text}."]
    return out


def sampling(step):
    runs = step["data"]["runs"]
    out = ["", "## Sampling the GPU at 2 Hz", "", *table(["sampled", "P99 ms", "requests/s"], [[yes(r["sampled"]), number(r["p99_ms"]), number(r["rps"])] for r in runs])]
    pairs = [ratio(a["p99_ms"], b["p99_ms"]) if a["sampled"] else ratio(b["p99_ms"], a["p99_ms"]) for a, b in zip(runs[::2], runs[1::2])]
    known = [p for p in pairs if p]
    if known:
        out += ["", f"P99 with sampling over P99 without: {min(known):.3f} to {max(known):.3f} in {len(known)} pairs."]
    return out + incomplete(step["data"])


def incomplete(data):
    return ["", f"Incomplete: {data['incomplete']}."] if data.get("incomplete") else []


def yes(v):
    return "yes" if v else "no"


def onnx(step):
    out = []
    for model, data in step["data"].items():
        out += ["", f"## {model}, {step['name'].split()[1]}", ""]
        if data["trials"]:
            out += table(HEAD, trial_rows(data["trials"]))
        if data.get("chart"):
            out += ["", f"![{model}]({data['chart']})"]
        out += incomplete(data)
    return out


def live(step):
    d = step["data"]
    changes = ", ".join(f"{n} x {name}" for name, n in d["changes"].items()) or "none"
    out = ["", "## Settings changed under load", "", f"{d['model']} with {d['provider']}, 8 clients. Changes: {changes}. {d['requests']} requests, {d['failed']} failed."]
    if d["refused"]:
        out += ["", f"FP16 was asked for: {d['refused']}."]
    else:
        out += ["", f"FP16: {d['agreement']}."]
    if d["failed"]:
        out += ["", f"The first failure: {d['first_failure']}."]
    return out + [line for why in d["failed_changes"] for line in ("", f"A change failed: {why}.")]


def machine(step):
    d = step["data"]
    out = ["", "## Machine", "", *[f"- {one['check']}: {one['text']}" for one in d["doctor"]]]
    return out + ([f"- nvidia-smi: {d['nvidia_smi']}"] if d.get("nvidia_smi") else [])


SOFTWARE = "The device of WebGPU was SwiftShader, which computes on the CPU and has no FP16: the steps of ONNX models have the model mlp, and their figures say nothing about a GPU."


def write_page(path, results):
    """Writes the page of the results, which are those of results.json."""
    out, steps = ["# Check on a GPU", ""], results["steps"]
    if results["software"]:
        out += [SOFTWARE, ""]
    elif results["dry_run"]:
        out += ["A dry run with short trials: its figures mean nothing.", ""]
    out += table(["step", "state", "seconds"], [[s["name"], s["state"] + (": " + s["reason"].replace("|", "/") if "reason" in s else ""), s["seconds"]] for s in steps])
    out += study(steps)
    sections = {"machine": machine, "onnx": onnx, "sampling": sampling, "live": live}
    for s in steps:
        section = sections.get(s["name"].split()[0])
        if s["state"] == "ran" and section:
            out += section(s)
    path.write_text("\n".join(out) + "\n")
