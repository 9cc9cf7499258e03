"""The command ``save``."""

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_gpt2_tomo.cli import app
from napari_gpt2_tomo.facade import Scan


@pytest.fixture
def run(tmp_path):
    def call(*arguments):
        found = CliRunner().invoke(app, ["save", *map(str, arguments)])
        return found.exit_code, found.output

    return call


def test_a_part_a_section_and_a_box_are_saved(run, tiny_phantom, tmp_path):
    with Scan(tiny_phantom) as scan:
        volume = np.asarray(scan.volume("body", "signed")[:])
        status, said = run(tiny_phantom, tmp_path / "q.npy", "--part", "L3.q")
        assert status == 0, said
        assert "q.npy" in said
        np.testing.assert_array_equal(np.load(tmp_path / "q.npy"), scan.part("q", 3))
        assert run(tiny_phantom, tmp_path / "s.tif", "--section", "4")[0] == 0
        plane = tifffile.imread(tmp_path / "s.tif")[0]
        rows, columns = plane.shape
        np.testing.assert_array_equal(plane, volume[4, :rows, :columns])
        assert run(tiny_phantom, tmp_path / "b.npy", "--box", "2:5,:,10:20")[0] == 0
        np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), volume[2:5, :, 10:20])
        status, _ = run(
            tiny_phantom, tmp_path / "h.npy", "--section", "3,1", "--layout", "heads", "--role", "k"
        )
        assert status == 0
        np.testing.assert_array_equal(np.load(tmp_path / "h.npy")[0, 0].T, scan.head(3, 1, "k"))


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ([], 2, "one of --part, --box and --section"),
        (["--part", "L0.q", "--section", "1"], 2, "one of --part"),
        (["--box", "1-2,3"], 2, "--box takes first:stop"),
        (["--section", "one"], 2, "--section takes whole numbers"),
        (["--box", "1:2,3:4"], 1, "A box here has 3 intervals"),
        (["--part", "L77.q"], 1, "There is no part"),
    ],
)
def test_what_is_wrong_is_said(run, tiny_phantom, tmp_path, options, status, words):
    found, said = run(tiny_phantom, tmp_path / "x.npy", *options)
    assert (found, words in " ".join(said.split())) == (status, True), said
    assert list(tmp_path.iterdir()) == []
