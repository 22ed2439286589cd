"""The result of a re-check: what was proven about a claim, and what was taken on trust."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.claims import Accuracy, Claim, Signature, can_check
from holdfast.claims.contents import SHOWN
from holdfast.evaluation.recheck.replay import Replay
from holdfast.printable import printable
from holdfast.threat import Status


@dataclass(frozen=True, repr=False)
class Verification:
    """The outcome of a re-check: printing it says what was proven."""

    claim: Claim
    points: int  # whose clean prediction was recomputed
    counterexamples: int  # that are in the set, within range, and fool the model
    replay: Replay | None  # outcome of attacking survivors again; None: none were
    searched: bool = True  # the claim's surrogate, if it had one, was at hand
    signature: Signature | None = None  # of the claim's author
    key_checked: bool = False  # the signature was made with the key that the verifier gave
    trusted: tuple[str, ...] = ()  # statements that nothing at hand can prove

    @property
    def replayed(self) -> int:
        """The number of points on which the attacks ran again."""
        return self.replay.again if self.replay else 0

    @property
    def bound(self) -> Accuracy:
        """The robust accuracy that the counterexamples prove not to be exceeded."""
        statuses = self.claim.per_example["status"]
        gone = sum(status in (*SHOWN, Status.CLEAN_WRONG) for status in statuses)
        gone += self.replay.broken if self.replay else 0
        return Accuracy(len(statuses) - gone, len(statuses))

    def __str__(self) -> str:
        again = f" {self.replay}" if self.replay else " No survivor was attacked again."
        if not self.searched:
            again += (
                " The claim's surrogate was not at hand: the findings on gradients are "
                "the claim's word."
            )
        if self.signature is not None:
            again += f" It is {self.signature} ({self._trust()})."
        if self.trusted:
            again += f" Taken on trust: {'; '.join(self.trusted)}."
        within = self.claim.document["threat_sentence"]
        return printable(
            f"Verified: clean accuracy {self.claim.clean_accuracy} on {self.points:,} points, and "
            f"{self.counterexamples:,} counterexamples within {within}. "
            f"This proves that robust accuracy on these points is at most "
            f"{100 * self.bound.value:.1f} %; it cannot prove that nothing else breaks.{again}"
        )

    def __repr__(self) -> str:
        return f"<Verification of {printable(str(self.claim.folder))}: {self}>"

    def _trust(self) -> str:
        """Return how far the signature was checked."""
        if self.key_checked:
            return "the key that was given"
        if can_check():
            return "key not checked: pass the signer's public key to check it"
        return "neither signature nor key checked: pip install 'holdfast[sign]'"
