"""Mask R-CNN of torchvision with random weights, the same ones each time: tuning needs the compute,
not the answers. A small backbone, small pictures and few proposals, so that it runs on a CPU: there the
matrix product of Debian's torch does about 3 GFLOP/s, and each proposal needs .03 GFLOP.

It honours the precision, handler.precision of the model-config.yaml. On a CPU torch 1.13 lacks
operators in FP16: it neither resizes pictures nor has convolutions.

With handler.size: full in the model-config.yaml it is the usual Mask R-CNN with ResNet-50, for a GPU."""
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
        config = context.model_yaml_config["handler"]
        model = self.full() if config.get("size") == "full" else self.small()
        self.model = model.to(self.device).eval()
        if config["precision"] == "fp16":
            self.model.half()
        self.dtype = next(self.model.parameters()).dtype

    @staticmethod
    def small():
        backbone = backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None)
        return detection.MaskRCNN(
            backbone, num_classes=5, min_size=128, max_size=160, rpn_post_nms_top_n_test=16, box_score_thresh=0.0, box_detections_per_img=5
        )

    @staticmethod
    def full():
        """The usual size, with as many masks for each picture as are kept, so that the work does not depend on the weights."""
        return detection.maskrcnn_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=91, box_score_thresh=0.0, box_detections_per_img=20
        )

    def handle(self, data, context):
        images = []
        for row in data:
            picture = Image.open(io.BytesIO(row.get("data") or row.get("body"))).convert("RGB")
            images.append(functional.to_tensor(picture).to(self.device, self.dtype))
        with torch.inference_mode():
            found = self.model(images)
        return [self.describe(one) for one in found]

    @staticmethod
    def describe(found):
        return [
            {"bbox": box.tolist(), "label": int(label), "score": float(score), "mask": float(mask.sum())}
            for box, label, score, mask in zip(found["boxes"], found["labels"], found["scores"], found["masks"])
        ]
