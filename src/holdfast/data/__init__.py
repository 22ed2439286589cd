"""Data as (x, y, id): sets with fingerprints, splits, an order for each epoch, augmentation."""

from holdfast.data.adapt import as_examples as as_examples
from holdfast.data.adapt import as_training_data as as_training_data
from holdfast.data.augment import Augmentation as Augmentation
from holdfast.data.augment import FlipCrop as FlipCrop
from holdfast.data.examples import Batch as Batch
from holdfast.data.examples import Examples as Examples
from holdfast.data.examples import Source as Source
from holdfast.data.examples import from_tensors as from_tensors
from holdfast.data.load import load as load
from holdfast.data.order import epoch_order as epoch_order
from holdfast.data.splits import Splits as Splits
from holdfast.data.splits import split as split
from holdfast.data.stream import Stream as Stream
