"""A handler that honours the precision and the number of threads.

The precision is handler.precision of the model-config.yaml, which sweetspot sets for each worker.
The number of threads is OMP_NUM_THREADS, which torch reads itself.

The model has only operators that torch 1.13 has for half precision on a CPU, which has no
convolution and no matrix product there; on a GPU any model can use half().
"""
import os

import torch
from network import Scale


class Handler:
    def initialize(self, context):
        gpu = context.system_properties.get("gpu_id")
        self.device = torch.device(f"cuda:{gpu}" if gpu is not None and torch.cuda.is_available() else "cpu")
        self.model = Scale().to(self.device).eval()
        precision = context.model_yaml_config.get("handler", {}).get("precision", "fp32")
        if precision == "fp16":
            self.model.half()
        self.dtype = self.model.weight.dtype

    def handle(self, data, context):
        rows = [row.get("body") or row.get("data") for row in data]
        with torch.inference_mode():
            x = torch.tensor(rows, dtype=self.dtype, device=self.device)
            y = self.model(x).float().cpu()
        return [
            {"y": one.tolist(), "dtype": str(self.dtype), "threads": torch.get_num_threads(), "omp": os.environ.get("OMP_NUM_THREADS")}
            for one in y
        ]
