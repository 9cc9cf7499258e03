"""Arrays in memory and on disk."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from activity.running.families import network
from napari_gpt2_tomo.activity.record import Activity, holds_activity, open_activity, states
from napari_gpt2_tomo.activity.record.store import Store
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.activity.running.run import run
from napari_gpt2_tomo.base import Cancelled, TomoError

IDS = [3, 1, 4, 1, 5]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return LanguageModel(network("qwen3_moe"), tmp_path_factory.mktemp("mixture"))


def test_what_exceeds_the_budget_goes_to_disk_with_the_same_values(model):
    zarr = pytest.importorskip("zarr")
    small, large = model.run(IDS), model.run(IDS, budget=2_000)
    on_disk = [name for name in large if isinstance(large[name], zarr.Array)]
    in_memory = [name for name in large if isinstance(large[name], np.ndarray)]
    assert on_disk
    assert in_memory
    assert sum(large[name].nbytes for name in in_memory) <= 2_000
    for name in small:
        np.testing.assert_array_equal(large.read(name), small[name])
        assert large[name].shape == small[name].shape
    np.testing.assert_array_equal(large.read("mlp_post", 1), small["mlp_post"][1])


def test_nothing_stays_on_disk_when_the_activity_is_gone(model):
    activity = model.run(IDS, budget=0)
    folder = activity._store.folder
    assert folder.is_dir()
    del activity
    gc.collect()
    assert not folder.exists()


def test_texts_of_a_batch_share_the_budget(model):
    found = model.run_batch([IDS, IDS[:2]], budget=0)
    alone = model.run(IDS)
    np.testing.assert_allclose(found[0].read("pattern"), alone["pattern"], atol=1e-5)
    assert found[0]._store.folder != found[1]._store.folder


def test_a_folder_that_cannot_be_made_says_so(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(blocked))
    with pytest.raises(TomoError, match="Ask for less, or allow more memory"):
        Store(budget=0).put("embed", np.zeros((2, 2), np.float32))


def test_layers_come_in_any_order():
    store = Store()
    for layer in (1, 0):
        store.put_layer("z", layer, 2, np.full((3,), layer, np.float32))
    np.testing.assert_array_equal(np.asarray(store.arrays["z"]), [[0, 0, 0], [1, 1, 1]])


@pytest.mark.parametrize("budget", [1 << 30, 0])
def test_a_saved_activity_opens_as_it_was(model, tmp_path, budget):
    activity = model.run(IDS, model.circuit.sites, budget=budget)
    activity.notes = ("a note",)
    path = activity.save(tmp_path / "deep" / "activity.zarr")
    opened = open_activity(path)
    assert list(opened) == list(activity)
    for name in activity:
        np.testing.assert_array_equal(opened.read(name), activity.read(name))
        assert opened[name].dtype == activity[name].dtype
    assert opened.tokens.strings == activity.tokens.strings
    np.testing.assert_array_equal(opened.tokens.ids, activity.tokens.ids)
    assert opened.source == activity.source
    assert opened.notes == ("a note",)
    assert opened.model is None


def test_a_saved_activity_is_plain_zarr_with_named_axes(model, tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(model.run(IDS).save(tmp_path / "a"), mode="r")
    assert group.metadata.zarr_format == 3
    assert group["pattern"].metadata.dimension_names == ("layer", "head", "query", "key")
    names = ("layer", "token", "slot", "neuron")
    assert group["mlp_post"].metadata.dimension_names == names


def test_saving_again_replaces_and_never_something_else(model, tmp_path):
    place = tmp_path / "a"
    model.run(IDS).save(place)
    model.run(IDS[:2]).save(place)
    assert len(open_activity(place).tokens) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(TomoError, match="holds no activity"):
        model.run(IDS).save(tmp_path / "mine")
    assert (tmp_path / "mine" / "diary.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "mine"]


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(TomoError, match="does not exist"):
        open_activity(tmp_path / "nothing")
    with pytest.raises(TomoError, match="holds no activity"):
        open_activity(tmp_path)


@pytest.mark.parametrize("edit", [('"version":', '"vers":'), ('"ids":', '"idz":')])
def test_a_damaged_one_is_an_error(model, tmp_path, edit):
    place = model.run(IDS).save(tmp_path / "a")
    file = place / "zarr.json"
    file.write_text(file.read_text().replace(*edit))
    with pytest.raises(TomoError, match="is damaged"):
        open_activity(place)


def test_a_later_version_is_refused(model, tmp_path):
    place = model.run(IDS).save(tmp_path / "a")
    file = place / "zarr.json"
    file.write_text(file.read_text().replace('"version": 1', '"version": 99'))
    with pytest.raises(TomoError, match="later version"):
        open_activity(place)


def test_states_are_named_in_forward_order(model):
    activity = model.run(IDS)
    found = states(activity)
    assert found.names == (
        "embedding",
        "after L0 attention",
        "after L0 MLP",
        "after L1 attention",
        "after L1 MLP",
        "after final norm",
    )
    assert found.kind == ("embedding", "attention", "mlp", "attention", "mlp", "final")
    assert found.layer.tolist() == [-1, 0, 0, 1, 1, 2]
    np.testing.assert_array_equal(found.values[3], activity["resid_mid"][1])
    np.testing.assert_array_equal(found.values[-1], activity["final"])
    whole = states(activity, halves=False)
    assert whole.names == ("embedding", "after L0", "after L1", "after final norm")


def test_parallel_blocks_have_no_halves(tmp_path):
    activity = LanguageModel(network("gptj"), tmp_path).run(IDS)
    assert states(activity).kind == ("embedding", "block", "block", "final")
    with pytest.raises(TomoError, match="residual stream was not recorded"):
        states(LanguageModel(network("gptj"), tmp_path).run(IDS, ["z"]))


class StopsAt:
    """A `Progress` that asks to stop."""

    def __init__(self, share):
        self.share, self.done = share, 0

    def start(self, total, description):
        self.limit = self.share * total

    def advance(self, amount):
        self.done += amount
        if self.done > self.limit:
            raise Cancelled("stopped")


def test_a_save_that_is_stopped_leaves_what_was_there(model, tmp_path):
    path = tmp_path / "activity.zarr"
    before = model.run(IDS[:2])
    with pytest.raises(Cancelled):
        model.run(IDS).save(path, StopsAt(0.5))
    assert list(tmp_path.iterdir()) == []
    before.save(path)
    with pytest.raises(Cancelled):
        model.run(IDS).save(path, StopsAt(0.5))
    assert list(tmp_path.iterdir()) == [path]
    assert len(open_activity(path).tokens) == 2
    model.run(IDS).save(path)
    assert list(tmp_path.iterdir()) == [path]
    assert len(open_activity(path).tokens) == len(IDS)


def test_activities_are_known_by_their_headers(model, tmp_path):
    path = model.run(IDS, ("final",)).save(tmp_path / "activity.zarr")
    assert holds_activity(path)
    assert holds_activity(path / "zarr.json")
    assert list(open_activity(path / "zarr.json")) == ["final"]
    other = tmp_path / "other.zarr"
    other.mkdir()
    (other / "zarr.json").write_text('{"attributes": {}}')
    numbers, text = tmp_path / "numbers.npz", tmp_path / "text.npz"
    np.savez(numbers, weights=np.zeros(3))
    text.write_text("no archive")
    attention = tmp_path / "attention.npz"
    np.savez(attention, attention=np.ones((1, 1, 1, 1)), token_ids=[3])
    assert holds_activity(attention)
    for place in (other, numbers, text, tmp_path, tmp_path / "absent.npz", "\0", ""):
        assert not holds_activity(place)


@pytest.fixture
def stored(tmp_path):
    """An activity of the functional phantom, opened again."""
    activity = run("functional-phantom", "a b a", ("final", "pattern"))
    return open_activity(activity.save(tmp_path / "activity.zarr"))


def test_an_opened_activity_gets_its_model_back(stored):
    found = stored.with_model()
    assert found.model.name == stored.source.name
    assert found.notes == stored.notes
    np.testing.assert_array_equal(found["final"], stored.read("final"))
    assert stored.model is None


def test_another_model_is_not_taken_for_it(stored, tmp_path):
    stored.source = replace(stored.source, path=str(tmp_path / "gone"))
    with pytest.raises(TomoError, match=r"is not at .*gone\. Run the text again"):
        stored.with_model()
    stored.source = replace(stored.source, path=None)
    with pytest.raises(TomoError, match="is not known"):
        stored.with_model()


def test_a_model_that_was_trained_on_is_not_taken_for_it(model, tmp_path, monkeypatch):
    folder = tmp_path / "mixture"
    folder.mkdir()
    measured = model.run(IDS, ("final",))
    measured.source = replace(measured.source, path=str(folder))
    values = np.array(measured["final"])

    def opened(factor, **changed):
        activity = Activity(
            measured.tokens, {"final": values * factor}, replace(measured.source, **changed)
        )
        monkeypatch.setattr("napari_gpt2_tomo.activity.running.run.language_model", found)
        return activity.with_model()

    def found(place, *options):
        assert place == folder
        return model

    assert opened(1).model is model
    (note,) = opened(np.float32(1.02)).notes
    assert "differ by 2.0 %" in note
    with pytest.raises(TomoError, match="differ by 50 %"):
        opened(np.float32(2))
    other = replace(measured.source.sizes, n_heads=64)
    with pytest.raises(TomoError, match="n_heads was 64 and is"):
        opened(1, sizes=other)
    (note,) = opened(np.float32(2), changes=("head 0 is zero",)).notes
    assert "could not be checked" in note
