"""Every code of every element type decodes as an independent implementation decodes it."""

import numpy as np
import pytest

from checkpoint.writer import FLOAT32, ORACLE
from napari_gpt2_tomo.checkpoint.dtypes import LUT, STORED_TYPES, decode

EIGHT_BIT = sorted(name for name in FLOAT32 if name != "BF16")


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Bit for bit, but any NaN is as good as another; tells -0 from 0."""
    nan = np.isnan(right)
    return np.array_equal(np.isnan(left), nan) and np.array_equal(
        left.view(np.uint32)[~nan], right.view(np.uint32)[~nan]
    )


@pytest.mark.parametrize("stored", EIGHT_BIT)
def test_every_eight_bit_code(stored: str) -> None:
    codes = np.arange(256, dtype=np.uint8)
    expected = codes.view(ORACLE[stored]).astype(np.float32)
    assert same(decode(codes, stored), expected)
    assert same(LUT[stored], expected)


def test_every_bfloat16_code() -> None:
    codes = np.arange(1 << 16, dtype=np.uint16)
    values = decode(codes, "BF16")
    assert same(values, codes.view(ORACLE["BF16"]).astype(np.float32))
    assert np.isnan(values).sum() == 2 * 127
    assert np.isinf(values).sum() == 2


def test_every_float16_code_of_the_table() -> None:
    codes = np.arange(1 << 16, dtype=np.uint16)
    assert same(LUT["F16"], codes.view(np.float16).astype(np.float32))
    assert LUT["F16"][1] == 2.0**-24, "the smallest subnormal"


def test_tables_cannot_be_changed() -> None:
    for table in LUT.values():
        assert table.dtype == np.float32
        with pytest.raises(ValueError):
            table[0] = 1


@pytest.mark.parametrize("stored", sorted(ORACLE))
def test_decodes_any_shape_and_stride(stored: str) -> None:
    kind = STORED_TYPES[stored]
    assert kind.bits == 8 * ORACLE[stored].itemsize
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, (6, 5, 4)).astype(kind.storage)
    for view in (codes, codes[::2, :, ::-1], codes.T, codes[0, 0, 0:0], codes[1, 2, 3, ...]):
        values = decode(view, stored)
        expected = np.ascontiguousarray(view).view(ORACLE[stored]).reshape(view.shape)
        assert values.shape == view.shape
        assert values.dtype == kind.decoded
        assert np.array_equal(values, expected.astype(values.dtype))
        assert (values is view) is not kind.is_coded


def test_a_byte_that_is_no_boolean_is_true() -> None:
    values = decode(np.array([0, 1, 2, 255], np.uint8), "BOOL")
    assert values.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_types_that_share_bytes_have_no_storage_type() -> None:
    packed = {name for name, kind in STORED_TYPES.items() if kind.storage is None}
    assert packed == {"F4", "F6_E2M3", "F6_E3M2"}
    assert set(ORACLE) | packed == set(STORED_TYPES)
