"""Networks: any module behind one interface, reference networks, and a look at their habits."""

from holdfast.models.adapter import Model, frozen, wrap

__all__ = ["Model", "frozen", "wrap"]
