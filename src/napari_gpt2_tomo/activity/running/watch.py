"""Seeing and changing what flows through a model while it runs."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from ...base import TomoError
from ..record.sites import site as known_site
from .attention import Window
from .hooks import Hook
from .taps import Tap

__all__ = ["See", "watching"]

See = Callable[[str, int | None, torch.Tensor], None]
"""Told of a site, its layer and what flows there, ``(batch, …)``."""


@contextmanager
def watching(
    taps: Iterable[Tap],
    wanted: Iterable[str],
    see: See,
    hooks: Sequence[Hook],
    batch: tuple[int, int],
) -> Iterator[None]:
    """While the context lasts, `see` is told of the wanted sites, and hooks change what flows.

    What is seen at a site is what flows on from there, after its hooks. `batch` is the shape of
    the ids, ``(batch, token)``.

    Raises
    ------
    TomoError
        There is no place for one of the hooks.
    """
    names = set(wanted)
    changes: defaultdict[tuple[str, int | None], list[Hook]] = defaultdict(list)
    for hook in hooks:
        changes[hook.site, hook.layer].append(hook)
    windows: dict[nn.Module, Window] = {}
    with ExitStack() as stack:
        for tap in taps:
            mine = [] if tap.computed else changes.pop((tap.site, tap.layer), [])
            if not mine and tap.site not in names:
                continue
            through = _Through(tap, mine, see if tap.site in names else None, batch)
            if tap.side == "attention":
                if tap.module not in windows:
                    windows[tap.module] = window = Window(tap.module)
                    window.open()
                    stack.callback(window.close)
                windows[tap.module].sites[tap.site] = through
            elif tap.side == "in":
                handle = tap.module.register_forward_pre_hook(through.before, with_kwargs=True)
                stack.callback(handle.remove)
            else:
                stack.callback(tap.module.register_forward_hook(through.after).remove)
        if changes:
            raise TomoError(_no_place(next(iter(changes))))
        yield


class _Through:
    """What happens to a tensor at one tap."""

    def __init__(
        self, tap: Tap, changes: Sequence[Hook], see: See | None, batch: tuple[int, int]
    ) -> None:
        self.tap = tap
        self.changes = changes
        self.see = see
        self.batch = batch

    def _part(self, tensor: torch.Tensor) -> torch.Tensor:
        """What the tap sees of a tensor, ``(batch, …)``, sharing memory."""
        if tensor.ndim == 2:
            # OPT's MLP takes the tokens of all texts in one row; positions are the same for all.
            one_row = tensor.shape[0] == math.prod(self.batch)
            tensor = tensor.reshape(*self.batch, -1) if one_row else tensor[None]
        return tensor if self.tap.view is None else self.tap.view(tensor)

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        if self.changes:
            tensor = tensor if self.tap.alias else tensor.clone()
            part = self._part(tensor)
            for hook in self.changes:
                changed = hook.change(part)
                if changed is not part:
                    part.copy_(changed)
        if self.see is not None:
            seen = self._part(tensor)
            finish = self.tap.finish
            self.see(self.tap.site, self.tap.layer, seen if finish is None else finish(seen))
        return tensor

    def before(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        """What goes in to a module."""
        if args:
            given = args[0]
            taken = self(given)
            return None if taken is given else ((taken, *args[1:]), kwargs)
        name = next(name for name, value in kwargs.items() if isinstance(value, torch.Tensor))
        given = kwargs[name]
        taken = self(given)
        return None if taken is given else (args, {**kwargs, name: taken})

    def after(self, module: nn.Module, args: Any, output: Any) -> Any:
        """What comes out of a module."""
        if isinstance(output, torch.Tensor):
            taken = self(output)
            return None if taken is output else taken
        taken = self(output[0])
        return None if taken is output[0] else type(output)((taken, *output[1:]))


def _no_place(place: tuple[str, int | None]) -> str:
    name, layer = place
    title = known_site(name).title
    where = "" if layer is None else f" of layer {layer}"
    return (
        f"{title[0].upper()}{title[1:]} ({name!r}){where} cannot be changed in this model: it has "
        "no such place, or it is computed from others."
    )
