"""The networks of cdl.models in torch, written from torch.nn's public layers under torchvision's names."""
import torch
from torch import nn


def conv(channels, filters, size, stride=1):
    return nn.Conv2d(channels, filters, size, stride, padding=size // 2, bias=False)


class Basic(nn.Module):
    expansion = 1

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(channels, filters, 3, stride), nn.BatchNorm2d(filters)
        self.conv2, self.bn2 = conv(filters, filters, 3), nn.BatchNorm2d(filters)
        self.downsample = None
        if stride != 1 or channels != filters:
            self.downsample = nn.Sequential(conv(channels, filters, 1, stride), nn.BatchNorm2d(filters))

    def forward(self, x):
        past = x if self.downsample is None else self.downsample(x)
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + past)


class Bottle(nn.Module):
    expansion = 4

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(channels, filters, 1), nn.BatchNorm2d(filters)
        self.conv2, self.bn2 = conv(filters, filters, 3, stride), nn.BatchNorm2d(filters)
        self.conv3, self.bn3 = conv(filters, 4 * filters, 1), nn.BatchNorm2d(4 * filters)
        self.downsample = None
        if stride != 1 or channels != 4 * filters:
            self.downsample = nn.Sequential(conv(channels, 4 * filters, 1, stride), nn.BatchNorm2d(4 * filters))

    def forward(self, x):
        past = x if self.downsample is None else self.downsample(x)
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + past)


STAGES = {18: (Basic, (2, 2, 2, 2)), 34: (Basic, (3, 4, 6, 3)), 50: (Bottle, (3, 4, 6, 3)),
          101: (Bottle, (3, 4, 23, 3)), 152: (Bottle, (3, 8, 36, 3))}


class ResNet(nn.Module):
    def __init__(self, depth, classes, small=False):
        super().__init__()
        self.conv1 = conv(3, 64, 3) if small else conv(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        block, counts = STAGES[depth]
        channels = 64
        for number, count in enumerate(counts):
            blocks = []
            for i in range(count):
                blocks.append(block(channels, 64 << number, 2 if number and i == 0 else 1))
                channels = (64 << number) * block.expansion
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class VGG(nn.Module):
    def __init__(self, stages, classes, size=7, units=4096, batch_norm=False):
        super().__init__()
        layers, channels = [], 3
        for count, filters in zip(stages, (64, 128, 256, 512, 512), strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(channels, filters, 3, padding=1))
                layers += [nn.BatchNorm2d(filters)] * batch_norm
                layers.append(nn.ReLU())
                channels = filters
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(size)
        self.classifier = nn.Sequential(
            nn.Linear(512 * size * size, units), nn.ReLU(), nn.Dropout(0), nn.Linear(units, units), nn.ReLU(), nn.Dropout(0),
            nn.Linear(units, classes))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class LeNet5(nn.Module):
    def __init__(self, activation, pooling):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)
        self.act, self.pool = getattr(torch, activation), {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}[pooling](2)

    def forward(self, x):
        x = self.pool(self.act(self.conv1(x)))
        x = self.pool(self.act(self.conv2(x)))
        return self.fc3(self.act(self.fc2(self.act(self.fc1(x.flatten(1))))))


def random_(network, seed=0):
    """Every parameter and every running statistic drawn anew, so that none is the 0 or 1 that hides a fault."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if "running_var" in name or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5)
            elif tensor.dtype.is_floating_point and tensor.ndim == 1:
                tensor.normal_(0, 0.1)
            elif tensor.dtype.is_floating_point:
                fan_in = tensor[0].numel()
                tensor.normal_(0, (2 / fan_in) ** 0.5)
    return network
