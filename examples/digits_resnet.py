"""Train a small residual network on the handwritten digits that come with cdl: 99 % of held-out ones in some seconds.

python examples/digits_resnet.py
"""
import cdl
from cdl.models import BasicBlock

x, y = cdl.load_digits()
x = x.reshape(-1, 8, 8, 1)
x_train, x_test, y_train, y_test = cdl.train_test_split(x, y, test_size=0.2, rng=0, stratify=y)

cdl.seed(0)
model = cdl.Sequential([
    cdl.Conv2D(16, padding="same", use_bias=False), cdl.BatchNorm(activation="relu"),
    BasicBlock(16), BasicBlock(32, stride=2), BasicBlock(64, stride=2),
    cdl.GlobalAvgPool2D(), cdl.Dense(10),
])
model.fit(x_train, y_train, loss="cross_entropy", epochs=12, augment=cdl.data.Augment(crop=1, rng=0), rng=0,
          optimizer=lambda parameters: cdl.Adam(parameters, lr=cdl.CosineDecay(0.003, 12)), validation_data=(x_test, y_test))
print(f"test accuracy {(model.predict(x_test).argmax(axis=1) == y_test).mean():.4f}")
print(f"the same, fused: {(model.fuse().predict(x_test).argmax(axis=1) == y_test).mean():.4f}")
