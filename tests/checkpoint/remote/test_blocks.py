"""Blocks of remote files on disk: checked, bounded, shared."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint.remote import blocks
from napari_gpt2_tomo.checkpoint.remote.blocks import (
    BLOCK,
    PAGE,
    BlockStore,
    about,
    clear_blocks,
    keep_about,
    remote_folder,
)

SIZE = 3 * BLOCK + 5 * PAGE + 17
DATA = np.random.default_rng(2).integers(0, 256, SIZE, np.uint8)
URL = "http://host/x"


def held(store: BlockStore, block: int) -> list[int]:
    mask, _ = store.get(block)
    return [page for page in range(64) if mask >> page & 1]


def files() -> list[str]:
    return [str(path) for path in remote_folder().rglob("*") if path.is_file()]


def test_keeps_the_pages_that_it_was_given() -> None:
    store = BlockStore(URL, "1")
    store.put(3 * PAGE, DATA[3 * PAGE : 5 * PAGE])
    assert held(store, 0) == [3, 4]
    _, pages = BlockStore(URL, "1").get(0)
    assert np.array_equal(pages.reshape(-1), DATA[3 * PAGE : 5 * PAGE])
    assert sum(map(os.path.getsize, files())) < 3 * PAGE
    assert held(BlockStore(URL, "2"), 0) == []
    assert held(BlockStore("http://host/y", "1"), 0) == []


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, SIZE // PAGE), st.integers(1, 100)), min_size=1, max_size=8)
)
def test_holds_what_was_put_in_any_order(runs: list[tuple[int, int]]) -> None:
    clear_blocks()
    store = BlockStore(URL, "1")
    expected: set[int] = set()
    for first, count in runs:
        store.put(first * PAGE, DATA[first * PAGE : (first + count) * PAGE])
        expected |= set(range(first, min(first + count, -(-SIZE // PAGE))))
    padded = np.zeros(-(-SIZE // PAGE) * PAGE, np.uint8)
    padded[:SIZE] = DATA
    for block in range(-(-SIZE // BLOCK)):
        mine = sorted(page - block * 64 for page in expected if page // 64 == block)
        assert held(store, block) == mine
        _, pages = store.get(block)
        for page, values in zip(mine, pages, strict=True):
            at = block * BLOCK + page * PAGE
            assert np.array_equal(values, padded[at : at + PAGE])


@pytest.mark.parametrize("how", ["bit", "cut", "empty", "longer", "other"])
def test_a_damaged_block_is_missing(how: str) -> None:
    store = BlockStore(URL, "1")
    store.put(0, DATA[: 4 * PAGE])
    (file,) = files()
    data = bytearray(Path(file).read_bytes())
    if how == "bit":
        data[-100] ^= 1
    elif how == "cut":
        del data[-1:]
    elif how == "empty":
        data.clear()
    elif how == "longer":
        data += b"x"
    else:
        data[:4] = b"what"
    Path(file).write_bytes(data)
    assert held(store, 0) == []
    assert not files()
    store.put(0, DATA[: 4 * PAGE])
    assert held(store, 0) == [0, 1, 2, 3]


def test_goes_on_without_a_cache_that_cannot_be_written(monkeypatch, tmp_path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(file))
    store = BlockStore(URL, "1")
    store.put(0, DATA[:PAGE])
    assert held(store, 0) == []
    keep_about("x", {})


def test_the_cache_stays_in_its_bounds(monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_GPT2_TOMO_REMOTE_GB", "0.001")
    monkeypatch.setattr(blocks, "_TRIM", BLOCK)
    store = BlockStore(URL, "1")
    store.put(0, DATA[:PAGE])
    (oldest,) = files()
    os.utime(oldest, (1, 1))
    for number in range(12):
        BlockStore(f"http://host/{number}", "1").put(0, DATA[:BLOCK])
        assert sum(map(os.path.getsize, files())) <= 1_000_000 + 2 * BLOCK
    assert oldest not in files()
    assert held(BlockStore("http://host/11", "1"), 0) == list(range(64))


def test_a_block_that_is_read_stays_longer() -> None:
    store = BlockStore(URL, "1")
    store.put(0, DATA[:PAGE])
    (file,) = files()
    os.utime(file, (1, 1))
    store.get(0)
    assert os.path.getmtime(file) > 1000


def test_none_is_kept_where_the_user_wants_none(monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_GPT2_TOMO_REMOTE_GB", "0")
    BlockStore(URL, "1").put(0, DATA[:PAGE])
    assert not files()


@pytest.mark.parametrize("text", ["much", "-1", "nan", "1e30"])
def test_a_limit_that_is_no_number_is_an_error(monkeypatch, text: str) -> None:
    monkeypatch.setenv("NAPARI_GPT2_TOMO_REMOTE_GB", text)
    with pytest.raises(CheckpointError, match="NAPARI_GPT2_TOMO_REMOTE_GB"):
        BlockStore(URL, "1")


def test_threads_that_write_one_block_lose_no_page_and_damage_nothing() -> None:
    store = BlockStore(URL, "1")

    def write(first: int) -> None:
        for page in range(first, 64, 8):
            store.put(page * PAGE, DATA[page * PAGE : (page + 1) * PAGE])

    threads = [threading.Thread(target=write, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held(store, 0) == list(range(64))
    assert np.array_equal(store.get(0)[1].reshape(-1), DATA[:BLOCK])


def test_old_versions_can_be_forgotten() -> None:
    for version in "12":
        BlockStore(URL, version).put(0, DATA[:PAGE])
    keep_about(URL, {"etag": "2"})
    BlockStore(URL, "2").forget_others()
    assert held(BlockStore(URL, "1"), 0) == []
    assert held(BlockStore(URL, "2"), 0) == [0]
    assert about(URL) == {"etag": "2", "name": URL}


def test_clearing_leaves_nothing() -> None:
    BlockStore(URL, "1").put(0, DATA[:PAGE])
    keep_about(URL, {})
    clear_blocks()
    assert not files()
    assert about(URL) is None
