"""Writes weights.pt: random weights, the same ones each time.

    python weights.py
"""
import os
import sys

import torch

folder = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, folder)
from model import Classifier  # noqa: E402

torch.manual_seed(1)
torch.save(Classifier().eval().state_dict(), os.path.join(folder, "weights.pt"))
