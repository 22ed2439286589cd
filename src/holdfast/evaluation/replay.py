"""Run a claim's suite again on some of the points that it calls unbroken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from holdfast.claims import Claim, Ledger
from holdfast.errors import VerificationError
from holdfast.evaluation.cascade import Cascade
from holdfast.evaluation.proof import chosen
from holdfast.evaluation.setting import Setting
from holdfast.runtime import threads
from holdfast.threat import Status


def replay_some(claim: Claim, setting: Setting, count: int) -> int:
    """Return on how many random unbroken points the suite ran again and found nothing.

    The batches have the claim's shape and the thread count is the claim's, so on like hardware the
    attacks do what they did. Raises VerificationError if they break a point now.
    """
    statuses = claim.per_example["status"]
    kept = torch.tensor([k for k, s in enumerate(statuses) if s == Status.UNBROKEN])
    if not len(kept):
        return 0
    kept = kept[chosen(setting.seed, setting.positions[kept], count, "replay")]
    with TemporaryDirectory() as folder, threads(claim.document["threads"]):
        cascade = Cascade(replace(setting, exhaustive=False), Ledger(Path(folder)), _silent)
        for part in setting.positions[kept].split(setting.batch_size):
            for example in cascade.run(part)[0]:
                if example.status is not Status.UNBROKEN:
                    raise VerificationError(
                        f"replaying the suite finds example {example.id} {example.status.value} "
                        f"({example.broken_by or 'no attack could work'}), the claim calls it "
                        "unbroken: the claim is too high"
                    )
    return len(kept)


def _silent(member: str, examples: int) -> None:
    """Show nothing."""
