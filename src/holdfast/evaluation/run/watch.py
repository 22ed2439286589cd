"""The interface of whoever follows an evaluation, stage by stage."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Is told of the stages of a chunk, one after the other, and changes nothing."""

    def begins(self, fresh: int) -> None:
        """Take note that the next stage begins: so many examples have to be run."""
        ...

    def batch_ends(self, examples: int, broke: int) -> None:
        """Take note of a finished batch of the stage."""
        ...

    def ends(self, stage: str, entered: int, broke: int, left: int) -> None:
        """Take note of the outcomes of the points that entered, and how many may still break."""
        ...


class Unwatched:
    """Nobody follows."""

    def begins(self, fresh: int) -> None: ...

    def batch_ends(self, examples: int, broke: int) -> None: ...

    def ends(self, stage: str, entered: int, broke: int, left: int) -> None: ...


UNWATCHED = Unwatched()
