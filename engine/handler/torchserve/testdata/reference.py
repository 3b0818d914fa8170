"""Writes the reference data of this folder with the code of TorchServe 0.12, torchvision and PIL.

Run it in the environment that `make torchserve` installs:

    ~/.cache/sweetspot/torchserve-0.12.0/bin/python engine/handler/torchserve/testdata/reference.py

pictures/NAME.png or .jpg are requests, and pictures/NAME.want.png what PIL and torchvision make of
them before ToTensor. reference.json has the rest: numbers of the normalized tensors, answers of the handlers to
tensors, and tokens of texts.
"""

import io
import json
import os

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from ts.torch_handler.contractions import CONTRACTION_MAP
from ts.torch_handler.image_classifier import ImageClassifier
from ts.torch_handler.image_segmenter import ImageSegmenter
from ts.torch_handler.object_detector import ObjectDetector
from ts.torch_handler.request_envelope.json import JSONEnvelope
from ts.torch_handler.request_envelope.kserve import KServeEnvelope
from ts.torch_handler.request_envelope.kservev2 import KServev2Envelope
from ts.torch_handler.text_classifier import TextClassifier
from ts.handler_utils.text_utils import ngrams_iterator
from ts.utils.util import load_label_mapping

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURES = os.path.join(HERE, "pictures")


def scene(width, height):
    """A picture with soft and with sharp edges in all colors."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / width, y / height
    rgb = np.stack([
        128 + 90 * np.sin(9 * u + 4 * v),
        128 + 90 * np.sin(5 * u - 7 * v + 1),
        128 + 90 * np.cos(11 * u * v + 2),
    ], axis=2)
    disc = (u - .35) ** 2 + (v - .4) ** 2 < .05
    rgb[disc] = [230, 20, 30]
    bars = (u > .6) & ((x.astype(int) // 3) % 2 == 0) & (v < .5)
    rgb[bars] = [20, 200, 60]
    check = (v > .7) & (((x.astype(int) // 5) + (y.astype(int) // 5)) % 2 == 0)
    rgb[check] = [10, 30, 240]
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8), "RGB")


CROP = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])


def write_pictures():
    """Requests with what becomes of them; returns numbers of their normalized tensors."""
    cases = []

    def add(name, image, crop=True, **save):
        kind = "JPEG" if name.endswith(".jpg") else "PNG"
        path = os.path.join(PICTURES, name)
        image.save(path, kind, **save)
        read = Image.open(path)
        read = read if read.mode == "RGB" else read.convert("RGB")
        want = CROP(read) if crop else read
        want.save(os.path.join(PICTURES, os.path.splitext(name)[0] + ".want.png"), optimize=True)
        whole = ImageClassifier.image_processing if crop else ObjectDetector.image_processing
        tensor = whole(read).numpy().ravel()
        every = 1009
        cases.append({"file": name, "crop": crop, "every": every, "values": [float(v) for v in tensor[::every]]})

    add("wide.png", scene(400, 300), optimize=True)
    add("small.png", scene(90, 130), optimize=True)
    add("strip.png", scene(700, 31), optimize=True)
    add("exact.png", scene(224, 224), optimize=True)
    add("gray.png", scene(260, 300).convert("L"), optimize=True)
    add("palette.png", scene(300, 256).quantize(64), optimize=True)
    add("half.jpg", scene(503, 377), quality=88, subsampling="4:2:0")
    add("halfwide.jpg", scene(301, 449), quality=92, subsampling="4:2:2")
    add("full.jpg", scene(350, 263), quality=90, subsampling="4:4:4")
    add("progressive.jpg", scene(321, 257), quality=80, subsampling="4:2:0", progressive=True)
    add("luma.jpg", scene(280, 300).convert("L"), quality=85)
    add("plain.jpg", scene(121, 91), crop=False, quality=90, subsampling="4:2:0")
    return cases


class Request:
    """What the envelopes read of a context."""

    def __init__(self):
        self.manifest = {"model": {"modelName": "net", "modelVersion": "1.0"}}

    def get_request_header(self, _, __):
        return None

    def get_request_id(self, _):
        return "made"


def classify(logits, mapping, top_k=5):
    handler = ImageClassifier()
    handler.mapping = mapping
    handler.set_max_result_classes(top_k)
    return handler.postprocess(torch.tensor(logits))


def answers():
    rng = np.random.default_rng(7)
    labels = {str(i): "class %d" % i for i in range(10)}
    wordnet = {str(i): ["n%d" % i, "name-%d" % i] for i in range(10)}
    logits = [[round(float(v), 4) for v in rng.normal(0, 3, 10)] for _ in range(3)]
    out = {"classifier": [
        {"logits": row, "labels": None if m is None else json.dumps(m), "top_k": k, "want": classify([row], mapping_of(m), k)[0]}
        for row, m, k in zip(logits, [None, labels, wordnet], [5, 3, 10])
    ]}
    same = {str(i): "same" if i % 2 else "other" for i in range(10)}
    out["classifier"].append({"logits": logits[0], "labels": json.dumps(same), "top_k": 5, "want": classify([logits[0]], same)[0]})
    big = {"object_type_names": ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]}
    out["classifier"].append({"logits": [80.0, -80, 3, 2, 1, 0, 0.5, 0.25, 79.5, -3], "labels": json.dumps(big), "top_k": 5,
                              "want": classify([[80.0, -80, 3, 2, 1, 0, 0.5, 0.25, 79.5, -3]], mapping_of(big))[0]})

    maps = torch.tensor(np.round(rng.normal(0, 2, (2, 4, 3, 5)), 4), dtype=torch.float32)
    want = ImageSegmenter().postprocess({"out": maps})
    out["segmenter"] = [{"maps": m.tolist(), "want": w} for m, w in zip(maps, want)]

    detector = ObjectDetector()
    detector.mapping = {"1": "person", "3": "car"}
    rows = []
    for n in (4, 0):
        rows.append({
            "boxes": torch.tensor(np.round(rng.uniform(0, 200, (n, 4)), 3), dtype=torch.float32),
            "labels": torch.tensor([1, 3, 3, 1][:n]),
            "scores": torch.tensor([.9, .5, .49999, .7][:n]),
        })
    want = detector.postprocess(rows)
    out["detector"] = [{"labels": json.dumps(detector.mapping), "boxes": r["boxes"].tolist(), "classes": r["labels"].tolist(),
                        "scores": r["scores"].tolist(), "want": w} for r, w in zip(rows, want)]

    text = TextClassifier()
    text.mapping = {"0": "World", "1": "Sports", "2": "Business", "3": "Sci/Tec"}
    scores = [[0.1, 2.5, -1.25, 0.75]]
    out["text"] = [{"logits": scores[0], "labels": json.dumps(text.mapping), "want": text.postprocess(torch.tensor(scores))[0]}]
    return out


def mapping_of(mapping):
    if mapping is None:
        return None
    path = os.path.join(HERE, "mapping.tmp")
    with open(path, "w") as f:
        json.dump(mapping, f)
    try:
        return load_label_mapping(path)
    finally:
        os.remove(path)


def envelopes():
    """Bodies with the answers of an echo behind each envelope: a handler that returns its inputs."""
    out = []

    def add(name, envelope, body, results):
        e = envelope(lambda data, context: results)
        answer = e.handle([{"body": json.loads(body)}], Request())[0]
        out.append({"envelope": name, "body": body, "results": results, "want": json.loads(answer) if isinstance(answer, str) else answer})

    for name, envelope in (("json", JSONEnvelope), ("kserve", KServeEnvelope)):
        add(name, envelope, '{"instances": [[1, 2], [3, 4]]}', [[2.5, 4], [6, 8]])
        add(name, envelope, '{"instances": [{"data": [1, 2]}]}', [{"a": 0.5}])
    two = '{"id": "7", "inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}, {"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [[3, 4]]}]}'
    add("kservev2", KServev2Envelope, two, [[2.5, 4.5], [[6, 8]]])
    add("kservev2", KServev2Envelope, two, [{"a": 0.5}, [{"b": [1]}, {"c": [2]}]])
    add("kservev2", KServev2Envelope, two, [[], 3])
    return out


TEXTS = [
    "Hello, World!",
    "The <b>quick</b>&nbsp;brown &#8217;fox&#x27;s  tail<br />",
    "I'd say they've won't can't've y'all'd ain't so's 'cause how'd'y",
    "Don't STOP: it's 5 o'clock, ma'am; she'd've gone.",
    "Crème brûlée à la façon de l’été — №5 ½ ﬁne",
    "tabs\tand\nlines\u00a0here\u2003now\x1cthen",
    "the'd that'd've who're",
    "a < b and c > d & e; x&amp;y",
    "İstanbul Straße ǅ",
    "emoji 😀 and 漢字 only",
]


def tokens():
    handler = TextClassifier()
    texts = TEXTS + [k for k in CONTRACTION_MAP] + ["say %s now" % k.upper() for k in CONTRACTION_MAP]
    out = []
    for text in texts:
        line = handler._remove_html_tags(text)
        line = line.lower()
        line = handler._expand_contractions(line)
        line = handler._remove_accented_characters(line)
        line = handler._remove_punctuation(line)
        line = handler._tokenize(line)
        out.append({"text": text, "want": line, "ngrams": list(ngrams_iterator(line, 2))})
    return out


if __name__ == "__main__":
    os.makedirs(PICTURES, exist_ok=True)
    data = {"pictures": write_pictures(), "tokens": tokens(), "envelopes": envelopes()}
    data.update(answers())
    with open(os.path.join(HERE, "reference.json"), "w") as f:
        lists = ['"%s": [\n%s\n]' % (k, ",\n".join(json.dumps(entry) for entry in v)) for k, v in data.items()]
        f.write("{%s}\n" % ",\n".join(lists))
