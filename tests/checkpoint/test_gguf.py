"""GGUF files: the contract of checkpoints, values as the gguf package has them, real files."""

import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from checkpoint import gguf_writer
from checkpoint.gguf_writer import Raw, whole, write
from checkpoint.suite import CheckpointSuite, Recording, equal
from checkpoint.test_header import small_memory
from checkpoint.writer import Sample
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import Region, can_open, open_checkpoint
from napari_gpt2_tomo.checkpoint.dtypes import STORED_TYPES
from napari_gpt2_tomo.checkpoint.formats.gguf_cursor import FIRST_WINDOW
from napari_gpt2_tomo.checkpoint.formats.gguf_types import TYPES
from napari_gpt2_tomo.checkpoint.inventory import Inventory
from napari_gpt2_tomo.checkpoint.naming import file_stem
from napari_gpt2_tomo.checkpoint.source import MappedFile
from napari_gpt2_tomo.display.vocabulary import Vocabulary
from real_data import real_data

BLOCKS = {one.name: one for one in TYPES.values() if not one.is_plain and one.readable}
CODED = [name for name, one in BLOCKS.items() if one.group]
AFFINE = ("Q4_1", "Q5_1", "Q2_K", "Q4_K", "Q5_K")


class TestPlainGguf(CheckpointSuite):
    stored_types = ("F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        raw = {
            name: Raw(sample.stored, sample.bits.shape, sample.bits.tobytes())
            for name, sample in tensors.items()
        }
        return write(folder / "model.gguf", raw)

    def test_opening_reads_no_values(
        self, path: Path, samples: dict[str, Sample], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Where a header ends is only known when it was read: a little more is.
        file = write(path.parent / "large.gguf", {"a": Raw.random("F32", (1 << 20,))})
        recording = Recording(monkeypatch)
        with open_checkpoint(file) as checkpoint:
            assert checkpoint["a"].shape == (1 << 20,)
        assert recording.nbytes <= FIRST_WINDOW + 100


@pytest.fixture(scope="module")
def samples() -> dict[str, Raw]:
    return {name: Raw.random(name, (5, 2, 512), seed) for seed, name in enumerate(BLOCKS)}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, samples: dict[str, Raw]) -> Any:
    path = write(tmp_path_factory.mktemp("gguf") / "blocks.gguf", samples)
    with open_checkpoint(path) as checkpoint:
        yield checkpoint


def test_types_are_those_of_the_package() -> None:
    for one in TYPES.values():
        kind = gguf.GGMLQuantizationType(one.number)
        assert (one.name, one.values, one.nbytes) == (kind.name, *gguf.GGML_QUANT_SIZES[kind])
        assert one.is_plain == (one.name in STORED_TYPES)
        # What neither can decode yet may come with another release of the package.
        assert one.is_plain or not one.readable or kind in gguf.quants._type_traits


@pytest.mark.parametrize("kind", BLOCKS)
def test_values_equal_the_packages_bit_for_bit(
    opened: Any, samples: dict[str, Raw], kind: str
) -> None:
    tensor, expected = opened[kind], samples[kind].values
    assert (tensor.stored, tensor.element, tensor.nbytes) == (kind, "F32", len(samples[kind].data))
    found = tensor[...]
    assert equal(found, expected)
    # Signs of zeros, too; of NaN only that they are.
    assert np.array_equal(np.signbit(found[found == 0]), np.signbit(expected[expected == 0]))
    assert f"{8 * tensor.nbytes / tensor.size:.4g} bits per weight" in tensor.scheme


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(data=st.data())
def test_any_index_gives_what_numpy_gives(
    opened: Any, samples: dict[str, Raw], data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(sorted(BLOCKS)))
    expected = samples[kind].values
    index = data.draw(hnp.basic_indices(expected.shape, allow_newaxis=True, allow_ellipsis=True))
    assert equal(opened[kind][index], expected[index])


@pytest.mark.parametrize("kind", CODED)
def test_codes_and_scales_reproduce_the_values(opened: Any, kind: str) -> None:
    tensor = opened[kind]
    codes, scales, minima = tensor.codes, tensor.scales, tensor.minima
    group = BLOCKS[kind].group
    assert codes.shape == tensor.shape
    assert codes.dtype == (np.uint8 if kind in AFFINE else np.int8)
    assert scales.shape == (*tensor.shape[:-1], tensor.shape[-1] // group)
    assert (minima is not None) == (kind in AFFINE)
    with np.errstate(all="ignore"):
        values = codes[...].astype(np.float32) * np.repeat(scales[...], group, -1)
        if minima is not None:
            values -= np.repeat(minima[...], group, -1)
    assert equal(values, tensor[...])
    assert f"groups of {group}" in tensor.scheme
    for one in (codes, scales, minima or codes):
        assert equal(one[3, 1, ::-7], one[...][3, 1, ::-7])
        assert equal(pickle.loads(pickle.dumps(one))[...], one[...])


@pytest.mark.parametrize("kind", sorted(set(BLOCKS) - set(CODED)))
def test_types_without_codes_say_so(opened: Any, kind: str) -> None:
    tensor = opened[kind]
    assert tensor.codes is tensor.scales is tensor.minima is None
    assert "table of vectors instead of codes" in tensor.scheme


@pytest.mark.parametrize(
    ("index", "blocks"),
    [
        (np.s_[3], 4),
        (np.s_[3, 0, 300], 1),
        (np.s_[:, 1, 256:], 5),
        (np.s_[::2, 1], 6),
        (np.s_[..., 7], 10),
    ],
    ids=str,
)
def test_reads_only_the_blocks_of_a_region(
    opened: Any, samples: dict[str, Raw], monkeypatch: pytest.MonkeyPatch, index: Any, blocks: int
) -> None:
    for kind in ("Q4_K", "IQ2_S"):
        recording = Recording(monkeypatch)
        assert equal(opened[kind][index], samples[kind].values[index])
        assert recording.nbytes == blocks * BLOCKS[kind].nbytes
    recording = Recording(monkeypatch)
    assert opened["Q6_K"].scales[2, 1, :3].shape == (3,)
    assert recording.nbytes == BLOCKS["Q6_K"].nbytes


def test_rows_apart_are_decoded_together(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = opened["Q4_0"]
    taken = []
    decode = type(tensor).decode

    def recorded(self: Any, rows: slice, columns: slice) -> Any:
        taken.append((rows, columns))
        return decode(self, rows, columns)

    monkeypatch.setattr(type(tensor), "decode", recorded)
    # Every second row, as the halves of a head are stored.
    found = tensor.read(Region(512, (4, 512), (1024, 1)))
    assert equal(found, tensor[...].reshape(10, 512)[1:9:2])
    assert taken[0] == (slice(1, 8, 2), slice(0, 512))


def test_tensors_travel_as_a_path(opened: Any, samples: dict[str, Raw]) -> None:
    for kind in ("Q4_K", "IQ2_XS"):
        opened[kind][0]
        sent = pickle.dumps(opened[kind])
        assert len(sent) < 2000
        assert equal(pickle.loads(sent)[...], samples[kind].values)


def test_files_of_a_split_are_one_checkpoint(tmp_path: Path) -> None:
    first = Raw.random("Q8_0", (3, 32), 1)
    rest = {2: {"b": Raw.random("F16", (4,), 2)}, 3: {"c": Raw.random("Q6_K", (256,), 3)}}
    name = "model-{:05}-of-00003.gguf".format
    metadata = {"general.architecture": "llama", "llama.block_count": 3, "split.no": 0}
    write(tmp_path / name(1), {"a": first}, metadata=metadata)
    for number, tensors in rest.items():
        more = {"split.no": number - 1, "split.count": 3}
        write(tmp_path / name(number), tensors, metadata=more)
    for path in (tmp_path, tmp_path / name(1), tmp_path / name(3)):
        with open_checkpoint(path) as checkpoint:
            assert list(checkpoint) == ["a", "b", "c"]
            assert [file.name for file in checkpoint.files] == [name(1), name(2), name(3)]
            assert checkpoint.metadata["llama.block_count"] == "3"
            assert checkpoint.metadata["split.no"] == "0"
            assert equal(checkpoint["c"][...], rest[3]["c"].values)
    (tmp_path / name(2)).unlink()
    with open_checkpoint(tmp_path) as checkpoint:
        assert list(checkpoint) == ["a", "c"]
        assert any("1 of the 3 files" in note for note in checkpoint.notes)
    write(tmp_path / name(2), {"a": first})
    with pytest.raises(CheckpointError, match=r"both hold the tensor 'a'"):
        open_checkpoint(tmp_path)


def test_metadata_are_text_and_long_arrays_are_shortened(tmp_path: Path) -> None:
    metadata = {
        "general.name": "Ä model",
        "llama.rope.freq_base": 0.5,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.tokens": [f"token {i}" for i in range(2000)],
        "tokenizer.ggml.scores": [float(-i) for i in range(2000)],
        "few": [3, -4],
        "tokenizer.chat_template": "x" * 100_000,
    }
    path = write(tmp_path / "a.gguf", {"a": Raw.random("F32", (3,))}, metadata=metadata)
    with open_checkpoint(path) as checkpoint:
        found = checkpoint.metadata
        assert found["general.name"] == "Ä model"
        assert found["llama.rope.freq_base"] == "0.5"
        assert found["tokenizer.ggml.add_bos_token"] == "True"
        assert found["few"] == "[3, -4]"
        assert found["tokenizer.ggml.scores"].startswith("[0.0, -1.0, ")
        assert found["tokenizer.ggml.tokens"].endswith("'token 7', … (2,000 in all)]")
        assert found["tokenizer.chat_template"].endswith("x… (100000 bytes)")
        assert checkpoint.vocabulary == tuple(metadata["tokenizer.ggml.tokens"])
    with open_checkpoint(write(tmp_path / "b.gguf", {"a": Raw.random("F32", (3,))})) as checkpoint:
        assert checkpoint.vocabulary is None


@pytest.mark.parametrize("alignment", [1, 8, 64, 4096])
@pytest.mark.parametrize("version", [2, 3])
def test_alignment_and_both_versions(tmp_path: Path, alignment: int, version: int) -> None:
    tensors = {"a": Raw.random("Q4_0", (3, 32), 1), "b": Raw.random("I8", (5,), 2)}
    content = whole(tensors, alignment=alignment, version=version)
    (tmp_path / "a.gguf").write_bytes(content)
    with open_checkpoint(tmp_path) as checkpoint:
        assert equal(checkpoint["a"][...], tensors["a"].values)
        assert checkpoint["b"][...].tobytes() == tensors["b"].data


def test_what_the_package_writes_is_read(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    values = np.random.default_rng(1).normal(size=(4, 64)).astype(np.float32)
    writer.add_tensor("plain", values)
    packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q5_0)
    writer.add_tensor("packed", packed, raw_dtype=gguf.GGMLQuantizationType.Q5_0)
    writer.add_block_count(7)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with open_checkpoint(tmp_path / "a.gguf") as checkpoint:
        assert equal(checkpoint["plain"][...], values)
        assert np.abs(checkpoint["packed"][...] - values).max() < 0.2
        assert checkpoint.metadata["llama.block_count"] == "7"


def test_content_tells_a_file_without_its_suffix(tmp_path: Path) -> None:
    path = write(tmp_path / "5d41402abc4b2a76", {"a": Raw.random("Q8_0", (32,))})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.format == "GGUF"


def test_tensors_of_unknown_types_are_missing_with_the_reason(tmp_path: Path) -> None:
    entries = [gguf_writer.tensor("a"), gguf_writer.tensor("b", (256,), 15, 32)]
    entries.append(gguf_writer.tensor("c", (7,), 99, 32 + 320))
    (tmp_path / "a.gguf").write_bytes(gguf_writer.file([], entries, bytes(400)))
    with open_checkpoint(tmp_path) as checkpoint:
        assert list(checkpoint) == ["a"]
        assert "Q8_K" in checkpoint.missing["b"]
        assert "99" in checkpoint.missing["c"]
        with pytest.raises(KeyError, match="Q8_K"):
            checkpoint["b"]
    (tmp_path / "a.gguf").write_bytes(gguf_writer.file([], [entries[2]], bytes(400)))
    with pytest.raises(CheckpointError, match=r"No tensor of .* can be read: c: .* 99"):
        open_checkpoint(tmp_path)


REAL = (
    "char-gpt2-f16", "char-gpt2-q4_0", "char-gpt2-q8_0", "gpt2-attn-output-mixed",
    "stories260K-f16", "stories260K-q4_0", "stories260K-q4_1", "stories260K-q5_0",
    "stories260K-q5_1", "stories260K-q8_0",
)  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_files_hold_what_llama_cpp_says(name: str) -> None:
    path = real_data(f"gguf/{name}.gguf")
    truth = json.loads(real_data(f"gguf/{name}.gguf.truth.json").read_text())
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == list(truth)
        for tensor, expected in truth.items():
            lazy = checkpoint[tensor]
            assert (lazy.stored, list(lazy.shape)) == (expected["type"], expected["shape"])
            assert lazy.nbytes == expected["n_bytes"]
            values = np.asarray(lazy).astype(np.float32)
            assert hashlib.sha256(values.tobytes()).hexdigest() == expected["sha256_f32"]


@pytest.mark.parametrize(
    ("file", "folder", "error"),
    [
        ("stories260K", "stories260K", 0.0),
        ("stories260K-q8_0", "stories260K", 0.008),
        ("stories260K-q4_0", "stories260K", 0.1),
        ("char-gpt2-f16", "char-gpt2-series/step06000", 0.0005),
        ("char-gpt2-q4_0", "char-gpt2-series/step06000", 0.12),
    ],
)
def test_real_models_have_the_parts_of_their_originals(
    file: str, folder: str, error: float
) -> None:
    from napari_gpt2_tomo import scan

    with scan(real_data(f"gguf/{file}.gguf")) as ours, scan(real_data(folder)) as theirs:
        expected = {part.name: part for part in theirs.anatomy.parts}
        found = {part.name: part for part in ours.anatomy.parts}
        # The published file holds the tied table twice.
        assert set(found) - {"unembedding"} == set(expected)
        for name, part in expected.items():
            a, b = ours.values(found[name]), theirs.values(part)
            assert np.linalg.norm(a - b) <= error * np.linalg.norm(b), name


def test_a_large_file_takes_no_memory(tmp_path: Path) -> None:
    # 14 GB, of which nothing but the header is on disk.
    shape = (400_000, 1 << 16)
    entry = gguf_writer.tensor("w", shape, gguf_writer.NUMBERS["Q4_K"])
    content = gguf_writer.file([], [entry])
    path = tmp_path / "large.gguf"
    size = shape[0] * shape[1] // 256 * 144
    with open(path, "wb") as file:
        file.write(content)
        file.truncate(len(content) + size)
    out = np.empty((64, 1 << 16), np.float32)
    with small_memory(12_000_000), open_checkpoint(path) as checkpoint:
        tensor = checkpoint["w"]
        assert tensor.nbytes == size > 14e9
        assert not tensor[399_999].any()
        assert not tensor[::4000, 12345].any()
        assert not tensor.codes[::4000, -1].any()
        assert not tensor.scales[-1].any()
        # Sixteen megabytes of values, of rows that lie apart.
        tensor.read_into(Region(7, out.shape, (1 << 17, 1)), out)
    assert not out.any()


def test_says_which_bytes_a_server_would_be_asked_for(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensor = opened["Q6_K"]
    assert list(tensor.ranges(Region.whole(tensor.shape))) == []
    monkeypatch.setattr(MappedFile, "is_remote", True)
    monkeypatch.setattr(MappedFile, "max_gap", 0)
    ((_, ranges),) = tensor.ranges(Region(5 * 512 + 300, (2,), (512,)))
    recording = Recording(monkeypatch)
    tensor.read(Region(5 * 512 + 300, (2,), (512,)))
    assert ranges.tolist() == sorted([start, stop] for _, start, stop in recording.ranges)


def test_an_address_tells_code_scale_and_minimum(tmp_path: Path) -> None:
    tensors = {"a": Raw.quantised("Q4_1", np.random.default_rng(1).normal(size=(4, 64)))}
    from napari_gpt2_tomo import scan

    with scan(write(tmp_path / "a.gguf", tensors)) as opened:
        volume = opened.volume("cube", exact=False)
        address = volume.address(volume.voxel("a", (2, 40)))
        value = np.float32(address.code) * np.float32(address.scale) - np.float32(address.minimum)
        assert address.stored == value
        assert "code" in address.quantum
        assert "minimum" in address.quantum
        assert "Q4_1" in address.quantum


def test_an_inventory_counts_types(tmp_path: Path) -> None:
    tensors = {"a": Raw.random("Q4_0", (4, 64)), "b": Raw.random("Q4_0", (32,))}
    tensors["c"] = Raw.random("F32", (8,))
    metadata = {"general.architecture": "llama", "general.name": "Tiny"}
    with open_checkpoint(write(tmp_path / "a.gguf", tensors, metadata=metadata)) as checkpoint:
        found = Inventory.of(checkpoint)
    assert found.types["Q4_0"].tensors == 2
    assert found.types["Q4_0"].elements == 288
    assert found.bits == 8 * (9 * 18 + 32) / 296
    lines = "GGUF · architecture llama · “Tiny” · 1 file · 5.243 bits per element\n"
    assert found.describe() == lines + "tensors: 2 × Q4_0, 1 × F32"
    assert found.to_json()["types"]["F32"] == {"tensors": 1, "elements": 8, "bytes": 32}


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("llama-q4_0.gguf", "llama-q4_0"),
        ("qwen2.5-00001-of-00003.gguf", "qwen2.5"),
        ("model.safetensors", "model"),
        ("model.safetensors.index.json", "model"),
        ("5d41402abc", "5d41402abc"),
    ],
)
def test_stems_of_file_names(name: str, stem: str) -> None:
    assert file_stem(name) == stem


def test_titles_of_usual_names_come_from_the_file(tmp_path: Path) -> None:
    from napari_gpt2_tomo import scan

    metadata = {"general.name": "Tiny"}
    for name, title in (("ggml-model-q8_0.gguf", "Tiny"), ("tiny-q8_0.gguf", "tiny-q8_0")):
        path = write(tmp_path / name, {"a": Raw.random("F32", (3,))}, metadata=metadata)
        with scan(path) as opened:
            assert opened.name == title


def test_its_words_are_a_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"of": 0, "another": 1}')
    metadata = {"tokenizer.ggml.tokens": ["<unk>", "▁the", "<0x0A>", "▁cat"]}
    path = write(tmp_path / "a.gguf", {"a": Raw.random("F32", (3,))}, metadata=metadata)
    with open_checkpoint(path) as checkpoint:
        words = Vocabulary.of(checkpoint)
        assert words.find("the").id == 1
        assert words.text(3) == " cat"
    with open_checkpoint(write(tmp_path / "a.gguf", {"a": Raw.random("F32", (3,))})) as checkpoint:
        assert Vocabulary.of(checkpoint).find("another").id == 1


def test_can_be_dropped(tmp_path: Path) -> None:
    assert can_open(write(tmp_path / "a.gguf", {"a": Raw.random("F32", (3,))}))
    assert can_open(tmp_path)
    assert not can_open(tmp_path / "b.gguf")
