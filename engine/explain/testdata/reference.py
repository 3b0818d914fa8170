"""Writes reference.json with the attributions of Captum 0.7 for small cases.

Run it in the environment that `make torchserve` installs, which has Captum:

    ~/.cache/sweetspot/torchserve-0.12.0/bin/python engine/explain/testdata/reference.py

The score of every case is sum(sin(w * x)) with the weights and inputs of the file, so that any
program can compute it. A case has the shape of its input without the axis of the batch.
"""

import json
import os

import captum
import torch
from captum.attr import FeatureAblation, Occlusion

HERE = os.path.dirname(os.path.abspath(__file__))

OCCLUSIONS = [
    ([7], [3], [2], 0.0),
    ([5], [5], [9], 0.5),
    ([6], [2], [1], -1.0),
    ([3, 8, 8], [3, 3, 3], [3, 2, 2], 0.0),
    ([2, 5, 7], [1, 2, 3], [1, 2, 2], 0.25),
    ([4, 6], [2, 4], [2, 3], 0.0),
    ([2, 3, 4, 5], [2, 2, 2, 2], [1, 2, 1, 2], 0.0),
]

MASKS = [
    ([6], [0, 1, 2, 3, 4, 5], 0.0),
    ([6], [0, 0, 2, 2, 5, 0], 0.0),
    ([2, 2, 3], [0, 0, 1, 0, 0, 1, 2, 2, 3, 2, 2, 3], 0.75),
    ([3, 4], [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], -0.5),
]


def main():
    torch.manual_seed(1)
    cases = []
    todo = [(s, w, t, None, b) for s, w, t, b in OCCLUSIONS] + [(s, None, None, m, b) for s, m, b in MASKS]
    for shape, window, stride, mask, baseline in todo:
        x = torch.randn(1, *shape, dtype=torch.float64)
        w = torch.randn(1, *shape, dtype=torch.float64)

        def score(v, w=w):
            return torch.sin(w * v).flatten(1).sum(1)

        if window:
            a = Occlusion(score).attribute(x, sliding_window_shapes=tuple(window), strides=tuple(stride), baselines=baseline)
        else:
            a = FeatureAblation(score).attribute(x, baselines=baseline, feature_mask=torch.tensor(mask).reshape(1, *shape))
        cases.append({
            "shape": shape, "window": window, "stride": stride, "mask": mask, "baseline": baseline,
            "x": x.flatten().tolist(), "w": w.flatten().tolist(), "attributions": a.flatten().tolist(),
        })
    with open(os.path.join(HERE, "reference.json"), "w") as f:
        json.dump({"captum": captum.__version__, "cases": cases}, f, indent=0)
        f.write("\n")


main()
