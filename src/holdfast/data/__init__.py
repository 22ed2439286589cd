"""Data as (x, y, id): sets with fingerprints, splits, an order for each epoch, augmentation."""

from holdfast.data.adapt import as_examples, as_training_data
from holdfast.data.augment import Augmentation, FlipCrop
from holdfast.data.examples import Batch, Examples, Source, from_tensors
from holdfast.data.load import load
from holdfast.data.order import epoch_order
from holdfast.data.splits import Splits, split
from holdfast.data.stream import Stream

__all__ = [
    "Augmentation",
    "Batch",
    "Examples",
    "FlipCrop",
    "Source",
    "Splits",
    "Stream",
    "as_examples",
    "as_training_data",
    "epoch_order",
    "from_tensors",
    "load",
    "split",
]
