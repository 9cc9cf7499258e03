"""What a volume shows, in the words that ask for it."""

from dataclasses import dataclass

from ..anatomy.anatomy import Anatomy
from ..base import LayoutError
from .circuits import CIRCUITS, CircuitVolume
from .layouts.blocks import TensorLayout
from .layouts.experts import ALL_ROLES, ExpertsLayout, expert_roles
from .layouts.layout import BlockLayout
from .reading.signal import resolve_reduction
from .volume import LAYOUTS, USUAL_ROLE, Volume

__all__ = ["Choice", "layouts_of", "roles_of"]


def roles_of(layout: str, anatomy: Anatomy) -> tuple[str, ...]:
    """The roles that a layout can show of a checkpoint, in forward order; none for layouts
    without roles, and where the number of heads is not known.
    """
    if layout == "experts":
        roles = expert_roles(anatomy)
        return (ALL_ROLES, *roles) if roles else ()
    headed = dict.fromkeys(
        part.role
        for part in anatomy.parts
        if part.axes == ("channel", "unit")
        and part.layer is not None
        and part.n_heads is not None
        and part.d_head is not None
    )
    if layout == "heads":
        return tuple(headed)
    if layout == "circuits":
        return tuple(name for name, (a, b, *_) in CIRCUITS.items() if a in headed and b in headed)
    return ()


def layouts_of(anatomy: Anatomy) -> tuple[str, ...]:
    """The layouts that can show a checkpoint."""
    found = {
        "body": anatomy.hyper.d_model is not None,
        "heads": bool(roles_of("heads", anatomy)),
        "experts": bool(roles_of("experts", anatomy)),
        "circuits": bool(roles_of("circuits", anatomy)),
    }
    return tuple(name for name in LAYOUTS if found.get(name, True))


@dataclass(frozen=True, slots=True)
class Choice:
    """What a volume shows: the arguments of `Scan.volume` that make it.

    Attributes
    ----------
    tensor
        Of the layout ``"tensor"``; None in others.
    role
        Of the layouts ``"heads"``, ``"experts"`` and ``"circuits"``; None in others.
    """

    layout: str
    signal: str
    reduction: str
    tensor: str | None = None
    role: str | None = None

    @classmethod
    def of(cls, volume: Volume) -> "Choice":
        """The choice that made a volume."""
        volume = volume.still
        layout = volume.layout
        tensor = layout.tensor if isinstance(layout, TensorLayout) else None
        role = None
        if isinstance(volume, CircuitVolume):
            role = volume.anatomy.parts[0].role
        elif isinstance(layout, ExpertsLayout):
            role = layout.role
        elif layout.name == "heads" and isinstance(layout, BlockLayout):
            role = volume.anatomy.parts[layout.blocks[0].part].role
        return cls(layout.name, volume.signal, volume.reduction, tensor, role)

    def changed(
        self,
        layout: str | None = None,
        signal: str | None = None,
        reduction: str | None = None,
        tensor: str | None = None,
        role: str | None = None,
    ) -> "Choice":
        """Another choice; what is None stays where it still fits, else it is the usual.

        Raises
        ------
        LayoutError
            The signal, the reduction or their pair does not exist.
        """
        name = layout or self.layout
        if name not in LAYOUTS:
            raise LayoutError(f"There is no layout {name!r}; choose one of {LAYOUTS}.")
        wanted = signal or self.signal
        if reduction is None and wanted == self.signal:
            reduction = self.reduction
        wanted, settled = resolve_reduction(wanted, reduction)
        if name == "tensor":
            return Choice(name, wanted, settled, tensor=tensor or self.tensor)
        if name in USUAL_ROLE:
            known = role or (self.role if name == self.layout else None)
            return Choice(name, wanted, settled, role=known or USUAL_ROLE[name])
        return Choice(name, wanted, settled)
