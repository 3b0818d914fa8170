"""Writes JPEG files, and what PIL makes of them, for the tests of this package.

    python reference.py            the files of this folder
    python reference.py FOLDER N   N random ones; SWEETSPOT_JPEGS=FOLDER makes the test read them

It needs PIL and numpy, and cjpeg of libjpeg-turbo on the PATH (Debian: libjpeg-turbo-progs), for the
sampling factors that PIL does not write. want.json has the size and a checksum of the pixels of each file, as
Image.convert("RGB") returns them, or null where PIL has an error.
"""

import hashlib
import io
import json
import os
import random
import subprocess
import sys

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def scene(width, height, seed):
    """A picture with soft and with sharp edges in all colors."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / max(width, 8), y / max(height, 8)
    a = rng.uniform(2, 14, 6)
    rgb = np.stack([
        128 + 110 * np.sin(a[0] * u + a[1] * v),
        128 + 110 * np.sin(a[2] * u - a[3] * v + 1),
        128 + 110 * np.cos(a[4] * u * v + a[5]),
    ], axis=2)
    rgb[(u - .35) ** 2 + (v - .4) ** 2 < .05] = [230, 20, 30]
    rgb[(u > .6) & ((x.astype(int) // 3) % 2 == 0) & (v < .5)] = [0, 255, 60]
    rgb[(v > .7) & (((x.astype(int) // 5) + (y.astype(int) // 5)) % 2 == 0)] = [10, 0, 255]
    noise = rng.integers(0, 256, rgb.shape)
    rgb = np.where((u[..., None] > .8) & (v[..., None] > .4), noise, rgb)
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8), "RGB")


def by_pil(image, **save):
    out = io.BytesIO()
    image.save(out, "JPEG", **save)
    return out.getvalue()


def by_cjpeg(image, *flags):
    out = io.BytesIO()
    image.save(out, "PPM")
    return subprocess.run(["cjpeg", *flags], input=out.getvalue(), stdout=subprocess.PIPE, check=True).stdout


def want(data):
    try:
        image = Image.open(io.BytesIO(data))
        image = image.convert("RGB")
    except (OSError, SyntaxError):
        return None
    return {"width": image.width, "height": image.height, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}


def cmyk(image, seed):
    rgb = np.asarray(image)
    black = np.roll(rgb[..., :1], 5 + seed % 7, axis=1)
    return Image.fromarray(np.concatenate([255 - rgb, black], axis=2), "CMYK")


def scans(*lines):
    path = os.path.join("/tmp", "scans-%d.txt" % os.getpid())
    with open(path, "w") as f:
        f.write("".join(line + ";\n" for line in lines))
    return path


def fixed():
    """The files of this folder: name and content."""
    n = 0
    for name, subsampling in (("444", "4:4:4"), ("422", "4:2:2"), ("420", "4:2:0")):
        for progressive in (False, True):
            for width, height, quality in ((1, 1, 90), (2, 3, 75), (5, 7, 95), (8, 8, 50), (17, 15, 100), (33, 50, 85), (49, 31, 1), (64, 48, 20)):
                n += 1
                kind = "p" if progressive else "s"
                yield "%s-%s-%dx%d-q%d" % (name, kind, width, height, quality), by_pil(
                    scene(width, height, n), quality=quality, subsampling=subsampling, progressive=progressive)
    for width, height in ((1, 9), (23, 18)):
        for progressive in (False, True):
            kind = "p" if progressive else "s"
            yield "gray-%s-%dx%d" % (kind, width, height), by_pil(scene(width, height, n).convert("L"), quality=70, progressive=progressive)
            yield "cmyk-%s-%dx%d" % (kind, width, height), by_pil(cmyk(scene(width, height, 5), 1), quality=80, progressive=progressive)
    for sampling in ("1x2", "4x1", "4x2", "1x4", "2x4", "3x1", "3x2", "2x2,1x2,2x1", "2x2,2x1,1x2", "1x1,2x2,1x1"):
        for flags in ((), ("-progressive",)):
            n += 1
            name = "sampling-" + sampling.replace(",", "-") + ("-p" if flags else "-s")
            yield name, by_cjpeg(scene(41, 37, n), "-quality", "80", "-sample", sampling, *flags)
    for flags in (("-restart", "1"), ("-restart", "3B"), ("-restart", "1B", "-progressive"), ("-restart", "2", "-progressive"), ("-restart", "5B", "-grayscale")):
        n += 1
        yield "restart-" + "".join(flags[1:]), by_cjpeg(scene(61, 43, n), "-quality", "70", "-sample", "2x2", *flags)
    image = scene(45, 35, 77)
    yield "rgb", by_cjpeg(image, "-rgb", "-quality", "75")
    yield "rgb-sampled", by_cjpeg(image, "-rgb", "-quality", "75", "-sample", "2x2,1x1,2x1")
    yield "separate", by_cjpeg(image, "-quality", "75", "-sample", "2x2", "-scans", scans("0", "1", "2"))
    yield "separate-restart", by_cjpeg(image, "-quality", "75", "-sample", "2x1", "-restart", "2B", "-scans", scans("0", "1 2"))
    yield "refined", by_cjpeg(image, "-quality", "97", "-sample", "2x2", "-scans", scans(
        "0 1 2: 0-0, 0, 3", "0: 1-5, 0, 4", "0: 6-63, 0, 4", "1: 1-63, 0, 2", "2: 1-63, 0, 2", "0 1 2: 0-0, 3, 2", "0: 1-63, 4, 3", "0: 1-63, 3, 2",
        "0 1 2: 0-0, 2, 1", "0: 1-63, 2, 1", "1: 1-63, 2, 1", "2: 1-63, 2, 1", "0 1 2: 0-0, 1, 0", "0: 1-63, 1, 0", "1: 1-63, 1, 0", "2: 1-63, 1, 0"))
    adobe = by_pil(cmyk(image, 2), quality=80)
    yield "cmyk-bare", drop(adobe, 0xee)
    yield "ycck", changed(adobe, b"Adobe", 11, 2)
    colors = by_pil(image, quality=80)
    yield "jfif-none", drop(colors, 0xe0)
    yield "ids-rgb", changed(drop(by_cjpeg(image, "-rgb", "-quality", "75"), 0xee), b"Adobe", 11, 0)
    whole = by_pil(image, quality=60)
    yield "bytes-between", whole[:2] + b"\xff\xff" + whole[2:] + b"behind"
    yield "truncated-end", whole[:-2]
    yield "truncated-marker", whole[:-1]
    yield "truncated-half", whole[:len(whole) // 2]
    whole = by_pil(image, quality=60, progressive=True)
    yield "truncated-scan", whole[:-40]


def segments(data):
    """The segments before the first scan: marker, start and end."""
    at = 2
    while True:
        marker, length = data[at + 1], data[at + 2] << 8 | data[at + 3]
        yield marker, at, at + 2 + length
        if marker == 0xda:
            return
        at += 2 + length


def drop(data, marker):
    for found, start, end in segments(data):
        if found == marker:
            return data[:start] + data[end:]
    return data


def changed(data, text, offset, value):
    at = data.find(text)
    if at < 0:
        return data
    return data[:at + offset] + bytes([value]) + data[at + offset + 1:]


def random_file(rng):
    width, height = rng.choice((rng.randint(1, 40), rng.randint(1, 300))), rng.choice((rng.randint(1, 40), rng.randint(1, 300)))
    image = scene(width, height, rng.randint(0, 1 << 30))
    quality = rng.choice((rng.randint(1, 100), 100, 95))
    if rng.random() < .5:
        if rng.random() < .15:
            image = image.convert("L")
        elif rng.random() < .15:
            image = cmyk(image, rng.randint(0, 9))
        more = rng.choice(({}, {"restart_marker_blocks": rng.randint(1, 20)}, {"restart_marker_rows": rng.randint(1, 4)}))
        try:
            return by_pil(image, quality=quality, subsampling=rng.choice(("4:4:4", "4:2:2", "4:2:0")), progressive=rng.random() < .5, optimize=rng.random() < .5, **more)
        except OSError:
            return None  # PIL's buffer is too small for some small files
    factors = ["%dx%d" % (a, b) for a in (1, 2, 3, 4) for b in (1, 2, 3, 4)]
    flags = ["-quality", str(quality), "-sample", rng.choice((rng.choice(factors), "2x2", "2x1", "1x2", "2x2,2x1,1x2", "1x1,2x2,1x2", "4x2,2x1,1x1"))]
    flags += rng.choice(([], ["-progressive"], ["-optimize"]))
    flags += rng.choice(([], ["-restart", "%dB" % rng.randint(1, 30)], ["-rgb"], ["-baseline"]))
    try:
        return by_cjpeg(image, *flags)
    except subprocess.CalledProcessError:
        return None  # more than 10 blocks in a unit


def main():
    if len(sys.argv) == 3:
        folder, rng = sys.argv[1], random.Random(int(sys.argv[2]))
        made = (random_file(rng) for _ in range(int(sys.argv[2])))
        files = (("random-%04d" % i, data) for i, data in enumerate(made) if data is not None)
    else:
        folder, files = HERE, fixed()
    os.makedirs(folder, exist_ok=True)
    out = {}
    for name, data in files:
        with open(os.path.join(folder, name + ".jpg"), "wb") as f:
            f.write(data)
        out[name] = want(data)
    with open(os.path.join(folder, "want.json"), "w") as f:
        json.dump(out, f, indent="\t")
        f.write("\n")


main()
