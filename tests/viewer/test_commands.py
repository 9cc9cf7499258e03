"""The menus and the samples."""

import pytest
from napari.utils.notifications import notification_manager

from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.viewer import commands, samples, work
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.view import view

PLUGIN = "napari-gpt2-tomo"


@pytest.fixture
def shown(viewer, model, settle):
    view(model, viewer)
    settle()
    return viewer


def messages() -> list[str]:
    return [record.message for record in notification_manager.records]


def test_a_scan_is_shown_in_another_way_in_its_layers(shown, settle):
    before = list(shown.layers)
    commands.show_cube(shown)
    settle()
    commands.show_signed(shown)
    settle()
    assert list(shown.layers) == before
    volume = link_of(shown.layers[0]).volume
    assert (volume.layout.name, volume.signal) == ("cube", "signed")


def test_a_dense_model_has_no_experts_to_show(shown, settle):
    notification_manager.records.clear()
    commands.show_experts(shown)
    settle()
    assert any("no experts" in message for message in messages())
    assert link_of(shown.layers[0]).volume.layout.name == "body"


def test_what_is_shown_already_is_said(shown):
    notification_manager.records.clear()
    commands.show_body(shown)
    commands.show_magnitude(shown)
    assert len(shown.layers) == 2
    assert len(messages()) == 2


def test_a_scan_is_added_again_with_a_console_of_its_own(shown, settle):
    commands.show_cube(shown)
    settle()
    commands.add_again(shown)
    settle()
    assert len(shown.layers) == 4
    first, second = (link_of(shown.layers[i]) for i in (0, 2))
    assert first.scan is second.scan
    assert second.volume.layout.name == "cube"
    assert first.console is not second.console


MENU = (
    commands.show_body,
    commands.show_cube,
    commands.show_experts,
    commands.show_magnitude,
    commands.show_signed,
    commands.show_sigma,
    commands.add_again,
    commands.toggle_margins,
    commands.best_detail,
)


def test_without_a_scan_every_command_says_what_to_do(viewer):
    for command in MENU:
        notification_manager.records.clear()
        command(viewer)
        assert messages() == [commands.NO_SCAN]


def test_the_commands_are_in_the_layers_menu(shown, settle):
    from napari._app_model import get_app_model

    app = get_app_model()
    app.commands.execute_command("napari-gpt2-tomo.as_cube").result()
    settle()
    assert link_of(shown.layers[0]).volume.layout.name == "cube"
    items = [item.command.id for item in app.menus.get_menu("napari-gpt2-tomo")]
    assert "napari-gpt2-tomo.margins" in items


def test_the_phantom_is_a_sample(viewer, settle, monkeypatch, cache):
    from napari_gpt2_tomo.checkpoint.phantoms import anatomical as phantom

    make = phantom.phantom_checkpoint
    monkeypatch.setattr(
        phantom, "phantom_checkpoint", lambda progress: make("tiny", None, progress)
    )
    image, _ = viewer.open_sample(PLUGIN, "phantom")
    settle()
    assert image.name == "Phantom GPT-2"


def test_gpt2_comes_from_the_hubs_cache(viewer, settle, monkeypatch, model):
    import huggingface_hub

    path = str(model / "model.safetensors")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: path)
    image, _ = viewer.open_sample(PLUGIN, "gpt2")
    settle()
    assert image.name == "GPT-2 small"


def test_without_a_connection_gpt2_says_what_to_do(viewer, monkeypatch):
    import huggingface_hub

    def fail(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(TomoError, match=r"cannot be downloaded.*hf download.*[Pp]hantom"):
        samples.gpt2()


def test_a_download_shows_its_progress(viewer, monkeypatch, model):
    import huggingface_hub
    from napari.utils.progress import progress

    def download(repository, name, tqdm_class=None):
        bar = tqdm_class(total=100, desc=name)
        bar.update(60)
        bar.update(40)
        return str(model / name)

    # Bars come after a while, which is not what this is about.
    monkeypatch.setattr(work, "PATIENCE", 0)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    seen = []
    progress._all_instances.events.changed.connect(lambda event: seen.extend(event.added or ()))
    (_levels, image, _), _ = samples.gpt2()
    assert image["name"] == "GPT-2 small"
    assert any("GPT-2" in bar.desc for bar in seen)
    image["metadata"][PLUGIN].scan.close()
