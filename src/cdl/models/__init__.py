"""Networks built from layers."""
from cdl.models.lenet import LeNet5
from cdl.models.load import load
from cdl.models.residual import Residual
from cdl.models.resnet import (
    BasicBlock,
    Bottleneck,
    ResidualBlock,
    ResNet,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNet152,
)
from cdl.models.sequential import Sequential
from cdl.models.vgg import VGG, VGG11, VGG13, VGG16, VGG19

__all__ = ["VGG", "VGG11", "VGG13", "VGG16", "VGG19", "BasicBlock", "Bottleneck", "LeNet5", "ResNet", "ResNet18", "ResNet34",
           "ResNet50", "ResNet101", "ResNet152", "Residual", "ResidualBlock", "Sequential", "load"]
