"""Levels of which only a box is shown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.volume.reading.boxed import boxed, coarse_box
from napari_gpt2_tomo.volume.reading.virtual import VirtualVolume

SHAPE = (4, 5, 6)
VALUES = np.arange(1, 121, dtype=np.float32).reshape(SHAPE)

boxes = st.tuples(
    *(
        st.tuples(st.integers(0, n), st.integers(0, n)).map(lambda ends: tuple(sorted(ends)))
        for n in SHAPE
    )
)


@given(box=boxes, wanted=boxes)
def test_what_lies_outside_is_air_and_is_not_read(box, wanted):
    reads = []

    def read(inner):
        reads.append(inner)
        return VALUES[tuple(slice(a, b) for a, b in inner)]

    cut = boxed(VirtualVolume(SHAPE, np.float32, read), SHAPE, np.float32, box)
    expected = np.zeros(SHAPE, np.float32)
    inside = tuple(slice(a, b) for a, b in box)
    expected[inside] = VALUES[inside]
    index = tuple(slice(a, b) for a, b in wanted)
    assert np.array_equal(cut[index], expected[index])
    for inner in reads:
        for (a, b), (low, high) in zip(inner, box, strict=True):
            assert low <= a <= b <= high


def test_a_coarse_voxel_belongs_to_a_box_that_touches_it():
    assert coarse_box(((0, 5), (3, 4), (4, 8)), (1, 2, 4)) == ((0, 5), (1, 2), (1, 2))
