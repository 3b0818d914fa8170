"""Mask R-CNN of torchvision with random weights, the same ones each time: tuning needs the compute,
not the answers. A small backbone and small pictures, so that it runs on a CPU."""
import io

import torch
from PIL import Image
from torchvision.models import detection
from torchvision.models.detection import backbone_utils
from torchvision.transforms import functional


class Handler:
    def initialize(self, context):
        gpu = context.system_properties.get("gpu_id")
        self.device = torch.device(f"cuda:{gpu}" if gpu is not None and torch.cuda.is_available() else "cpu")
        torch.manual_seed(7)
        backbone = backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None)
        model = detection.MaskRCNN(
            backbone, num_classes=5, min_size=128, max_size=160, box_score_thresh=0.0, box_detections_per_img=5
        )
        self.model = model.to(self.device).eval()

    def handle(self, data, context):
        images = []
        for row in data:
            picture = Image.open(io.BytesIO(row.get("data") or row.get("body"))).convert("RGB")
            images.append(functional.to_tensor(picture).to(self.device))
        with torch.inference_mode():
            found = self.model(images)
        return [self.describe(one) for one in found]

    @staticmethod
    def describe(found):
        return [
            {"bbox": box.tolist(), "label": int(label), "score": float(score), "mask": float(mask.sum())}
            for box, label, score, mask in zip(found["boxes"], found["labels"], found["scores"], found["masks"])
        ]
