"""Weights that inference holds in another form than training."""
from cdl._core.conv import Packed
from cdl._core.panels import Panels

__all__ = ["PACKED", "PacksWeight"]

PACKED = (Packed, Panels)


class PacksWeight:
    """A layer whose `weight` may be held packed, as its `pack` leaves it: whoever asks for it has a Tensor made of it again."""

    @property
    def weight(self):
        """The weight, a Tensor; None before its size is known. In a fused model it is packed: whoever asks unpacks it."""
        held = self.__dict__["weight"]
        if type(held) in PACKED:
            held = self.__dict__["weight"] = held.plain()
        return held

    @weight.setter
    def weight(self, weight):
        self.__dict__["weight"] = weight

    def own_tensors(self):
        self.__dict__["weight"] = self.weight       # a Tensor from now on
        return super().own_tensors()
