"""Networks built from layers."""
from cdl.models.bert import BERT, BERTBase, BERTLarge
from cdl.models.generate import generate
from cdl.models.gpt2 import GPT2, GPT2Medium, GPT2Small
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

__all__ = ["BERT", "GPT2", "VGG", "VGG11", "VGG13", "VGG16", "VGG19", "BERTBase", "BERTLarge", "BasicBlock", "Bottleneck",
           "GPT2Medium", "GPT2Small", "LeNet5", "ResNet", "ResNet18", "ResNet34", "ResNet50", "ResNet101", "ResNet152",
           "Residual", "ResidualBlock", "Sequential", "generate", "load"]
