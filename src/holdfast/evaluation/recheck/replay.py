"""Replay of the attacks on some of the points that a claim calls unbroken.

Of the statuses only `unbroken` can hide a counterexample: every other one counts as not robust. The
points are drawn from the operating system's entropy, since whoever made the claim knows everything
that is in it. The attacks draw from the claim's own seed: where shape, threads, versions and
hardware are the claim's they do what they did, so that no honest claim is ever refused; a seed that
was chosen because it finds little is not caught by this.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from holdfast.claims import Claim, Ledger
from holdfast.claims.chance import at_least
from holdfast.deadline import OutOfTime, at_most
from holdfast.errors import VerificationError
from holdfast.evaluation.recheck.hidden import most_hidden
from holdfast.evaluation.recheck.stages import concerned
from holdfast.evaluation.run.cascade import Cascade, Example
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.evaluation.run.time_estimate import forecast
from holdfast.progress import counting
from holdfast.rng import Rng
from holdfast.runtime import environment, threads
from holdfast.threat import Status

SECONDS = 60.0  # of attacks, where no number of points is asked for
LEAST = 5  # points, even if they take up to LONGEST
LONGEST = 1800.0  # seconds, before the verifier is asked
ROUNDING = 0.01  # share of the survivors that a search on other hardware may break
CHANCE = 0.025  # probability below which that share does not explain the breaks


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The outcome of attacking survivors again.

    again: points that were attacked, drawn at random. of: points that the claim calls unbroken and
    that its goal concerns. broken: those that broke, on other hardware or in other batches than the
    claim's. seed: of their draw.
    """

    again: int
    of: int
    seed: int
    broken: int = 0

    def and_of(self, again: int, broken: int) -> Replay:
        """Return the outcome of these and so many more."""
        return replace(self, again=self.again + again, broken=self.broken + broken)

    @property
    def hidden(self) -> int:
        """The number of survivors at most, with 95 % confidence, that would break."""
        return most_hidden(self.of, self.again, self.broken)

    def __str__(self) -> str:
        most = 100 * self.hidden / max(self.of, 1)
        broken = (
            f" {self.broken:,} of them broke, no more than rounding on other hardware explains."
            if self.broken
            else ""
        )
        return (
            f"{self.again:,} of {self.of:,} attacked again: with 95 % confidence at most "
            f"{most:.1f} % of the {self.of:,} were hidden (points drawn with replay seed "
            f"{self.seed}).{broken}"
        )


def replay_some(
    claim: Claim,
    setup: EvaluationSetup,
    count: int | None = None,
    seed: int | None = None,
    *,
    quiet: bool = False,
) -> Replay | None:
    """Run the suite again on some random survivors; None where there are none.

    count: on so many; None: on as many as a minute allows, and on five at least. seed: of the
    choice, by default from the operating system's entropy.

    Raises VerificationError if a point breaks now. Where the hardware, the versions or the shape of
    the batches are not the claim's, a few may. Also where no number is asked for and five points
    would take too long: the suite is the claim's choice.
    """
    seed = secrets.randbits(63) if seed is None else seed
    statuses = claim.per_example["status"]
    kept = [
        k
        for k, (status, here) in enumerate(zip(statuses, concerned(claim, setup), strict=True))
        if here and status == Status.UNBROKEN
    ]
    if not kept:
        return None
    drawn = setup.positions[torch.tensor(kept)]
    drawn = drawn[Rng(seed, setup.data.ids[drawn]).fold("replay").uniform().argsort(stable=True)]
    limit = math.inf if count is not None else LONGEST
    found, stuck = Replay(again=0, of=len(drawn), seed=seed), Counter[str]()
    try:
        with (
            threads(claim.document["threads"]),
            counting(
                "attacking survivors again", count and min(count, len(drawn)), "points", quiet=quiet
            ) as step,
            at_most(limit),
        ):
            shaped = setup if count is not None else _affordable(setup, len(drawn))
            alike = shaped.batch_size == setup.batch_size and _is_like(claim, setup)
            for part in _parts(drawn, shaped.batch_size, count):
                examples = _attack(shaped, part)
                lost = [e for e in examples if e.status is not Status.UNBROKEN]
                found = found.and_of(len(part), len(lost))
                failed = any(e.status is Status.FAILED for e in lost)
                if lost and (alike or failed or _is_much(found)):
                    raise _too_high(lost[0])
                stuck.update(n for e in examples for n, s in e.seen.items() if s == Status.FAILED)
                if alike:
                    _check_stuck(claim, stuck)
                step(len(part))
    except OutOfTime:
        if found.again < LEAST:
            raise _too_long(limit) from None
    return found


def _parts(drawn: Tensor, size: int, count: int | None) -> Iterator[Tensor]:
    """Yield the next points to attack: so many, or batches for as long as the time allows.

    The end depends on the clock alone, not on the outcomes, so the bound on hidden breaks holds.
    """
    if count is not None:
        if count:
            yield from drawn[:count].split(size)
        return
    began, longest, done = time.perf_counter(), 0.0, 0
    for part in drawn.split(size):
        spent = time.perf_counter() - began
        if done >= LEAST and spent + longest > SECONDS:
            return
        yield part
        longest = max(longest, time.perf_counter() - began - spent)
        done += len(part)


def _affordable(setup: EvaluationSetup, survivors: int) -> EvaluationSetup:
    """Return the setup with batches so small that one of them takes no longer than allowed.

    That changes the last digits of the logits, and so the outcome of a search: only where
    a batch of the claim's own shape takes too long. Raises VerificationError where the smallest
    takes hours: the suite of a claim may be more than anybody can repeat.
    """
    expected = _expected(setup)
    if expected <= SECONDS:
        return setup
    fewer = max(int(setup.batch_size * SECONDS / expected), LEAST)
    smaller = replace(setup, batch_size=min(fewer, setup.batch_size))
    batches = -(-min(LEAST, survivors) // smaller.batch_size)
    needed = batches * _expected(smaller)
    if needed > LONGEST:
        raise _too_long(needed)
    return smaller


def _expected(setup: EvaluationSetup) -> float:
    """Return the seconds of one batch; infinite where the first few passes take too long."""
    try:
        with at_most(LONGEST / 10):
            return sum((forecast(setup) or {}).values())
    except OutOfTime:
        return math.inf


def _attack(setup: EvaluationSetup, positions: Tensor) -> list[Example]:
    """Run the whole suite on the examples at `positions`."""
    with TemporaryDirectory() as folder:
        cascade = Cascade(replace(setup, exhaustive=False), Ledger(Path(folder)))
        return cascade.run(positions)[0]


def _too_long(seconds: float) -> VerificationError:
    needed = f"more than {seconds / 60:,.0f} minutes" if seconds < math.inf else "too long"
    return VerificationError(
        f"attacking {LEAST} survivors again, as the claim says that its suite did, takes {needed}: "
        "replay as many as you can wait for, or 0 to take the unbroken points on trust"
    )


def _is_like(claim: Claim, setup: EvaluationSetup) -> bool:
    """Return True if floating-point results are those of the claim, to the last digit."""
    document = claim.document
    known: Mapping[str, object] = document["environment"]
    same_device = str(document["device"]).partition(":")[0] == setup.device.type
    return same_device and dict(known) == environment()


def _check_stuck(claim: Claim, stuck: Counter[str]) -> None:
    """Refuse a claim that leaves out where its attacks could not move: they were blind there."""
    said = {bar["name"]: bar["failed"] for bar in claim.document["waterfall"]}
    for name, count in stuck.items():
        if count > said[name]:
            raise VerificationError(
                f"replaying the suite, {name} cannot move on {count:,} points, the claim says "
                f"{said[name]:,}"
            )


def _is_much(found: Replay) -> bool:
    """Return True if more broke than rounding on other hardware explains."""
    return at_least(found.broken, found.again, ROUNDING) < CHANCE


def _too_high(example: Example) -> VerificationError:
    by = example.broken_by or "no attack could work"
    return VerificationError(
        f"replaying the suite finds example {example.id} {example.status.value} ({by}), the claim "
        "calls it unbroken: the claim is too high"
    )
