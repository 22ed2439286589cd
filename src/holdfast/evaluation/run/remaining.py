"""The time that an evaluation still needs: a forecast, corrected by what was seen of it so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from holdfast.progress import Clock


@dataclass(frozen=True, kw_only=True)
class Work:
    """One stage of the suite.

    seconds: of a batch of which nothing breaks, as forecast. passes: forward passes of one example.
    once: a result at one radius holds at all. doubtful: it looks at those alone that a
    low-precision search may have misjudged.
    """

    name: str
    seconds: float
    passes: int
    once: bool = False
    doubtful: bool = False


@dataclass
class _Seen:
    """The record of one stage.

    standing: examples that stood before it. entered, broke: of them. batches: that are done.
    share: of the passes of a batch of which nothing breaks, added up. seconds: that passes took.
    expected: the forecast of the same passes.
    """

    standing: int = 0
    entered: int = 0
    broke: int = 0
    batches: int = 0
    share: float = 0.0
    seconds: float = 0.0
    expected: float = 0.0

    @property
    def kept(self) -> float:
        """Return the share of examples that stand after it; all of them where none were seen."""
        return 1 - self.broke / self.standing if self.standing else 1.0

    @property
    def used(self) -> float:
        """Return the share of its passes that a batch takes, as if one more had taken them all."""
        return (self.share + 1) / (self.batches + 1)


@dataclass(kw_only=True)
class Remaining:
    """The stages of every chunk at every radius: which are done, and what the others need.

    works: the stages, the clean pass first. chunks: examples of each. batch: examples of a batch.
    exhaustive: broken examples enter, too. carries: examples broken at a radius do not enter at a
    larger one. measured: the forecast is in seconds; else it is no more than a proportion.
    """

    works: Sequence[Work]
    chunks: Sequence[int]
    batch: int
    clock: Clock
    radii: int = 1
    exhaustive: bool = False
    carries: bool = True
    measured: bool = True

    radius: int = 0  # the place of the work: how many radii, chunks and stages are done
    chunk: int = 0
    stage: int = 0
    _seen: list[_Seen] = field(init=False)
    _standing: int = 0  # examples of the chunk that stood before the present stage
    _entering: int = 0
    _looked: int = 0  # examples of the present stage's finished batches
    _broke: int = 0
    _beats: int = 0  # forward passes of the present batch
    _since: float = 0.0  # when it began
    _running: bool = False  # the present stage has begun

    def __post_init__(self) -> None:
        self._seen = [_Seen() for _ in self.works]
        self.starts(0, 0)

    def starts(self, radius: int, chunk: int) -> None:
        """Take note that a chunk is next."""
        self.radius, self.chunk, self.stage = radius, chunk, 0
        self._standing, self._running, self._beats = self.chunks[chunk], False, 0

    def begins(self, entering: int) -> None:
        """Take note that so many examples enter the next stage."""
        self._entering, self._looked, self._broke, self._beats = entering, 0, 0, 0
        self._since, self._running = self.clock(), True

    def beat(self) -> None:
        """Take note of a forward pass."""
        self._beats += 1

    def batch_ends(self, examples: int, broke: int) -> None:
        """Take note of a finished batch."""
        work, seen, now = self.works[self.stage], self._seen[self.stage], self.clock()
        share = min(self._beats / work.passes, 1.0)
        seen.batches, seen.share = seen.batches + 1, seen.share + share
        seen.seconds, seen.expected = (
            seen.seconds + now - self._since,
            seen.expected + share * work.seconds,
        )
        self._looked, self._broke = self._looked + examples, self._broke + broke
        self._since, self._beats = now, 0

    def ends(self, broke: int, standing: int) -> None:
        """Take note that the stage is done, in batches or long before."""
        seen = self._seen[self.stage]
        seen.standing, seen.entered = seen.standing + self._standing, seen.entered + self._entering
        seen.broke += broke
        self._standing, self._running, self._beats = standing, False, 0
        self.stage += 1

    def left(self) -> float | None:
        """Return the seconds that are left if all goes on like this; None while that is unknown."""
        if not self.measured and not self._expected():
            return None
        total = self._present()
        standing = self._standing_after()
        total += self._stages(self.stage + self._running, standing, again=self.radius > 0)
        total += self._several(self.chunks[self.chunk + 1 :], again=self.radius > 0)
        later = self.radii - 1 - self.radius
        return total + (later * self._several(self.chunks, again=True) if later else 0.0)

    def _several(self, chunks: Sequence[int], *, again: bool) -> float:
        """Return the seconds of whole chunks; all of one size, as most are, take the same."""
        sizes = Counter(chunks)
        return sum(count * self._chunk(size, again=again) for size, count in sizes.items())

    def _present(self) -> float:
        """Return the seconds that the present stage still needs."""
        if not self._running:
            return 0.0
        work, seen = self.works[self.stage], self._seen[self.stage]
        batches = ceil((self._entering - self._looked) / self.batch)
        passes = batches * seen.used - self._beats / work.passes
        return max(passes, 0.0) * work.seconds * self._pace(self.stage)

    def _standing_after(self) -> float:
        """Return how many of the chunk will stand after the present stage."""
        if not self._running:
            return self._standing
        rate = self._broke / self._looked if self._looked else 1 - self._seen[self.stage].kept
        return self._standing - self._broke - rate * (self._entering - self._looked)

    def _chunk(self, size: int, *, again: bool) -> float:
        """Return the seconds of a whole chunk. again: at a radius that is not the first."""
        standing = size * self._seen[0].kept
        if again and self.carries:
            for seen in self._seen[1:]:
                standing *= seen.kept
        return self._cost(0, size) + self._stages(1, standing, again=again)

    def _stages(self, start: int, standing: float, *, again: bool) -> float:
        """Return the seconds of the stages from `start` on, before which so many stand."""
        total, everyone = 0.0, standing
        for k in range(start, len(self.works)):
            work, seen = self.works[k], self._seen[k]
            enters = everyone if self.exhaustive else standing
            if work.doubtful:
                enters = standing * seen.entered / max(seen.standing, 1)
            if not (work.once and again and self.carries):
                total += self._cost(k, enters)
            standing *= seen.kept
        return total

    def _cost(self, stage: int, entering: float) -> float:
        batches = ceil((entering - 0.5) / self.batch)
        return (
            max(batches, 0) * self.works[stage].seconds * self._seen[stage].used * self._pace(stage)
        )

    def _pace(self, stage: int) -> float:
        """Return how many seconds one of the forecast's is: of this stage, else of all others.

        The forecast counts as much as one batch does.
        """
        mean = sum(work.seconds for work in self.works) / len(self.works) if self.measured else 0.0
        overall = (self._spent() + mean) / (self._expected() + mean)
        seen, batch = self._seen[stage], self.works[stage].seconds
        now = stage == self.stage
        seconds = seen.seconds + (self._partial()[0] if now else 0.0)
        expected = seen.expected + (self._partial()[1] if now else 0.0)
        return (seconds + overall * batch) / (expected + batch) if batch else 1.0

    def _partial(self) -> tuple[float, float]:
        """Return the seconds of the present batch so far, and those of the forecast."""
        if not self._running or not self._beats:
            return 0.0, 0.0
        work = self.works[self.stage]
        return self.clock() - self._since, min(self._beats / work.passes, 1.0) * work.seconds

    def _spent(self) -> float:
        return sum(seen.seconds for seen in self._seen) + self._partial()[0]

    def _expected(self) -> float:
        return sum(seen.expected for seen in self._seen) + self._partial()[1]
