"""The objective: passes are counted, knowledge is structural, models come back as they were."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from holdfast.attacks import APGD, PGD, Square
from holdfast.errors import InputError, Unsupported
from holdfast.logits import best_other, of_class, tolerance
from holdfast.losses import KL, CrossEntropy, Margin
from holdfast.objective import BudgetSpent, Objective
from holdfast.rng import Rng
from holdfast.spaces import Linf
from holdfast.threat import Knowledge, Targeted, ThreatModel

AT = Rng(0, torch.arange(5))
SPACE = Linf(eps=0.1)


class Counted(nn.Module):
    """A small network that counts the examples that pass it, each way."""

    def __init__(self, classes=4, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.net = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, classes)
        )
        self.forward_passes = 0
        self.backward_passes = 0

    def forward(self, x):
        self.forward_passes += len(x)
        if x.requires_grad:
            x.register_hook(self._back)
        return self.net(x)

    def _back(self, grad):
        self.backward_passes += len(grad)


def case(knowledge=Knowledge.GRADIENT, n=5, **more):
    torch.manual_seed(1)
    x, y = torch.rand(n, 6), torch.randint(4, (n,))
    net = Counted().eval()
    queries = more.pop("queries", None)
    threat = ThreatModel(
        SPACE, knowledge=knowledge, queries=queries, goal=more.pop("goal", ThreatModel(SPACE).goal)
    )
    return net, Objective(threat, net, x, y, **more)


def test_a_score_is_one_forward_pass():
    net, objective = case()
    score = objective.score(objective.x, AT)
    logits = net(objective.x)
    with torch.no_grad():
        assert torch.equal(score.harm, Margin().away(logits, objective.y))
        pair = best_other(logits, objective.y), of_class(logits, objective.y)
        assert torch.equal(score.tie, tolerance(*pair))
    assert torch.equal(score.loss, score.harm)  # the default loss
    assert objective.cost.forward.tolist() == [1] * 5
    assert objective.cost.queries.tolist() == [1] * 5


def test_a_climb_is_one_pass_each_way_and_the_gradient_of_the_loss():
    net, objective = case()
    with objective.frozen():
        z = objective.x.clone().requires_grad_()
        score, grad = objective.using(CrossEntropy()).value_and_grad(z, z, AT)
        x = objective.x.clone().requires_grad_()
        (expected,) = torch.autograd.grad(
            nn.functional.cross_entropy(net.net(x), objective.y, reduction="sum"), x
        )
    assert torch.allclose(grad, expected)
    assert not score.harm.requires_grad
    assert (net.forward_passes, net.backward_passes) == (5, 5)
    assert [int(part.sum()) for part in objective.cost] == [5, 5, 5]


def test_views_count_in_the_same_meter():
    _, objective = case()
    view = objective.take(torch.tensor([1, 3]))
    inner = view.take(torch.tensor([1])).using(CrossEntropy())
    view.score(view.x, AT)
    inner.score(inner.x, AT)
    assert torch.equal(view.x, objective.x[[1, 3]])
    assert torch.equal(inner.y, objective.y[[3]])
    assert objective.cost.forward.tolist() == [0, 1, 0, 2, 0]
    assert view.cost.forward.tolist() == [1, 2]
    assert inner.cost.forward.tolist() == [2]
    objective.score(objective.x, AT)
    assert view.cost.forward.tolist() == [2, 3]


def test_views_carry_targets_steering_and_reference():
    _, objective = case()
    ranked = objective.ranked(1)
    steered = objective.towards(ranked)
    whole = steered.using(CrossEntropy()).score(objective.x, AT).loss
    part = steered.using(CrossEntropy()).take(torch.tensor([4, 0]))
    assert torch.allclose(part.score(part.x, AT).loss, whole[[4, 0]])
    assert objective.cost.forward.tolist() == [3, 2, 2, 2, 3]
    part.reference()  # known already
    assert objective.cost.forward.tolist() == [3, 2, 2, 2, 3]


def test_the_reference_costs_one_pass_however_many_views_ask():
    net, objective = case()
    for _ in range(3):
        objective.using(KL()).score(objective.x, AT)
    objective.ranked(2)
    assert net.forward_passes == 4 * 5
    assert objective.cost.forward.tolist() == [4] * 5
    assert objective.num_classes == 4


def test_ranks_order_the_wrong_classes():
    net, objective = case()
    with torch.no_grad():
        logits = net(objective.x)
    logits[torch.arange(5), objective.y] = -torch.inf
    order = logits.argsort(1, descending=True)
    for rank in (1, 2, 3):
        assert torch.equal(objective.ranked(rank), order[:, rank - 1])


def test_scores_have_no_gradient_under_score_knowledge():
    _, objective = case(Knowledge.SCORE)
    z = objective.x.clone().requires_grad_()
    assert not objective.score(z, AT).loss.requires_grad
    _, grad = objective.value_and_grad(z, z, AT)
    assert not bool(grad.any())
    assert objective.cost.backward.tolist() == [0] * 5


def test_labels_alone_are_granted_under_decision():
    net, objective = case(Knowledge.DECISION)
    with pytest.raises(Unsupported, match="scores are not granted under decision knowledge"):
        objective.score(objective.x, AT)
    with pytest.raises(Unsupported):
        objective.reference()
    labels = objective.labels(objective.x, AT)
    with torch.no_grad():
        assert torch.equal(labels, net(objective.x).argmax(1))
    assert objective.cost.queries.tolist() == [1] * 5


def test_nothing_is_granted_under_transfer():
    _, objective = case(Knowledge.TRANSFER)
    for ask in (objective.score, objective.labels):
        with pytest.raises(Unsupported, match="under transfer knowledge"):
            ask(objective.x, AT)
    assert int(objective.cost.forward.sum()) == 0


def test_under_transfer_the_search_model_is_the_attackers_own_and_the_judge_is_silent():
    judge = Counted(seed=9).eval()
    net, objective = case(Knowledge.TRANSFER, judge=judge)
    with pytest.raises(Unsupported, match="labels are not granted under transfer knowledge"):
        objective.labels(objective.x, AT)
    assert not objective.grants(Knowledge.DECISION)
    found = PGD(steps=3)(objective, SPACE.around(objective.x), AT)
    assert (net.forward_passes, net.backward_passes) == (4 * 5, 3 * 5)
    assert (judge.forward_passes, judge.backward_passes) == (5, 0)  # the evaluator's own look
    assert objective.cost.queries.tolist() == [0] * 5
    with torch.no_grad():
        assert torch.equal(found.harm, Margin().away(judge(found.x_adv), objective.y))


@pytest.mark.parametrize(
    ("attack", "knowledge"), [(PGD(), "score"), (APGD(), "decision"), (Square(), "decision")]
)
def test_an_attack_that_needs_more_than_is_granted_is_refused(attack, knowledge):
    _, objective = case(Knowledge(knowledge))
    with pytest.raises(
        Unsupported, match=f"needs .* knowledge, the threat model grants {knowledge}"
    ) as error:
        attack(objective, SPACE.around(objective.x), AT)
    assert "use one of" in str(error.value)
    if knowledge == "score":
        assert "square" in str(error.value)
    assert int(objective.cost.forward.sum()) == 0


def test_the_budget_of_queries_ends_a_search_quietly():
    net, objective = case(Knowledge.SCORE, queries=7)
    found = Square(queries=50)(objective, SPACE.around(objective.x), AT)
    assert objective.cost.queries.tolist() == [7] * 5
    assert net.forward_passes == 35
    assert bool(found.harm.isfinite().all())
    with pytest.raises(BudgetSpent):
        objective.score(objective.x, AT)
    again = Square(queries=50)(objective, SPACE.around(objective.x), AT)
    assert [str(status) for status in again.status] == ["failed"] * 5
    assert again.cost.forward.tolist() == [0] * 5


def test_the_evaluators_verdict_is_no_query():
    _, objective = case(Knowledge.SCORE, queries=1)
    objective.score(objective.x, AT)
    verdict = objective.verdict(objective.x)
    assert not verdict.loss.requires_grad
    assert objective.cost.queries.tolist() == [1] * 5
    assert objective.cost.forward.tolist() == [2] * 5


def test_search_and_judge_are_two_models():
    judge = Counted(seed=9)
    net, objective = case(judge=judge)
    found = PGD(steps=3)(objective, SPACE.around(objective.x), AT)
    assert (net.forward_passes, judge.forward_passes) == (4 * 5, 5)
    with torch.no_grad(), objective.frozen():
        assert torch.allclose(found.harm, Margin().away(judge(found.x_adv), objective.y))
    assert objective.cost.queries.tolist() == [0] * 5


class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5), nn.BatchNorm1d(4))
        self.inner[1].eval()
        self.inner[0].bias.requires_grad_(False)

    def forward(self, x):
        raise RuntimeError("out of luck")


def test_frozen_restores_modes_and_flags_also_on_exceptions():
    net = Raises().train()
    net.inner[1].eval()
    objective = Objective(
        ThreatModel(SPACE), net, torch.rand(5, 6), torch.zeros(5, dtype=torch.long)
    )

    def flags():
        modes = [module.training for module in net.modules()]
        return (
            modes,
            [p.requires_grad for p in net.parameters()],
            [p.grad for p in net.parameters()],
        )

    before = flags()
    with pytest.raises(RuntimeError, match="out of luck"):
        PGD(steps=2)(objective, SPACE.around(objective.x), AT)
    assert flags() == before
    with objective.frozen(), objective.frozen():
        assert not any(module.training for module in net.modules())
        assert not any(p.requires_grad for p in net.parameters())
    assert flags() == before


def test_an_attack_leaves_weights_statistics_and_gradients_alone():
    net, objective = case()
    net.train()
    for p in net.parameters():
        p.grad = torch.full_like(p, 3.0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    PGD(steps=3)(objective, SPACE.around(objective.x), AT)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(bool((p.grad == 3).all()) for p in net.parameters())
    assert all(module.training for module in net.modules())


def test_targets_come_from_the_goal_or_from_the_caller():
    _, objective = case(goal=Targeted(to=2))
    assert objective.targets.tolist() == [2] * 5
    _, objective = case(goal=Targeted(), targets=torch.tensor([0, 1, 2, 3, 0]))
    assert objective.score(objective.x, AT).harm.shape == (5,)
    _, objective = case(goal=Targeted())
    with pytest.raises(InputError, match="a targeted goal needs targets"):
        objective.score(objective.x, AT)


def test_logits_that_are_not_finite_say_nothing_unless_a_wrong_class_has_infinity():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.tensor(
                [[torch.inf, 0, 0], [0, torch.nan, 0], [torch.inf, 0, 1], [1.0, 2, 3]]
            )

    y = torch.tensor([1, 0, 0, 0])
    objective = Objective(ThreatModel(SPACE), Odd(), torch.rand(4, 6), y)
    score = objective.score(objective.x, AT)
    assert score.harm.isnan().tolist() == [False, True, True, False]
    assert score.harm[0] == torch.inf
    found = Square(queries=3)(objective, SPACE.around(objective.x), Rng(0, torch.arange(4)))
    assert [str(status) for status in found.status] == ["broken", "failed", "failed", "broken"]


def test_half_precision_logits_are_judged_in_float32():
    class Half(nn.Module):
        def forward(self, x):
            return x[:, :3].to(torch.bfloat16)

    objective = Objective(
        ThreatModel(SPACE), Half(), torch.rand(4, 6), torch.zeros(4, dtype=torch.long)
    )
    assert objective.score(objective.x, AT).harm.dtype == torch.float32
