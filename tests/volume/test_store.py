"""Overviews in the cache: built crash-safe, resumed, shared, bounded, valid OME-Zarr."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05.image import Image

from napari_gpt2_tomo.base import Cancelled, SilentProgress, TomoError
from napari_gpt2_tomo.checkpoint import open_checkpoint
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.volume.overview.store import PartialEntry, entries, entry_lock, trim
from napari_gpt2_tomo.volume.statistics.exact import stored_statistics
from napari_gpt2_tomo.volume.statistics.summary import Statistics
from napari_gpt2_tomo.volume.volume import Volume
from volume.truth import limits, same

TILE = 2**15
"""Bytes of a tile, so that the tiny phantom has a dozen of them."""

CHILD = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.volume.overview.store import PartialEntry
from volume.truth import limits
path, pause = sys.argv[1], float(sys.argv[2])
write = PartialEntry.write
def slowly(*args):
    write(*args)
    time.sleep(pause)
PartialEntry.write = slowly
with limits(tile={TILE}), Scan(path) as scan:
    print("ready", flush=True)
    scan.volume("body").refine()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(folder))
    return folder


@pytest.fixture
def scan(tiny_phantom, own):
    with Scan(tiny_phantom) as opened:
        yield opened


@pytest.fixture(scope="session")
def reference(tiny_phantom, tmp_path_factory):
    """Every file of an overview that was built without a stop."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_GPT2_TOMO_CACHE", str(folder))
        with Scan(tiny_phantom) as opened:
            refine(opened.volume("body"))
    return files(folder)


def refine(volume: Volume, progress: SilentProgress | None = None) -> Volume:
    with limits(tile=TILE):
        volume.refine(progress)
    return volume


def files(cache: Path) -> dict[str, bytes]:
    folder = cache / "overviews"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def counted(statistics: Statistics) -> int:
    """Parameters, finite or not."""
    return int(statistics.n.sum() + statistics.nonfinite.sum())


class Tiles:
    """Which tiles are written; may stop the work after some of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, stop: int | None = None) -> None:
        self.written: list[int] = []
        write = PartialEntry.write
        lock = threading.Lock()

        def watched(entry: PartialEntry, tile: int, *args: object) -> None:
            with lock:
                if stop is not None and len(self.written) >= stop:
                    raise Cancelled("stopped by the test")
                self.written.append(tile)
            write(entry, tile, *args)

        monkeypatch.setattr(PartialEntry, "write", watched)


def child(path: Path, pause: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(path), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_cancelled_overview_goes_on_where_it_stopped(scan, own, reference, monkeypatch):
    with monkeypatch.context() as patch:
        first = Tiles(patch, stop=4)
        with pytest.raises(Cancelled):
            refine(scan.volume("body"))
    assert len(first.written) == 4
    volume = scan.volume("body")
    assert volume.overview.state == "empty"
    assert all("partial" in name for name in files(own))
    second = Tiles(monkeypatch)
    progress = SilentProgress()
    refine(volume, progress)
    assert set(first.written).isdisjoint(second.written)
    assert len(first.written) + len(second.written) > 8
    assert files(own) == reference
    assert volume.overview.state == "refined"
    done = len(second.written) / (len(first.written) + len(second.written))
    assert progress.total == pytest.approx(done * scan.anatomy.n_parameters, abs=1)
    # The statistics hold what both runs saw.
    assert not volume.statistics.estimate
    assert counted(volume.statistics) == scan.anatomy.n_parameters


def test_cancelling_by_the_progress_raises_and_keeps_what_is_done(scan, own, reference):
    progress = SilentProgress()
    progress.cancel()
    with pytest.raises(Cancelled):
        refine(scan.volume("body"), progress)
    assert scan.volume("body").overview.state == "empty"
    refine(scan.volume("body"))
    assert files(own) == reference


def test_a_killed_process_leaves_its_tiles_to_the_next(
    scan, own, reference, tiny_phantom, monkeypatch
):
    process = child(tiny_phantom, pause=0.2)
    finished: list[Path] = []
    deadline = time.monotonic() + 60
    while len(finished) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
        finished = list(own.glob("overviews/*.partial/ledger/*.npz"))
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    finished = list(own.glob("overviews/*.partial/ledger/*.npz"))
    assert len(finished) >= 3
    tiles = Tiles(monkeypatch)
    refine(scan.volume("body"))
    assert tiles.written
    assert {int(path.stem) for path in finished}.isdisjoint(tiles.written)
    assert files(own) == reference


def test_two_processes_at_once_build_one_intact_entry(own, reference, tiny_phantom):
    processes = [child(tiny_phantom, pause=0.01) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert files(own) == reference


def test_two_threads_with_volumes_of_their_own_build_one(scan, own, reference, monkeypatch):
    tiles = Tiles(monkeypatch)
    volumes = [scan.volume("body") for _ in range(2)]
    with limits(tile=TILE):
        threads = [threading.Thread(target=volume.refine) for volume in volumes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(tiles.written) == len(set(tiles.written))
    assert files(own) == reference
    assert all(volume.overview.state == "refined" for volume in volumes)


def test_a_stop_while_the_metadata_are_written_is_no_harm(scan, own, reference, monkeypatch):
    for victim in ("create_group", "replace"):
        with monkeypatch.context() as patch:
            where = zarr if victim == "create_group" else os
            original = getattr(where, victim)

            def stop(*args, original=original, **options):
                if original is os.replace and str(args[1]).endswith(".npz"):
                    return original(*args, **options)
                if original is not os.replace:
                    original(*args, **options)
                raise KeyboardInterrupt

            patch.setattr(where, victim, stop)
            with pytest.raises(KeyboardInterrupt):
                refine(scan.volume("body"))
        assert scan.volume("body").overview.state == "empty"
    tiles = Tiles(monkeypatch)
    refine(scan.volume("body"))
    assert tiles.written == []
    assert files(own) == reference


@pytest.mark.parametrize("damage", ["missing", "short", "long", "metadata", "level"])
def test_a_damaged_entry_does_not_look_complete_and_is_built_again(scan, own, reference, damage):
    refine(scan.volume("body"))
    (folder,) = (own / "overviews").glob("*[!k]")
    chunk = sorted(folder.rglob("c/*/0/0"))[2]
    if damage == "missing":
        chunk.unlink()
    elif damage == "short":
        chunk.write_bytes(chunk.read_bytes()[:-4])
    elif damage == "long":
        chunk.write_bytes(chunk.read_bytes() + b"more")
    elif damage == "metadata":
        (folder / "zarr.json").write_text("{")
    else:
        (folder / "1" / "zarr.json").unlink()
    volume = scan.volume("body")
    assert volume.overview.state == "empty"
    refine(volume)
    assert files(own) == reference


@pytest.mark.parametrize("damage", ["chunk", "ledger", "plan"])
def test_a_damaged_tile_of_a_stopped_build_is_done_again(scan, own, reference, monkeypatch, damage):
    with monkeypatch.context() as patch:
        first = Tiles(patch, stop=5)
        with pytest.raises(Cancelled):
            refine(scan.volume("body"))
    (folder,) = (own / "overviews").glob("*.partial")
    tile = sorted(first.written)[0]
    if damage == "ledger":
        (folder / "ledger" / f"{tile}.npz").write_bytes(b"")
    elif damage == "chunk":
        (folder / "image" / "0" / "c" / str(tile) / "0" / "0").write_bytes(b"half")
    else:
        (folder / "plan.json").write_text("[]")
    second = Tiles(monkeypatch)
    refine(scan.volume("body"))
    again = set(first.written) & set(second.written)
    assert again == (set(first.written) if damage == "plan" else {tile})
    assert files(own) == reference


def test_tiles_of_another_size_are_not_mixed_in(scan, own, monkeypatch, reference):
    with monkeypatch.context() as patch:
        Tiles(patch, stop=2)
        with limits(tile=2 * TILE), pytest.raises(Cancelled):
            scan.volume("body").refine()
    refine(scan.volume("body"))
    assert files(own) == reference


class TestErrors:
    def test_a_full_disk_is_said_and_nothing_half_finished_looks_complete(
        self, scan, own, monkeypatch, reference
    ):
        with monkeypatch.context() as patch:
            write = PartialEntry.write
            count = iter(range(1000))

            def full(*args):
                if next(count) > 3:
                    raise OSError(28, "No space left on device")
                write(*args)

            patch.setattr(PartialEntry, "write", full)
            volume = scan.volume("body")
            with pytest.raises(TomoError, match=r"No space left.*NAPARI_GPT2_TOMO_CACHE"):
                refine(volume)
        assert volume.overview.state == "empty"
        assert scan.volume("body").overview.state == "empty"
        refine(volume)
        assert files(own) == reference

    def test_a_folder_that_cannot_be_made_is_said(self, scan, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path / "file"))
        volume = scan.volume("body")
        with pytest.raises(TomoError, match="cannot be kept in"):
            refine(volume)
        # What needs no cache is still there.
        assert volume[0].any()
        assert volume.level(2)[5].any()

    def test_a_failing_lock_is_said(self, scan, monkeypatch):
        import filelock

        def refuse(*args, **options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(filelock.FileLock, "_acquire", refuse)
        with pytest.raises(TomoError, match="Permission denied"):
            refine(scan.volume("body"))

    def test_an_error_without_a_code_is_said_too(self, scan, monkeypatch):
        def fail(*args):
            raise OSError("the drive was unplugged")

        monkeypatch.setattr(PartialEntry, "write", fail)
        with pytest.raises(TomoError, match="unplugged"):
            refine(scan.volume("body"))

    def test_an_entry_that_vanishes_in_use_is_said(self, scan, own):
        volume = refine(scan.volume("body"))
        trim(0)
        with pytest.raises(TomoError, match="changed or removed"):
            volume.level(1)[0]


class TestZarr:
    def test_an_entry_is_valid_ome_zarr(self, scan, own):
        volume = refine(scan.volume("body"))
        (folder,) = (own / "overviews").glob("*[!k]")
        group = zarr.open_group(folder, mode="r")
        image = Image.from_zarr(group)
        (multiscale,) = image.attributes.ome.multiscales
        assert image.attributes.ome.version == "0.5"
        assert [axis.name for axis in multiscale.axes] == ["section", "channel", "unit"]
        first = volume.overview.first
        for i, dataset in enumerate(multiscale.datasets):
            array = group[dataset.path]
            factors = volume.factors[first + i]
            assert array.metadata.dimension_names == ("section", "channel", "unit")
            scale, shift = dataset.coordinateTransformations
            assert tuple(scale.scale) == factors
            assert tuple(shift.translation) == tuple((f - 1) / 2 for f in factors)
            values = array[:]
            assert same(values, np.asarray(volume.level(first + i)))
            computed = volume.reader.read(box(values.shape), first + i)
            np.testing.assert_array_max_ulp(values, computed, 1)
        assert first + len(multiscale.datasets) == len(volume.factors)

    def test_every_layout_is_kept(self, scan, own):
        for layout, options in [
            ("cube", {}), ("tensor", {"tensor": "wte.weight"}), ("heads", {"role": "k"}),
        ]:  # fmt: skip
            volume = scan.volume(layout, "signed", **options)
            refine(volume)
            folder = own / "overviews" / volume.overview.key
            group = zarr.open_group(folder, mode="r")
            names = [axis["name"] for axis in group.attrs["ome"]["multiscales"][0]["axes"]]
            assert names == list(volume.axes)
            if volume.ndim <= 3:
                Image.from_zarr(group)
            level = volume.overview.first
            stored = group["0"][:]
            assert same(stored, volume.reader.read(box(stored.shape), level))


def box(shape: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((0, n) for n in shape)


class TestReading:
    def test_a_finished_overview_is_used_without_reading_the_file(self, scan, own, monkeypatch):
        volume = refine(scan.volume("body"))
        again = scan.volume("body")
        assert again.overview.state == "refined"
        tiles = Tiles(monkeypatch)
        refine(again)
        assert tiles.written == []
        for level in range(1, len(volume.factors)):
            assert same(np.asarray(again.level(level)), np.asarray(volume.level(level)))

    def test_boxes_across_chunks(self, scan, own):
        volume = refine(scan.volume("body"))
        whole = np.asarray(volume.level(1))
        rng = np.random.default_rng(0)
        for _ in range(30):
            low = [int(rng.integers(0, n)) for n in whole.shape]
            high = [int(rng.integers(a + 1, n + 1)) for a, n in zip(low, whole.shape, strict=True)]
            at = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            assert same(volume.level(1)[at], np.ascontiguousarray(whole[at]))

    def test_statistics_of_the_pass_are_kept(self, scan, own):
        refine(scan.volume("body"))
        found = stored_statistics(scan.checkpoint, scan.anatomy)
        assert found is not None
        assert not found.estimate
        assert counted(scan.statistics(exact=False)) == scan.anatomy.n_parameters


class TestTrim:
    def build(self, scan: Scan, *reductions: str) -> list[Volume]:
        """Overviews that were last used in this order, long ago."""
        volumes = [refine(scan.volume("body", "magnitude", name)) for name in reductions]
        for age, volume in enumerate(reversed(volumes)):
            marker = volume.overview._entry.folder / "zarr.json"
            then = time.time() - 1000 * (age + 1)
            os.utime(marker, (then, then))
        return volumes

    def keys(self) -> list[str]:
        return [usage.key for usage in entries()]

    def test_the_least_recently_used_goes_first(self, scan, own):
        volumes = self.build(scan, "rms", "mean", "extreme")
        keys = [volume.overview.key for volume in volumes]
        assert self.keys() == keys
        size = entries()[0].nbytes
        # Opening the oldest makes it the newest.
        scan.volume("body", "magnitude", "rms")
        assert self.keys() == [keys[1], keys[2], keys[0]]
        assert trim(2 * size) == size
        assert self.keys() == [keys[2], keys[0]]
        assert trim(2 * size) == 0
        assert trim(size, keep=keys[2]) == size
        assert self.keys() == [keys[2]]
        assert trim(0, keep=keys[2]) == 0
        assert trim(0) == size
        assert self.keys() == []
        assert trim(0) == 0

    def test_refining_keeps_the_cache_within_its_bounds(self, scan, own):
        volumes = self.build(scan, "rms", "mean")
        size = entries()[0].nbytes
        newest = scan.volume("body", "signed")
        with limits(tile=TILE):
            newest.overview.refine(cache_bytes=2 * size)
        assert self.keys() == [volumes[1].overview.key, newest.overview.key]
        lone = scan.volume("body", "signed", "mean")
        with limits(tile=TILE):
            lone.overview.refine(cache_bytes=1)
        assert self.keys() == [lone.overview.key]

    def test_what_is_being_built_or_used_elsewhere_stays(self, scan, own):
        volumes = self.build(scan, "rms", "mean")
        keys = [volume.overview.key for volume in volumes]
        with entry_lock(keys[0]):
            trim(0)
        assert self.keys() == [keys[0]]

    def test_stopped_builds_count_and_can_go(self, scan, own, monkeypatch):
        with monkeypatch.context() as patch:
            Tiles(patch, stop=3)
            with pytest.raises(Cancelled):
                refine(scan.volume("body"))
        (usage,) = entries()
        assert not usage.complete
        assert usage.nbytes > 0
        trim(0)
        assert entries() == []

    def test_an_empty_cache_is_no_error(self, own):
        assert entries() == []
        assert trim() == 0


def test_another_file_signal_or_reduction_has_an_overview_of_its_own(
    scan, own, tiny_phantom, tmp_path
):
    keys = {
        scan.volume("body", *pair).overview.key
        for pair in [("signed", "extreme"), ("signed", "mean"), ("magnitude", "extreme")]
    }
    keys.add(scan.volume("heads", role="q").overview.key)
    keys.add(scan.volume("heads", role="k").overview.key)
    keys.add(scan.volume("cube").overview.key)
    copy = tmp_path / "copy.safetensors"
    data = bytearray(tiny_phantom.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)
    with Scan(copy) as other:
        keys.add(other.volume("body").overview.key)
    assert len(keys) == 7


def test_the_ledger_and_metadata_hold_no_path(scan, own, tiny_phantom):
    refine(scan.volume("body"))
    (marker,) = (own / "overviews").glob("*/zarr.json")
    attributes = json.loads(marker.read_text())["attributes"]
    assert attributes["ome"]["multiscales"][0]["name"] == open_checkpoint(tiny_phantom).path.name
    assert str(tiny_phantom.parent) not in marker.read_text()
