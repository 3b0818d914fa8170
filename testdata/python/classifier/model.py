"""A small network for the stock handler image_classifier, which gives it pictures of 224 x 224."""
from torch import nn


class Classifier(nn.Sequential):
    def __init__(self):
        layers = []
        for channels_in, channels_out, stride in ((3, 16, 4), (16, 32, 2), (32, 64, 2), (64, 64, 2)):
            layers += [nn.Conv2d(channels_in, channels_out, 3, stride, 1), nn.ReLU()]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
