"""The model of the handler. TorchServe wants a handler's file to have one class only."""
import torch


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.1, 0.2, 1.0, 3.0]), requires_grad=False)

    def forward(self, x):
        return x * self.weight
