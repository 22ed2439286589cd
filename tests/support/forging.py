"""A forger: changes a claim as it likes, then makes every figure and digest fit again."""

from __future__ import annotations

import copy
import csv
import io
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from holdfast.claims import Claim, headline, write_claim
from holdfast.components import build, describe, digest
from holdfast.data import Examples
from holdfast.evaluation.record.claim_document import cost, per_class
from holdfast.evaluation.record.claim_files import in_gallery
from holdfast.evaluation.run.waterfall import Bar
from holdfast.evaluation.suites import Suite


class Forger:
    """Rewrites a claim: table, tensors and document, with digests that fit."""

    def __init__(self, claim: Claim, folder: Path) -> None:
        self.folder = folder
        self.document: dict[str, Any] = copy.deepcopy(dict(claim.document))
        self.files = {n: (claim.folder / n).read_bytes() for n in self.document["files"]}
        text = self.files["per_example.csv"].decode()
        self.rows = list(csv.DictReader(io.StringIO(text)))

    def row(self, status: str) -> dict[str, str]:
        return next(row for row in self.rows if row["status"] == status)

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        return load(self.files[name])

    def put(self, name: str, tensors: dict[str, torch.Tensor]) -> None:
        self.files[name] = save({k: v.contiguous() for k, v in tensors.items()})

    def set(self, row: dict[str, str], **cells: str) -> None:
        row.update(cells)

    def drop_evidence(self, *gone: int) -> None:
        """Take the counterexamples of these examples out of the evidence."""
        for name in [n for n in self.files if n.startswith("evidence-")]:
            tensors = self.tensors(name)
            keep = ~torch.isin(tensors["ids"], torch.tensor(gone))
            self.put(name, {k: v[keep] for k, v in tensors.items()})

    def hide(self, count: int) -> None:
        """Call so many broken examples unbroken; nothing in the folder tells them apart then."""
        for _ in range(count):
            row = self.row("broken")
            self.set(row, status="unbroken", size="", broken_by="")
            self.drop_evidence(int(row["id"]))

    def say_that_nothing_broke(self, suite: Suite) -> None:
        """Let another suite have run, at its full cost, and have broken nothing."""
        self.hide(sum(row["status"] == "broken" for row in self.rows))
        for name in [n for n in self.files if n.startswith(("evidence-", "gallery."))]:
            del self.files[name]
        members = suite.parts(5)
        plain = [
            {"name": m.name, "attack": describe(m.attack), "digest": digest(m.attack)}
            for m in members
        ]
        entry = {"name": suite.name, "digest": digest(suite), "definition": describe(suite)}
        self.document["suite"] |= {**entry, "members": plain}
        clean, bar = self.document["waterfall"][:2]
        empty = {"broken": 0, "marginal": 0, "failed": 0}
        bars = [{**bar, **empty, "name": member.name} for member in members]
        self.document["waterfall"] = [clean, *bars]

    def remake_gallery(self, net: nn.Module, data: Examples) -> None:
        """Show the pairs that the document's seed stands for."""
        broken = [int(row["id"]) for row in self.rows if row["status"] == "broken"]
        ids = torch.tensor(in_gallery(self.document["seed"], broken))
        shown = self.tensors("evidence-00000.safetensors")
        place = {i: k for k, i in enumerate(shown["ids"].tolist())}
        x_adv = shown["x_adv"][[place[i] for i in ids.tolist()]]
        x, y = data.select(ids).batch(torch.arange(len(ids))).x, data.select(ids).y
        with torch.no_grad():
            logits = {"logits": net(x), "logits_adv": net(x_adv)}
        self.put("gallery.safetensors", {"ids": ids, "y": y, "x": x, "x_adv": x_adv, **logits})

    def write(self, *, stages: bool = True) -> Path:
        """Make counts, sums and digests fit the table again; stages: the waterfall, too."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        self.files["per_example.csv"] = text.getvalue().encode()
        statuses = [row["status"] for row in self.rows]
        known = {*self.document["counts"], *statuses}
        counts = {key: statuses.count(key) for key in sorted(known)}
        self.document |= {"counts": counts, **headline(counts)}
        pairs = [(int(row["label"]), row["status"]) for row in self.rows]
        self.document["per_class"] = per_class(pairs, self.document["data"]["classes"])
        self.document["data"]["n"] = len(self.rows)
        if stages:
            self._stages(statuses)
        write_claim(self.folder, self.document, self.files)
        return self.folder

    def _stages(self, statuses: list[str]) -> None:
        """Let every stage see whom the ones before left, and pay for all of them in full."""
        clean, *bars = self.document["waterfall"]
        n, wrong = len(self.rows), statuses.count("clean-wrong")
        clean.update(entered=n, broken=wrong, forward=n)
        left = n - wrong
        broken = [row["broken_by"] for row in self.rows if row["status"] == "broken"]
        for bar, member in zip(bars, self.document["suite"]["members"], strict=True):
            forward, backward = build("attack", member["attack"]).passes()
            bar.update(entered=left, broken=broken.count(bar["name"]))
            bar.update(forward=left * (forward + 1), backward=left * backward, queries=left)
            left -= bar["broken"]
        self.document["cost"] = cost([Bar(**bar) for bar in self.document["waterfall"]])


def reforge(claim: Claim, folder: Path, change: Any) -> Path:
    """Change a claim's document, leave its table alone, and make the digests fit."""
    forger = Forger(claim, folder)
    change(forger.document)
    write_claim(folder, forger.document, forger.files)
    return folder
