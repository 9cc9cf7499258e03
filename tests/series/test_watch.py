"""New checkpoints are taken when they are complete, and only then."""

import shutil

import pytest

from napari_gpt2_tomo.series.series import Series
from napari_gpt2_tomo.series.watch import Watch

from .runs import STEPS, write_run, write_step


@pytest.fixture
def watch(tmp_path):
    with Series(write_run(tmp_path / "run")) as series:
        yield Watch(series)


def folder_of(watch):
    return watch.series.where


def test_nothing_new_is_nothing(watch):
    assert watch.look() is None
    assert watch.look() is None


def test_a_new_checkpoint_is_taken_at_the_second_look(watch):
    write_step(folder_of(watch) / "step-300", 300)
    assert watch.look() is None
    assert watch.look().number == 300


def test_a_half_written_one_is_not_taken(watch, tmp_path):
    whole = write_step(tmp_path / "whole", 300) / "model.safetensors"
    data = whole.read_bytes()
    target = folder_of(watch) / "step-300" / "model.safetensors"
    target.parent.mkdir()
    target.write_bytes(b"")
    assert [watch.look() for _ in range(3)] == [None] * 3
    for share in (0.001, 0.5, 0.999):
        target.write_bytes(data[: int(len(data) * share)])
        assert [watch.look() for _ in range(3)] == [None] * 3
    target.write_bytes(data)
    assert watch.look() is None
    assert watch.look().number == 300


def test_one_whose_file_still_changes_waits(watch, tmp_path):
    target = write_step(folder_of(watch) / "step-300", 300) / "model.safetensors"
    assert watch.look() is None
    # The header and the length are there at once; the values come later.
    data = bytearray(target.read_bytes())
    data[-1] ^= 1
    target.write_bytes(data)
    import os

    os.utime(target, ns=(1, 1))
    assert watch.look() is None
    assert watch.look().number == 300


def test_shards_that_are_announced_must_be_there(watch, tmp_path):
    import json

    folder = folder_of(watch) / "step-300"
    write_step(folder, 300)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    from napari_gpt2_tomo.checkpoint import open_checkpoint

    with open_checkpoint(folder / "model-00001-of-00002.safetensors") as found:
        names = dict.fromkeys(found, "model-00001-of-00002.safetensors")
    names["late.weight"] = "model-00002-of-00002.safetensors"
    index = {"metadata": {}, "weight_map": names}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [watch.look() for _ in range(3)] == [None] * 3


def test_they_are_taken_one_after_the_other_in_order(watch):
    for number in (400, 300):
        write_step(folder_of(watch) / f"step-{number}", number)
    watch.look()
    taken = []
    for _ in range(2):
        step = watch.look()
        taken.append(step.number)
        watch.series = watch.series.extended(step)
    assert taken == [300, 400]
    assert watch.look() is None
    assert [step.number for step in watch.series.steps] == [*STEPS, 300, 400]


def test_one_that_comes_before_the_last_is_left_where_it_is(watch):
    write_step(folder_of(watch) / "step-50", 50)
    assert [watch.look() for _ in range(3)] == [None] * 3


def test_what_was_refused_is_not_tried_again(watch):
    target = write_step(folder_of(watch) / "step-300", 300)
    watch.refused[str(target)] = "another model"
    assert [watch.look() for _ in range(3)] == [None] * 3


def test_a_folder_that_is_gone_is_waited_for(watch):
    shutil.move(folder_of(watch), folder_of(watch).with_name("away"))
    assert watch.look() is None
    shutil.move(folder_of(watch).with_name("away"), folder_of(watch))
    write_step(folder_of(watch) / "step-300", 300)
    watch.look()
    assert watch.look().number == 300


def test_a_list_cannot_be_watched(run_folder):
    with Series([run_folder / "step-0", run_folder / "step-10"]) as series:
        watch = Watch(series)
        assert not watch.possible
        assert watch.look() is None
