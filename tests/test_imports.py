"""What an import must not bring with it, seen from a fresh interpreter."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "napari", "dask.array", "zarr", "numba", "rich", "qtpy", "vispy")


def modules_after(code: str, *arguments: str) -> set[str]:
    """Names of the modules that a fresh interpreter holds after running `code`."""
    script = f"import sys\n{code}\nimport json\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_package_alone_is_light():
    loaded = modules_after("import napari_gpt2_tomo")
    assert not loaded & set(HEAVY)


def test_its_public_names_are_listed_without_loading_them():
    loaded = modules_after("import napari_gpt2_tomo as tomo\nassert 'scan' in dir(tomo)")
    assert not loaded & set(HEAVY)


def test_opening_a_checkpoint_and_its_anatomy_loads_no_torch(tiny_phantom):
    loaded = modules_after(
        "import napari_gpt2_tomo as tomo\n"
        "scan = tomo.scan(sys.argv[1])\n"
        "assert scan.anatomy.family == 'gpt2', scan.anatomy.family\n"
        "assert scan.part('q', layer=3).shape == (64, 64)",
        str(tiny_phantom),
    )
    assert not loaded & {"torch", "transformers", "napari", "qtpy", "vispy", "magicgui"}


def test_reading_a_plane_loads_neither_torch_nor_napari(tiny_phantom):
    loaded = modules_after(
        "import numpy, napari_gpt2_tomo as tomo\n"
        "volume = tomo.scan(sys.argv[1]).volume('body', signal='magnitude')\n"
        "assert numpy.asarray(volume[volume.shape[0] // 2]).any()",
        str(tiny_phantom),
    )
    assert not loaded & {"torch", "transformers", "napari", "qtpy", "vispy", "magicgui"}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_the_command_line_starts_light(arguments):
    loaded = modules_after(
        "from napari_gpt2_tomo.cli import app\n"
        f"try:\n    app({arguments!r})\n"
        "except SystemExit as end:\n    assert not end.code, end.code"
    )
    assert not loaded & (set(HEAVY) - {"rich"})
