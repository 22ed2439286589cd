"""The attacks of five other libraries, each as its documentation shows, with the budget for steps.

A step of most is one forward and one backward pass, hence budget / 2 of them; a search over the
constant of Carlini and Wagner's and the elastic net's attacks has `SEARCHES` values. What goes on
beyond its budget is cut off by the model, as everybody's.

Libraries that are not installed are left out, and the result says so. adv-lib imports torchvision
for its LPIPS distance and visdom for its logs, which nothing here uses: where they are not
installed, empty modules stand in for them.
"""

from __future__ import annotations

import importlib
import math
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from contestants import CLASSES, Contestant, Run, Task, searched
from torch import Tensor, nn

LIBRARIES = {
    "adv-lib": "adv_lib.attacks",
    "foolbox": "foolbox",
    "ART": "art.attacks.evasion",
    "torchattacks": "torchattacks",
    "cleverhans": "cleverhans.torch",
}
PACKAGES = {
    "adv-lib": "adv-lib",
    "foolbox": "foolbox",
    "ART": "adversarial-robustness-toolbox",
    "torchattacks": "torchattacks",
    "cleverhans": "cleverhans",
}
SEARCHES = 6
CLASSWISE = 6  # FAB asks for the gradient of every class: two passes become twelve
INF = math.inf
STEP = 0.1  # of the radius, for PGD and its like, here and at ours


def peer_pool() -> tuple[list[Contestant], dict[str, str]]:
    """Return the attacks of the libraries that import, and why the others do not."""
    found, missing = [], {}
    for library, module in LIBRARIES.items():
        if library == "adv-lib":
            stand_in()
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001  # whatever a peer does wrong is its result
            missing[library] = f"{type(error).__name__}: {error}"
            continue
        found += POOLS[library]()
    return found, missing


def stand_in() -> None:
    """Let adv-lib import without torchvision and visdom."""
    for name, parts in (("torchvision", ["models"]), ("visdom", [])):
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001  # not there, or not made for this PyTorch
            empty: Any = types.ModuleType(name)
            empty.Visdom = object
            sys.modules[name] = empty
            for part in parts:
                setattr(empty, part, types.ModuleType(f"{name}.{part}"))
                sys.modules[f"{name}.{part}"] = getattr(empty, part)


def adv_lib() -> list[Contestant]:
    import adv_lib.attacks as lib

    def call(name: str, **given: Any) -> Callable[[Task, int], Tensor]:
        attack = getattr(lib, name)
        return lambda task, steps: attack(task.model, task.x, task.y, **_steps(given, steps))

    def fixed(name: str, classes: int = 1, **given: Any) -> Run:
        attack = getattr(lib, name)

        def run(task: Task, radius: Tensor, budget: int) -> Tensor:
            steps = max(budget // 2 // classes - 1, 1)
            arguments = _steps(given, steps) | _normed(name, task.norm)
            return attack(task.model, task.x, task.y, radius, **arguments)

        return searched(run)

    every, convex = (0.0, 1.0, 2.0, INF), (1.0, 2.0, INF)
    made = [
        _half("adv-lib", "FMN", every, lambda t, k: _normed_call(lib.fmn, t, steps=k)),
        _half("adv-lib", "PDPGD", every, lambda t, k: _normed_call(lib.pdpgd, t, num_steps=k)),
        _half(
            "adv-lib", "FAB", convex, lambda t, k: _normed_call(lib.fab, t, n_iter=k // CLASSWISE)
        ),
        _half(
            "adv-lib", "TR", (2.0, INF), lambda t, k: lib.tr(t.model, t.x, t.y, iter=k, p=t.norm)
        ),
        _half(
            "adv-lib",
            "TR adaptive",
            (2.0, INF),
            lambda t, k: lib.tr(t.model, t.x, t.y, iter=k, adaptive=True, p=t.norm),
        ),
        _half("adv-lib", "DeepFool", (2.0, INF), lambda t, k: _normed_call(lib.df, t, steps=k)),
        _half("adv-lib", "DDN", (2.0,), call("ddn", steps=0, levels=None)),
        _half("adv-lib", "DDN 256 levels", (2.0,), call("ddn", steps=0)),
        _half("adv-lib", "PDGD", (2.0,), call("pdgd", num_steps=0)),
        _half("adv-lib", "ALMA", (2.0,), call("alma", num_steps=0, distance="l2")),
        _half("adv-lib", "ALMA", (1.0,), call("alma", num_steps=0, distance="l1")),
        _half("adv-lib", "SuperDeepFool", (2.0,), call("sdf", steps=0)),
        _half("adv-lib", "sigma-zero", (0.0,), call("sigma_zero", num_steps=0)),
        _half("adv-lib", "VFGA", (0.0,), lambda t, _: lib.vfga(t.model, t.x, t.y, False)),
        _half(
            "adv-lib",
            "C&W",
            (2.0,),
            lambda t, k: lib.carlini_wagner_l2(
                t.model, t.x, t.y, binary_search_steps=SEARCHES, max_iterations=k // SEARCHES
            ),
        ),
        _half("adv-lib", "C&W Linf", (INF,), call("carlini_wagner_linf", max_iterations=0)),
    ]
    searches = [
        ("APGD dlr", convex, fixed("apgd", n_iter=0)),
        ("APGD ce", convex, fixed("apgd", n_iter=0, loss_function="ce")),
        ("APGD-T", convex, fixed("apgd_targeted", CLASSES, n_iter=0, num_targets=CLASSES)),
        ("PGD ce", (INF,), fixed("pgd_linf", steps=0)),
        ("PGD dlr", (INF,), fixed("pgd_linf", steps=0, loss_function="dlr")),
    ]
    return made + [Contestant("adv-lib", *rest, kind="search") for rest in searches]


def foolbox() -> list[Contestant]:
    import foolbox as library

    lib = library.attacks

    def minimum(attack: Any) -> Callable[[Task, int], Tensor]:
        return lambda t, k: attack(k)(_foolbox(library, t), t.x, t.y, epsilons=None)[0]

    def fixed(kinds: dict[float, Any], **given: Any) -> Run:
        def run(task: Task, radius: Tensor, budget: int) -> Tensor:
            attack = kinds[task.norm](steps=max(budget // 2, 1), rel_stepsize=STEP, **given)
            model, eps = _foolbox(library, task), float(radius[0])
            return attack(model, task.x, task.y, epsilons=eps)[1]

        return searched(run, alone=True)

    fmn = {0.0: lib.L0FMNAttack, 1.0: lib.L1FMNAttack, 2.0: lib.L2FMNAttack, INF: lib.LInfFMNAttack}
    made = [
        _half("foolbox", "FMN", (norm,), minimum(lambda k, cls=cls: cls(steps=k)))
        for norm, cls in fmn.items()
    ]
    made += [
        _half("foolbox", "DDN", (2.0,), minimum(lambda k: lib.DDNAttack(steps=k))),
        _half("foolbox", "DeepFool", (2.0,), minimum(lambda k: lib.L2DeepFoolAttack(steps=k))),
        _half("foolbox", "DeepFool", (INF,), minimum(lambda k: lib.LinfDeepFoolAttack(steps=k))),
        _half(
            "foolbox",
            "C&W",
            (2.0,),
            minimum(
                lambda k: lib.L2CarliniWagnerAttack(
                    binary_search_steps=SEARCHES, steps=max(k // SEARCHES, 1)
                )
            ),
        ),
        _half(
            "foolbox",
            "EAD",
            (1.0,),
            minimum(
                lambda k: lib.EADAttack(
                    binary_search_steps=SEARCHES, steps=max(k // SEARCHES, 1), decision_rule="L1"
                )
            ),
        ),
        _half(
            "foolbox", "salt and pepper", (0.0,), minimum(lambda _: lib.SaltAndPepperNoiseAttack())
        ),
        _half("foolbox", "BB", (0.0,), minimum(lambda k: lib.L0BrendelBethgeAttack(steps=k))),
        _half("foolbox", "BB", (1.0,), minimum(lambda k: lib.L1BrendelBethgeAttack(steps=k))),
        _half("foolbox", "BB", (2.0,), minimum(lambda k: lib.L2BrendelBethgeAttack(steps=k))),
        _half(
            "foolbox", "BB", (INF,), minimum(lambda k: lib.LinfinityBrendelBethgeAttack(steps=k))
        ),
    ]
    pgd = {1.0: lib.L1PGD, 2.0: lib.L2PGD, INF: lib.LinfPGD}
    bim = {
        1.0: lib.L1BasicIterativeAttack,
        2.0: lib.L2BasicIterativeAttack,
        INF: lib.LinfBasicIterativeAttack,
    }
    convex = (1.0, 2.0, INF)
    made += [
        Contestant("foolbox", "PGD", convex, fixed(pgd), "search, one radius a call"),
        Contestant("foolbox", "BIM", convex, fixed(bim), "search, one radius a call"),
    ]
    return made


def art() -> list[Contestant]:
    import art.attacks.evasion as lib

    def minimum(make: Callable[[Any, int, int], Any]) -> Callable[[Task, int], Tensor]:
        return lambda t, k: _art(make(_estimator(t), k, len(t.x)), t)

    def fixed(name: str, step: float = STEP, passes: int = 2, **given: Any) -> Run:
        def run(task: Task, radius: Tensor, budget: int) -> Tensor:
            eps = float(radius[0])
            attack = getattr(lib, name)(
                _estimator(task),
                norm=task.norm,
                eps=eps,
                eps_step=step * eps,
                max_iter=max(budget // passes, 1),
                batch_size=len(task.x),
                verbose=False,
                **given,
            )
            return _art(attack, task)

        return searched(run, alone=True)

    alone = "search, one radius a call"
    convex = (1.0, 2.0, INF)
    search = {"verbose": False}
    cw = {"binary_search_steps": SEARCHES, **search}
    one: dict[str, Any] = {"nb_random_init": 1, "step": 2.0, "passes": 5}  # it looks again often
    return [
        Contestant("ART", "PGD", convex, fixed("ProjectedGradientDescentPyTorch"), alone),
        Contestant("ART", "APGD", convex, fixed("AutoProjectedGradientDescent", **one), alone),
        Contestant("ART", "ACG", (2.0, INF), fixed("AutoConjugateGradient", **one), alone),
        _half(
            "ART",
            "C&W",
            (2.0,),
            minimum(
                lambda e, k, n: lib.CarliniL2Method(
                    e, max_iter=max(k // SEARCHES, 1), batch_size=n, **cw
                )
            ),
        ),
        _half(
            "ART",
            "C&W Linf",
            (INF,),
            minimum(lambda e, k, n: lib.CarliniLInfMethod(e, max_iter=k, batch_size=n, **search)),
        ),
        _half(
            "ART",
            "elastic net",
            (1.0,),
            minimum(
                lambda e, k, n: lib.ElasticNet(
                    e, max_iter=max(k // SEARCHES, 1), batch_size=n, decision_rule="L1", **cw
                )
            ),
        ),
        _half(
            "ART",
            "DeepFool",
            (2.0,),
            minimum(
                lambda e, k, n: lib.DeepFool(e, max_iter=k, epsilon=0.02, batch_size=n, **search)
            ),
        ),
    ]


def torchattacks() -> list[Contestant]:
    import torchattacks as lib

    names = {1.0: "L1", 2.0: "L2", INF: "Linf"}

    def fixed(make: Callable[[Task, Any, int], Any]) -> Run:
        def run(task: Task, radius: Tensor, budget: int) -> Tensor:
            return make(task, float(radius[0]), max(budget // 2, 1))(task.x, task.y)

        return searched(run, alone=True)

    def minimum(make: Callable[[Task, int], Any]) -> Callable[[Task, int], Tensor]:
        return lambda t, k: make(t, k)(t.x, t.y)

    alone = "search, one radius a call"
    return [
        Contestant(
            "torchattacks",
            "PGD",
            (INF,),
            fixed(lambda t, e, k: lib.PGD(t.model, eps=e, alpha=STEP * e, steps=k)),
            alone,
        ),
        Contestant(
            "torchattacks",
            "PGDL2",
            (2.0,),
            fixed(lambda t, e, k: lib.PGDL2(t.model, eps=e, alpha=STEP * e, steps=k)),
            alone,
        ),
        Contestant(
            "torchattacks",
            "APGD dlr",
            (2.0, INF),
            fixed(lambda t, e, k: lib.APGD(t.model, names[t.norm], e, k, loss="dlr")),
            alone,
        ),
        _half(
            "torchattacks",
            "FAB",
            (1.0, 2.0, INF),
            minimum(lambda t, k: lib.FAB(t.model, names[t.norm], eps=1e6, steps=k // CLASSWISE)),
        ),
        _half("torchattacks", "C&W", (2.0,), minimum(lambda t, k: lib.CW(t.model, steps=k))),
        _half(
            "torchattacks",
            "EADL1",
            (1.0,),
            minimum(
                lambda t, k: lib.EADL1(
                    t.model, binary_search_steps=SEARCHES, max_iterations=max(k // SEARCHES, 1)
                )
            ),
        ),
        _half("torchattacks", "DeepFool", (2.0,), minimum(lambda t, k: lib.DeepFool(t.model, k))),
        _half("torchattacks", "SparseFool", (0.0,), minimum(lambda t, _: lib.SparseFool(t.model))),
        _half("torchattacks", "JSMA", (0.0,), minimum(lambda t, _: lib.JSMA(t.model))),
    ]


def cleverhans() -> list[Contestant]:
    from cleverhans.torch.attacks.carlini_wagner_l2 import carlini_wagner_l2
    from cleverhans.torch.attacks.projected_gradient_descent import projected_gradient_descent
    from cleverhans.torch.attacks.sparse_l1_descent import sparse_l1_descent

    def pgd(t: Task, radius: Tensor, budget: int) -> Tensor:
        eps, steps = float(radius[0]), max(budget // 2, 1)
        limits: dict[str, Any] = {"clip_min": 0.0, "clip_max": 1.0, "y": t.y}
        return projected_gradient_descent(
            t.model, t.x, eps, STEP * eps, steps, _ch_norm(t.norm), **limits
        )

    def sparse(t: Task, radius: Tensor, budget: int) -> Tensor:
        eps, steps = float(radius[0]), max(budget // 2, 1)
        limits: dict[str, Any] = {"clip_min": 0.0, "clip_max": 1.0, "y": t.y}
        return sparse_l1_descent(t.model, t.x, eps, STEP * eps, steps, **limits)

    alone = "search, one radius a call"
    return [
        Contestant("cleverhans", "PGD", (2.0, INF), searched(pgd, alone=True), alone),
        Contestant("cleverhans", "SLIDE", (1.0,), searched(sparse, alone=True), alone),
        _half(
            "cleverhans",
            "C&W",
            (2.0,),
            lambda t, k: carlini_wagner_l2(
                t.model,
                t.x,
                10,
                t.y,
                lr=1e-2,
                binary_search_steps=SEARCHES,
                max_iterations=max(k // SEARCHES, 1),
            ),
        ),
    ]


POOLS: dict[str, Callable[[], list[Contestant]]] = {
    "adv-lib": adv_lib,
    "foolbox": foolbox,
    "ART": art,
    "torchattacks": torchattacks,
    "cleverhans": cleverhans,
}


def _half(
    pool: str, name: str, norms: tuple[float, ...], run: Callable[[Task, int], Tensor]
) -> Contestant:
    """Return a minimum-norm attack that gets budget / 2 steps."""
    return Contestant(pool, name, norms, lambda task: run(task, max(task.budget // 2, 1)))


def _steps(given: dict[str, Any], steps: int) -> dict[str, Any]:
    """Return the arguments with the number of steps in the place of 0."""
    return {key: steps if value == 0 and key != "norm" else value for key, value in given.items()}


def _normed(name: str, norm: float) -> dict[str, Any]:
    return {} if name == "pgd_linf" else {"norm": norm}


def _normed_call(attack: Any, task: Task, **given: Any) -> Tensor:
    return attack(task.model, task.x, task.y, norm=task.norm, **given)


def _foolbox(library: Any, task: Task) -> Any:
    return library.PyTorchModel(task.model, bounds=(0, 1), device="cpu")


def _ch_norm(norm: float) -> float:
    return float(np.inf) if norm == INF else 2


def _estimator(task: Task) -> Any:
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(
        task.model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(task.x.shape[1:]),
        nb_classes=10,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


def _art(attack: Any, task: Task) -> Tensor:
    return torch.from_numpy(np.asarray(attack.generate(task.x.numpy(), task.y.numpy())))
