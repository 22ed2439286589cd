"""The transfer matrix: success of adversarial examples of one network on another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.attacks import Attack
from holdfast.claims.intervals import wilson
from holdfast.errors import InputError
from holdfast.inputs import as_columns, check_input
from holdfast.models import Model
from holdfast.models.adapter import differentiable
from holdfast.objective import Objective, Score
from holdfast.progress import counting
from holdfast.rng import Rng
from holdfast.threat import Knowledge, ThreatModel
from holdfast.units import BatchSize, Seed


@dataclass(frozen=True, repr=False)
class TransferMatrix:
    """Outcomes per example of x_adv made on each source and judged by each network.

    sources: (S,) names; judges: (T,) names. right: (T, N) bool, whom a judge gets right unchanged,
    beyond a tie.
    broken: (S, T, N) bool, whom x_adv made on a source breaks on a judge, beyond a tie.
    """

    sources: tuple[str, ...]
    judges: tuple[str, ...]
    right: Tensor
    broken: Tensor

    def __repr__(self) -> str:
        return f"<TransferMatrix, n={self.right.shape[1]:,}>\n{self.table()}"

    def rate(self, source: str, judge: str) -> tuple[float, float, float]:
        """Return the success among the examples that the judge gets right, with its interval.

        (share, low, high): 95 % Wilson; NaN where the judge gets none right.
        """
        i, j = self.sources.index(source), self.judges.index(judge)
        n = int(self.right[j].sum())
        if n == 0:
            return float("nan"), 0.0, 1.0
        hits = int((self.broken[i, j] & self.right[j]).sum())
        around = wilson(hits, n)
        return hits / n, around.low, around.high

    def table(self) -> str:
        """Return the rates as Markdown, a source a row: share [low, high] in per cent."""
        rows = [["made on", *self.judges], ["---"] * (len(self.judges) + 1)]
        rows += [
            [source, *(self._cell(source, judge) for judge in self.judges)]
            for source in self.sources
        ]
        right = (f"n = {int(good.sum())}" for good in self.right)
        rows.append(["right unchanged", *right])
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _cell(self, source: str, judge: str) -> str:
        share, low, high = (100 * value for value in self.rate(source, judge))
        return f"{share:.1f} [{low:.1f}, {high:.1f}]"


@checked
def transfer_matrix(
    attack: Attack,
    threat: ThreatModel,
    sources: Mapping[str, nn.Module],
    x: Tensor,
    y: Tensor,
    *,
    judges: Mapping[str, nn.Module] | None = None,
    seed: Seed = 0,
    batch_size: BatchSize = 128,
    quiet: bool = False,
) -> TransferMatrix:
    """Return the success on each judge of x_adv that `attack` makes on each source.

    threat: its set and its goal count. While x_adv is made, no network but its source is there.
    x: (N, ...) and y: (N,). judges: by default the sources; where a source is its own judge, that
    entry is a white-box attack.
    """
    sources = {name: differentiable(network) for name, network in sources.items()}
    judges = sources if judges is None else judges
    judges = {name: differentiable(network) for name, network in judges.items()}
    if not sources or not judges:
        raise InputError("a transfer matrix needs at least one source and one judge")
    check_input(x, y, threat.space.range)
    threat = replace(threat, knowledge=Knowledge.GRADIENT, queries=None)  # of one's own source
    right, broken = [], []
    batches = torch.arange(len(x)).split(batch_size)
    runs, passes = len(batches) * len(sources), attack.passes()[0]
    with counting("transfer matrix", runs, "batches", passes=passes, quiet=quiet) as step:
        for ids in batches:
            here = [Objective(threat, j, x[ids], _columns(j, y[ids])) for j in judges.values()]
            seen = [_verdict(judge, x[ids]) for judge in here]
            right.append(torch.stack([clean.harm < -clean.tie for clean in seen]))
            for source in sources.values():
                own = Objective(threat, source, x[ids], _columns(source, y[ids]))
                x_adv = attack(own, threat.space.around(x[ids]), Rng(seed, ids)).x_adv
                seen = [_verdict(judge, x_adv) for judge in here]
                broken.append(torch.stack([moved.harm > moved.tie for moved in seen]))
                step(1)
    rows = [torch.cat(broken[i :: len(sources)], 1) for i in range(len(sources))]
    return TransferMatrix(tuple(sources), tuple(judges), torch.cat(right, 1), torch.stack(rows))


def _columns(model: nn.Module, y: Tensor) -> Tensor:
    """Return (B,): the columns of a model that stand for the labels."""
    return as_columns(y, model.labels if isinstance(model, Model) else None)


def _verdict(judge: Objective, x_adv: Tensor) -> Score:
    with judge.frozen():
        return judge.verdict(x_adv)
