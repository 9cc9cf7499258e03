"""Element types of GGUF files: plain numbers, and blocks of quantised ones.

Numbers, names and sizes are those of ``enum ggml_type`` in ggml's ``ggml.h`` and of
``GGML_QUANT_SIZES`` in the ``gguf`` package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["TYPES", "BlockType"]


@dataclass(frozen=True, slots=True)
class BlockType:
    """One element type.

    Attributes
    ----------
    number, name
        In the file, and as people call it, e.g. 12 and ``"Q4_K"``.
    values
        Values in a block: 1 for plain numbers.
    nbytes
        Bytes of a block.
    group
        Values that share a scale; 0 where codes and scales cannot be told apart.
    is_plain
        Whether the elements are plain numbers, and `name` a key of `STORED_TYPES`.
    readable
        Whether its values can be decoded.
    """

    number: int
    name: str
    values: int
    nbytes: int
    group: int = 0
    is_plain: bool = False
    readable: bool = True

    @property
    def bits(self) -> float:
        """Bits per weight, scales included."""
        return 8 * self.nbytes / self.values

    @property
    def scheme(self) -> str:
        """How a tensor of this type is quantised, in words."""
        words = f"{self.name}, {self.bits:.4g} bits per weight"
        if self.group:
            return f"{words}, scales for groups of {self.group}"
        return f"{words}, entries of a table of vectors instead of codes"


def _table() -> dict[int, BlockType]:
    plain = (
        (0, "F32", 4), (1, "F16", 2), (24, "I8", 1), (25, "I16", 2), (26, "I32", 4),
        (27, "I64", 8), (28, "F64", 8), (30, "BF16", 2),
    )  # fmt: skip
    blocks = (
        (2, "Q4_0", 32, 18, 32), (3, "Q4_1", 32, 20, 32), (6, "Q5_0", 32, 22, 32),
        (7, "Q5_1", 32, 24, 32), (8, "Q8_0", 32, 34, 32), (10, "Q2_K", 256, 84, 16),
        (11, "Q3_K", 256, 110, 16), (12, "Q4_K", 256, 144, 32), (13, "Q5_K", 256, 176, 32),
        (14, "Q6_K", 256, 210, 16), (16, "IQ2_XXS", 256, 66, 0), (17, "IQ2_XS", 256, 74, 0),
        (18, "IQ3_XXS", 256, 98, 0), (19, "IQ1_S", 256, 50, 0), (20, "IQ4_NL", 32, 18, 32),
        (21, "IQ3_S", 256, 110, 0), (22, "IQ2_S", 256, 82, 0), (23, "IQ4_XS", 256, 136, 32),
        (29, "IQ1_M", 256, 56, 0), (34, "TQ1_0", 256, 54, 256), (35, "TQ2_0", 256, 66, 256),
        (39, "MXFP4", 32, 17, 32), (40, "NVFP4", 64, 36, 16),
    )  # fmt: skip
    # The first two are for results of computations; the package cannot decode the third yet.
    unreadable = ((9, "Q8_1", 32, 40), (15, "Q8_K", 256, 292), (41, "Q1_0", 128, 18))
    types = [BlockType(n, name, 1, size, is_plain=True) for n, name, size in plain]
    types += [BlockType(*row) for row in blocks]
    types += [BlockType(*row, readable=False) for row in unreadable]
    return {one.number: one for one in types}


TYPES: Mapping[int, BlockType] = MappingProxyType(_table())
"""Every element type by its number in the file."""
