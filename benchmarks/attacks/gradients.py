"""The gradient attacks of a fixed radius that speed.py compares."""

from __future__ import annotations

from typing import Any

from pairs import (
    INF,
    LABELS,
    Pair,
    Rival,
    Run,
    Target,
    adv_lib,
    art,
    cleverhans,
    foolbox,
    named,
    ours,
)
from pairs import torchattacks as ta
from torch import Tensor

from holdfast.attacks import APGD, EOT, FGSM, PGD, RFGSM, Attack, EachTarget
from holdfast.losses import DLR, KL, CrossEntropy

STEP = 0.1  # of the radius
CLASSES = 3  # that a targeted attack tries
SAMPLES = 2  # passes of a look of EOT
CE = {"loss": CrossEntropy()}


def fixed_radius() -> list[Pair]:
    """Return the attacks of a fixed radius that another library has, too."""
    return [*one_step(), *iterated(), *transfer(), *auto()]


def _radius(name: str, norm: float, run: Run, *rivals: Rival) -> Pair:
    return Pair(name, norm, "gradient", "success", run, rivals)


def one_step() -> list[Pair]:
    def ch(norm: float) -> Rival:
        def run(t: Target, _: int) -> Tensor:
            from cleverhans.torch.attacks.fast_gradient_method import fast_gradient_method

            return fast_gradient_method(
                t.net, t.x, t.eps[norm], norm, clip_min=0.0, clip_max=1.0, y=t.y
            ).detach()

        return cleverhans(run)

    def fgsm(norm: float, *more: Rival) -> Pair:
        name = f"{LABELS[norm]}FastGradientAttack"
        return _radius(
            "fgsm",
            norm,
            ours(lambda _: FGSM(**CE), norm),
            foolbox(lambda lib, _: getattr(lib, name)(), norm),
            art(
                lambda lib, e, _, t: lib.FastGradientMethod(
                    e, norm=norm, eps=t.eps[norm], batch_size=len(t.x)
                )
            ),
            ch(norm),
            *more,
        )

    return [fgsm(INF, ta(lambda lib, t, _: lib.FGSM(t.net, eps=t.eps[INF]))), fgsm(2.0)]


def iterated() -> list[Pair]:
    def fb(kind: str, norm: float) -> Rival:
        return foolbox(
            lambda lib, k: getattr(lib, f"{LABELS[norm]}{kind}")(steps=k, rel_stepsize=STEP), norm
        )

    def of_art(name: str, norm: float | None, **given: Any) -> Rival:
        def make(lib: Any, e: Any, k: int, t: Target) -> Any:
            eps = t.eps[INF if norm is None else norm]
            normed = {} if norm is None else {"norm": norm}
            settings = {"eps": eps, "eps_step": STEP * eps, "max_iter": k, "verbose": False}
            return getattr(lib, name)(e, batch_size=len(t.x), **normed, **settings, **given)

        return art(make)

    def ch(norm: float) -> Rival:
        def run(t: Target, k: int) -> Tensor:
            from cleverhans.torch.attacks import projected_gradient_descent as module

            eps = t.eps[norm]
            return module.projected_gradient_descent(
                t.net, t.x, eps, STEP * eps, k, norm, clip_min=0.0, clip_max=1.0, y=t.y
            ).detach()

        return cleverhans(run)

    def slide(t: Target, k: int) -> Tensor:
        from cleverhans.torch.attacks.sparse_l1_descent import sparse_l1_descent

        eps = t.eps[1.0]
        limits: dict[str, Any] = {"clip_min": 0.0, "clip_max": 1.0, "y": t.y}
        return sparse_l1_descent(t.net, t.x, eps, STEP * eps, k, **limits).detach()

    def pgd(norm: float, *more: Rival) -> Pair:
        return _radius(
            "pgd",
            norm,
            ours(named("pgd", step_size=STEP, **CE), norm),
            fb("PGD", norm),
            of_art("ProjectedGradientDescentPyTorch", norm),
            *more,
        )

    def taken(name: str, **given: Any) -> Rival:
        return ta(
            lambda lib, t, k: getattr(lib, name)(
                t.net, eps=t.eps[INF], alpha=STEP * t.eps[INF], steps=k, **given
            )
        )

    def eot(k: int) -> Attack:
        return EOT(attack=PGD(steps=k, step_size=STEP, **CE), samples=SAMPLES)

    al = adv_lib(
        lambda lib, t, k: lib.pgd_linf(
            t.net, t.x, t.y, t.eps[INF], steps=k, relative_step_size=STEP
        )
    )
    l2 = ta(lambda lib, t, k: lib.PGDL2(t.net, eps=t.eps[2.0], alpha=STEP * t.eps[2.0], steps=k))
    return [
        pgd(INF, taken("PGD"), ch(INF), al),
        pgd(2.0, l2, ch(2.0)),
        pgd(1.0, cleverhans(slide)),
        _radius(
            "bim",
            INF,
            ours(named("bim", step_size=STEP, **CE), INF),
            taken("BIM"),
            fb("BasicIterativeAttack", INF),
            of_art("BasicIterativeMethod", None),
        ),
        _radius(
            "rfgsm",
            INF,
            ours(lambda _: RFGSM(**CE), INF),
            ta(lambda lib, t, _: lib.FFGSM(t.net, eps=t.eps[INF], alpha=1.25 * t.eps[INF])),
        ),
        _radius(
            "pgd, KL",
            INF,
            ours(named("pgd", step_size=STEP, loss=KL()), INF),
            taken("TPGD"),
        ),
        _radius(
            "eot(pgd)",
            INF,
            ours(eot, INF),
            taken("EOTPGD", eot_iter=SAMPLES),
        ),
        _radius(
            "mifgsm",
            INF,
            ours(named("mifgsm", step_size=STEP, **CE), INF),
            taken("MIFGSM"),
            fb("MomentumIterativeFastGradientMethod", INF),
            of_art("MomentumIterativeMethod", INF),
        ),
    ]


def transfer() -> list[Pair]:
    def pair(name: str, own: dict[str, Any] | None = None, **theirs: Any) -> Pair:
        def make(lib: Any, t: Target, k: int) -> Any:
            eps = t.eps[INF]
            attack = getattr(lib, name.upper())
            return attack(t.net, eps=eps, alpha=STEP * eps, steps=k, decay=1.0, **theirs)

        mine = named(name, step_size=STEP, **CE, **(own or {}))
        return _radius(name, INF, ours(mine, INF), ta(make))

    return [
        pair("nifgsm"),
        pair("difgsm"),
        pair("tifgsm", diversity_prob=0.0),
        pair("sinifgsm"),
        pair("vmifgsm", {"neighbors": 5}, N=5),
        pair("vnifgsm", {"neighbors": 5}, N=5),
    ]


def auto() -> list[Pair]:
    def apgd(norm: float, loss: str) -> Pair:
        of_art = {"ce": "cross_entropy", "dlr": "difference_logits_ratio"}[loss]
        rivals = [
            adv_lib(
                lambda lib, t, k: lib.apgd(
                    t.net, t.x, t.y, t.eps[norm], norm=norm, n_iter=k, loss_function=loss
                )
            ),
            _of_art("AutoProjectedGradientDescent", norm, loss_type=of_art),
        ]
        if norm != 1:
            rivals.append(
                ta(
                    lambda lib, t, k: lib.APGD(
                        t.net, norm=LABELS[norm], eps=t.eps[norm], steps=k, loss=loss
                    )
                )
            )
        mine = named("apgd", loss=CrossEntropy() if loss == "ce" else DLR())
        return _radius(f"apgd, {loss}", norm, ours(mine, norm), *rivals)

    def targeted(norm: float) -> Pair:
        def mine(k: int) -> Attack:
            return EachTarget(attack=APGD(steps=k, loss=DLR()), top=CLASSES)

        return _radius(
            "each_target(apgd)",
            norm,
            ours(mine, norm),
            adv_lib(
                lambda lib, t, k: lib.apgd_targeted(
                    t.net, t.x, t.y, t.eps[norm], norm=norm, n_iter=k, num_targets=CLASSES
                )
            ),
            ta(
                lambda lib, t, k: lib.APGDT(
                    t.net, norm=LABELS[norm], eps=t.eps[norm], steps=k, n_classes=CLASSES + 1
                )
            ),
        )

    def acg(norm: float) -> Pair:
        mine = named("acg", **CE)
        return _radius("acg", norm, ours(mine, norm), _of_art("AutoConjugateGradient", norm))

    losses = [apgd(norm, loss) for norm in (INF, 2.0, 1.0) for loss in ("ce", "dlr")]
    return [*losses, targeted(INF), targeted(2.0), acg(INF), acg(2.0)]


def _of_art(name: str, norm: float, **given: Any) -> Rival:
    """Return one of ART's attacks that set their own step size."""

    def make(lib: Any, e: Any, k: int, t: Target) -> Any:
        settings = {"eps": t.eps[norm], "eps_step": 2 * t.eps[norm], "max_iter": k}
        return getattr(lib, name)(
            e, norm=norm, nb_random_init=1, batch_size=len(t.x), verbose=False, **settings, **given
        )

    return art(make)
