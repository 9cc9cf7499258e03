"""Neighbours, search by text, sums, properties."""

import numpy as np
import pytest

from napari_gpt2_tomo.activity.embedding.arithmetic import evaluate, is_sum, parse
from napari_gpt2_tomo.activity.embedding.neighbours import MEASURES, cosines, local_pca, nearest
from napari_gpt2_tomo.activity.embedding.properties import available, property_of
from napari_gpt2_tomo.activity.embedding.search import TokenIndex
from napari_gpt2_tomo.activity.embedding.space import EmbeddingSpace
from napari_gpt2_tomo.base import TomoError

TEXTS = (" Paris", "Paris", "paris", "##paris", " parish", "comparison", " king", "king")
MORE = (" man", " woman", " queen", "42", "!", " ÉCOLE", "犬", "<|end|>", "Kiev", " a-b", " iPhone")


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    found = np.random.default_rng(0).standard_normal((9000, 24)).astype(np.float32)
    found[5] = 0
    return found


def brute(rows: np.ndarray, query: np.ndarray, measure: str) -> np.ndarray:
    exact, point = rows.astype(np.float64), query.astype(np.float64)
    if measure == "euclid":
        return np.linalg.norm(exact - point, axis=1)
    product = exact @ point
    if measure == "inner":
        return product
    whole = np.linalg.norm(exact, axis=1) * np.linalg.norm(point)
    return np.divide(product, whole, out=np.zeros(len(rows)), where=whole > 0)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("known", [False, True])
def test_neighbours_equal_brute_force(rows: np.ndarray, measure: str, known: bool) -> None:
    norms = np.linalg.norm(rows, axis=1) if known else None
    found = nearest(rows, rows[17], 25, measure, [17], norms)
    values = brute(rows, rows[17], measure)
    order = np.argsort(values if measure == "euclid" else -values, kind="stable")
    expected = order[order != 17][:25]
    assert found.ids.tolist() == expected.tolist()
    np.testing.assert_allclose(found.values, values[expected], rtol=1e-12)


def test_equal_rows_come_by_index(rows: np.ndarray) -> None:
    same = np.tile(rows[:1], (50, 1))
    assert nearest(same, rows[0], 5).ids.tolist() == [0, 1, 2, 3, 4]


def test_there_may_be_fewer_rows_than_are_wanted(rows: np.ndarray) -> None:
    assert len(nearest(rows[:3], rows[0], 10, exclude=[0]).ids) == 2
    assert len(nearest(rows[:1], rows[0], 10, exclude=[0]).ids) == 0


def test_what_cannot_be_compared_is_said(rows: np.ndarray) -> None:
    with pytest.raises(TomoError, match="no measure 'manhattan'"):
        nearest(rows, rows[0], measure="manhattan")  # type: ignore[arg-type]
    with pytest.raises(TomoError, match="3 channels"):
        nearest(rows, np.ones(3))


def test_cosines_of_all(rows: np.ndarray) -> None:
    np.testing.assert_allclose(cosines(rows, rows[3]), brute(rows, rows[3], "cosine"), atol=1e-5)


def test_local_components_are_those_of_the_neighbours(rows: np.ndarray) -> None:
    ids = np.arange(10, 60)
    pca = local_pca(rows, ids)
    chosen = rows[ids] - rows[ids].mean(axis=0)
    values = np.linalg.svd(chosen, compute_uv=False) ** 2
    np.testing.assert_allclose(pca.explained, (values / values.sum())[:3], rtol=1e-4)


def test_exact_text_comes_before_variants_cases_and_parts() -> None:
    found = [(m.id, m.how) for m in TokenIndex(TEXTS).find("Paris")]
    assert found[:2] == [(1, "exact"), (0, "with a leading space")]
    assert {how for _, how in found[2:4]} == {"other case"}
    assert found[4:] == [(4, "begins so"), (5, "contains it")]


def test_a_space_may_be_typed_as_it_is_shown() -> None:
    index = TokenIndex(TEXTS)
    assert index.one("·Paris") == index.one(" Paris") == 0
    assert index.one("PARIS") in (0, 1, 2, 3)
    assert index.one("#6") == 6
    assert index.find("") == []
    assert len(index.find("paris", limit=2)) == 2


def test_a_text_that_is_no_token_names_tokens_like_it() -> None:
    with pytest.raises(TomoError, match=r"not one token.*comparison"):
        TokenIndex(TEXTS).one("comparis")


def test_a_sum_takes_words_as_they_stand_in_a_sentence() -> None:
    index = TokenIndex(TEXTS + MORE)
    words = TEXTS + MORE
    assert parse("king - man + woman", index).terms == (
        (1, words.index(" king")),
        (-1, words.index(" man")),
        (1, words.index(" woman")),
    )
    assert parse('"king" − " man"', index).terms == ((1, 7), (-1, words.index(" man")))


@pytest.mark.parametrize("text", ["", "king man", "king -", "king - xyzzy"])
def test_a_sum_that_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(TomoError):
        parse(text, TokenIndex(TEXTS + MORE))


def test_a_sum_is_told_from_a_token() -> None:
    index = TokenIndex((*TEXTS, *MORE, " - x"))
    assert is_sum("king - man", index)
    assert not is_sum(" a-b", index)
    assert not is_sum(" - x", index)


def test_a_sum_is_computed(rows: np.ndarray) -> None:
    index = TokenIndex(TEXTS + MORE)
    found = evaluate(parse("king - man + woman", index), rows)
    np.testing.assert_allclose(found, rows[6] - rows[8] + rows[9], rtol=1e-5)


@pytest.fixture(scope="module")
def space() -> EmbeddingSpace:
    texts = TEXTS + MORE
    random = np.random.default_rng(1)
    tables = {
        "tokens": random.standard_normal((len(texts), 8)).astype(np.float32),
        "positions": random.standard_normal((30, 8)).astype(np.float32),
    }
    return EmbeddingSpace("m", tables, texts)  # type: ignore[arg-type]


def test_every_property_has_a_value_for_every_token(space: EmbeddingSpace) -> None:
    for name in available(space):
        found = property_of(space, name, selected=2)
        assert found.values.shape == (len(space.labels),)
        known = found.values[np.isfinite(found.values)]
        assert len(known) >= len(space.labels) - 1
        if found.kinds:
            assert known.max() < len(found.kinds)
            assert found.text(0) in found.kinds


@pytest.mark.parametrize(
    ("text", "kind", "script"),
    [
        (" Paris", "Capitalised", "Latin"),
        ("##paris", "lower case", "Latin"),
        (" ÉCOLE", "UPPER CASE", "Latin"),
        (" iPhone", "mixed case", "Latin"),
        ("42", "number", "no letter"),
        ("!", "punctuation", "no letter"),
        ("犬", "letters without case", "Chinese characters"),
        ("<|end|>", "special or bytes", "Latin"),
        (" a-b", "letters and others", "Latin"),
    ],
)
def test_kinds_and_scripts(space: EmbeddingSpace, text: str, kind: str, script: str) -> None:
    assert space.texts is not None
    token = space.texts.index(text)
    assert property_of(space, "kind").text(token) == kind
    assert property_of(space, "script").text(token) == script


def test_a_cosine_without_a_token_is_none(space: EmbeddingSpace) -> None:
    assert property_of(space, "cosine").text(0) == "none"
    found = property_of(space, "cosine", selected=3)
    assert found.text(3) == "none"
    assert found.limits[0] == -found.limits[1]


def test_without_words_properties_of_words_are_not_offered() -> None:
    bare = EmbeddingSpace("m", {"tokens": np.eye(6, 4, dtype=np.float32)})
    assert available(bare) == ["norm", "id", "cosine", "cluster"]
    with pytest.raises(TomoError, match="'script'"):
        property_of(bare, "script")
