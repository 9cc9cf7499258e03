"""Which checkpoints are the steps of a run, and in which order."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.series import find_steps, is_series
from napari_gpt2_tomo.series.find import natural_key, step_of

from .runs import write_step


@pytest.mark.parametrize(
    ("name", "unit", "number"),
    [
        ("step-1000", "step", 1000),
        ("step00060", "step", 60),
        ("checkpoint-500", "step", 500),
        ("epoch_3", "epoch", 3),
        ("epoch=3-step=1200", "step", 1200),
        ("model-step100.safetensors", "step", 100),
        ("global_step_40", "step", 40),
        ("ckpt_iter_20000", "iteration", 20000),
        ("step-10k", "step", 10_000),
        ("hf://org/name@step1000", "step", 1000),
        ("1200", "step", 1200),
        ("final", "", None),
        ("misstep9", "", None),
        ("model-00001-of-00002.safetensors", "", None),
    ],
)
def test_a_name_tells_the_step(name, unit, number):
    found = step_of(name)
    assert (found.unit, found.number) == (unit, number)


def test_captions_say_what_is_counted():
    assert step_of("runs/checkpoint-1500").title == "step 1,500"
    assert step_of("runs/epoch_3").title == "epoch 3"
    assert step_of("runs/best").title == "best"


def test_the_steps_of_a_folder_come_in_the_order_of_the_training(tmp_path):
    for number in (1000, 9, 100):
        write_step(tmp_path / f"checkpoint-{number}", 0)
    assert [step.number for step in find_steps(tmp_path)] == [9, 100, 1000]


def test_what_is_no_step_beside_steps_is_left_out(tmp_path):
    for name in ("step-1", "step-2", "best"):
        write_step(tmp_path / name, 0)
    (tmp_path / "logs").mkdir()
    assert [step.name for step in find_steps(tmp_path)] == ["step-1", "step-2"]


def test_files_of_a_folder_are_steps(tmp_path):
    for number in (20, 3):
        made = write_step(tmp_path / "made", number) / "model.safetensors"
        made.rename(tmp_path / f"model-step{number}.safetensors")
    assert [step.number for step in find_steps(tmp_path)] == [3, 20]


def test_a_pattern_finds_its_steps(tmp_path):
    for run in ("a", "b"):
        for number in (10, 9):
            write_step(tmp_path / run / f"step{number}", 0)
    found = find_steps(str(tmp_path / "b" / "step*"))
    assert [(step.number, "b" in step.path.split("/")) for step in found] == [(9, True), (10, True)]


def test_the_trainers_state_tells_the_step_where_the_name_does_not(tmp_path):
    for name, number in (("last", 900), ("first", 30)):
        folder = write_step(tmp_path / name, 0)
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": number}))
    found = find_steps([tmp_path / "last", tmp_path / "first"])
    assert [(step.name, step.title) for step in found] == [
        ("first", "step 30"),
        ("last", "step 900"),
    ]


@pytest.mark.parametrize("state", ["[1]", "{", '{"global_step": "many"}', '{"global_step": -1}'])
def test_a_trainers_state_that_says_nothing_is_passed_over(tmp_path, state):
    folder = write_step(tmp_path / "last", 0)
    (folder / "trainer_state.json").write_text(state)
    assert step_of(folder).number is None


def test_a_list_without_numbers_stays_as_it_was_given(tmp_path):
    names = ["warm", "cold", "alpha"]
    assert [step.name for step in find_steps([tmp_path / name for name in names])] == names


def test_mixed_units_are_not_sorted_by_their_numbers():
    assert [s.name for s in find_steps(["epoch_9", "step_3"])] == ["epoch_9", "step_3"]


@pytest.mark.parametrize("where", [[], "nothing-here/*"])
def test_nothing_found_is_said(where):
    with pytest.raises(CheckpointError):
        find_steps(where)


def test_a_folder_without_checkpoints_is_said(tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoints"):
        find_steps(tmp_path)


@given(st.sets(st.integers(0, 10**7), min_size=2, max_size=20), st.randoms())
def test_names_sort_as_their_numbers(numbers, rng: random.Random):
    names = [f"step-{number}" for number in numbers]
    rng.shuffle(names)
    assert sorted(names, key=natural_key) == [f"step-{number}" for number in sorted(numbers)]


def test_a_folder_of_steps_is_a_series(run_folder):
    assert is_series(run_folder)
    assert is_series(str(run_folder))


def test_what_is_a_checkpoint_or_no_run_is_no_series(tmp_path, run_folder):
    assert not is_series(run_folder / "step-0")
    assert not is_series(run_folder / "step-0" / "model.safetensors")
    assert not is_series(tmp_path)
    assert not is_series(tmp_path / "absent")
    for name in ("alice", "bob"):
        write_step(tmp_path / name, 0)
    assert not is_series(tmp_path)
    assert not is_series("\0")


def test_a_trained_model_with_its_checkpoints_beside_it_stays_a_checkpoint(tmp_path):
    write_step(tmp_path, 0)
    for number in (1, 2):
        write_step(tmp_path / f"checkpoint-{number}", number)
    assert not is_series(tmp_path)
    assert [step.number for step in find_steps(tmp_path)] == [1, 2]
