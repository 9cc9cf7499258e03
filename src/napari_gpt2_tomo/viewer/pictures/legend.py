"""The strip under a picture: what it shows, and the value of its colours."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter

from ..commands import current_link
from ..link import ScanLink, link_of

__all__ = ["Legend", "draw_strip", "legend_of", "pixels_of", "strip_height"]

REFERENCE = 1280
"""Width in pixels of the picture for which the lengths below are made; they grow with it."""

SMALLEST, LARGEST = 0.7, 4.0
"""Bounds of that growth: text stays legible, and a strip stays a strip."""

HEIGHT = 60
"""Of the strip; the text inside in pixels: the name, and everything else."""
NAME, TEXT = 17, 13
MARGIN = 18
BAR = (300, 12)
"""Width and height of the colour bar."""

GROUND = QColor(14, 16, 20)
INK, DIM = QColor(236, 238, 242), QColor(150, 156, 166)

MEANING: Mapping[str, str] = {
    "magnitude": "magnitude |w|",
    "signed": "weight w",
    "sigma": "w in σ of its part",
    "sigma_global": "w in σ of all",
    "rank": "rank of |w|",
}
"""What a colour stands for, by signal."""

FINGERPRINT = 12
"""Digits of a fingerprint that are shown: enough to tell all files of a lifetime apart."""


@dataclass(frozen=True, slots=True)
class Legend:
    """What the strip says.

    Attributes
    ----------
    name, facts, caption
        The scan, what of it is shown, and where the picture lies.
    meaning
        What the colours stand for.
    limits
        Values of the first and the last colour.
    colours
        Straight RGBA in 0…1 from the first to the last, shape ``(n, 4)``.
    fingerprint
        Of the checkpoint.
    """

    name: str
    facts: str
    caption: str
    meaning: str
    limits: tuple[float, float]
    colours: NDArray[np.float32]
    fingerprint: str

    def at(self, caption: str) -> "Legend":
        """The same legend for another picture."""
        return replace(self, caption=caption)

    @property
    def title(self) -> str:
        """All of it in one line, for the file."""
        low, high = self.limits
        shown = f"{self.meaning} from {low:.4g} to {high:.4g}"
        words = [self.name, self.facts, self.caption, shown, f"fingerprint {self.fingerprint}"]
        return " · ".join(word for word in words if word)


def legend_of(viewer: Any, caption: str = "") -> Legend | None:
    """The legend of the scan that a viewer is about; None if it shows none."""
    link = current_link(viewer)
    layer = None if link is None else _image(viewer, link)
    if link is None or layer is None:
        return None
    volume = link.volume
    shape = " × ".join(f"{n:,}" for n in volume.core_shape)
    low, high = layer.contrast_limits
    at = np.linspace(0, 1, 256) ** layer.gamma
    return Legend(
        name=link.name,
        facts=f"{volume.layout.name} {shape} · {volume.anatomy.n_parameters:,} parameters",
        caption=caption,
        meaning=MEANING.get(volume.signal, volume.signal),
        limits=(float(low), float(high)),
        colours=np.asarray(layer.colormap.map(at), np.float32),
        fingerprint=link.scan.checkpoint.fingerprint[:FINGERPRINT],
    )


def strip_height(width: int) -> int:
    """Rows of the strip under a picture so many pixels wide; even, for movies."""
    return 2 * round(HEIGHT * _growth(width) / 2)


def draw_strip(legend: Legend, width: int) -> NDArray[np.uint8]:
    """The strip, shape ``(strip_height(width), width, 3)``."""
    height, grow = strip_height(width), _growth(width)
    image = QImage(width, height, QImage.Format.Format_RGB888)
    image.fill(GROUND)
    margin, bar_width = MARGIN * grow, min(BAR[0] * grow, 0.3 * width)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    try:
        bar = QRectF(width - margin - bar_width, 0, bar_width, height)
        _draw_words(painter, legend, QRectF(margin, 0, bar.left() - 2.5 * margin, height), grow)
        _draw_bar(painter, legend, bar, grow)
    finally:
        painter.end()
    return pixels_of(image)


def pixels_of(image: QImage) -> NDArray[np.uint8]:
    """A copy of an image's pixels, shape ``(rows, columns, 3)``."""
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    data = rgb.constBits()
    data.setsize(rgb.sizeInBytes())
    rows = np.frombuffer(data, np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    return rows[:, : 3 * rgb.width()].reshape(rgb.height(), rgb.width(), 3).copy()


def _draw_words(painter: QPainter, legend: Legend, room: QRectF, grow: float) -> None:
    upper = QRectF(room.left(), 0.1 * room.height(), room.width(), 0.42 * room.height())
    lower = QRectF(room.left(), upper.bottom(), room.width(), 0.38 * room.height())
    bold = font(NAME * grow, bold=True)
    used = _write(painter, legend.name, bold, INK, upper, left=True)
    rest = upper.adjusted(used + MARGIN * grow, 0, 0, 0)
    _write(painter, legend.facts, font(TEXT * grow), DIM, rest, left=True)
    used = _write(painter, legend.fingerprint, font(TEXT * grow), DIM, lower, left=False)
    rest = lower.adjusted(0, 0, -used - MARGIN * grow, 0)
    _write(painter, legend.caption, font(TEXT * grow), INK, rest, left=True)


def _draw_bar(painter: QPainter, legend: Legend, room: QRectF, grow: float) -> None:
    plain = font(TEXT * grow)
    line = 0.3 * room.height()
    head = QRectF(room.left(), 0.1 * room.height(), room.width(), line)
    bar = QRectF(room.left(), head.bottom() + grow, room.width(), BAR[1] * grow)
    foot = QRectF(room.left(), bar.bottom() + grow, room.width(), line)
    _write(painter, legend.meaning, plain, DIM, head, left=True)
    alpha = legend.colours[:, 3:]
    ground = np.array([GROUND.redF(), GROUND.greenF(), GROUND.blueF()])
    # What is clear shows the strip, as it shows black in the volume.
    seen = legend.colours[:, :3] * alpha + ground * (1 - alpha)
    row = np.ascontiguousarray(np.round(seen * 255).clip(0, 255).astype(np.uint8))
    ramp = QImage(row.data, len(row), 1, row.nbytes, QImage.Format.Format_RGB888)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(bar, ramp)
    painter.setPen(QColor(90, 96, 106))
    painter.drawRect(bar)
    low, high = legend.limits
    middle = foot.adjusted(foot.width() / 3, 0, -foot.width() / 3, 0)
    _write(painter, number(low), plain, INK, foot, left=True)
    _write(painter, number(high), plain, INK, foot, left=False)
    painter.setPen(DIM)
    painter.setFont(plain)
    painter.drawText(middle, Qt.AlignmentFlag.AlignCenter, number((low + high) / 2))


def _write(
    painter: QPainter, text: str, face: QFont, ink: QColor, room: QRectF, *, left: bool
) -> float:
    """Write a line as far as there is room; returns its width in pixels."""
    metrics = QFontMetricsF(face)
    if room.width() <= 0 or not text:
        return 0.0
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width())
    side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
    painter.setFont(face)
    painter.setPen(ink)
    painter.drawText(room, side | Qt.AlignmentFlag.AlignVCenter, shown)
    return float(metrics.horizontalAdvance(shown))


def font(pixels: float, *, bold: bool = False) -> QFont:
    """The application's font, so many pixels high."""
    face = QFont()
    face.setPixelSize(max(8, round(pixels)))
    face.setBold(bold)
    return face


def number(value: float) -> str:
    """A value as short as it is told apart from others, with a true minus."""
    return f"{value:.3g}".replace("-", "−")


def _growth(width: int) -> float:
    return min(max(width / REFERENCE, SMALLEST), LARGEST)


def _image(viewer: Any, link: ScanLink) -> Any:
    """The topmost visible image of a link, else its topmost."""
    images = [x for x in reversed(viewer.layers) if link_of(x) is link and hasattr(x, "gamma")]
    return next((layer for layer in images if layer.visible), images[0] if images else None)
