import itertools

import numpy as np
import pytest

from activity.intervention.tiny import build
from napari_gpt2_tomo.activity.intervention.composition import (
    Composer,
    composition,
    random_scores,
)
from napari_gpt2_tomo.activity.intervention.folding import Folded
from napari_gpt2_tomo.activity.intervention.weights import ScanWeights
from napari_gpt2_tomo.base import Cancelled, TomoError
from napari_gpt2_tomo.facade import Scan
from real_data import real_data


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    build("llama", folder)
    with Scan(folder) as scan:
        yield ScanWeights(scan)


def by_definition(weights, kind, later, head, earlier, source):
    """The formulas of the paper, with whole channel × channel matrices."""
    kv = weights.sizes.n_kv_heads / weights.sizes.n_heads

    def part(role, layer, which):
        own = int(which * kv) if role in "kv" else which
        return weights.weight(role, layer, own).astype(np.float64)

    ov = part("o", earlier, source) @ part("v", earlier, source).T
    qk = part("q", later, head) @ part("k", later, head).T
    ov2 = part("o", later, head) @ part("v", later, head).T
    first = {"q": qk.T, "k": qk, "v": ov2}[kind]
    norm = np.linalg.norm
    return norm(first @ ov) / (norm(first) * norm(ov))


@pytest.mark.parametrize("kind", ["q", "k", "v"])
def test_scores_are_those_of_the_whole_matrices(weights, kind):
    found = composition(weights, kind, folded=False)
    for later, earlier in itertools.combinations(reversed(range(3)), 2):
        for head, source in itertools.product(range(4), range(4)):
            expected = by_definition(weights, kind, later, head, earlier, source)
            assert found.values[later, head, earlier, source] == pytest.approx(expected, rel=1e-5)


def test_no_score_where_the_source_does_not_come_first(weights):
    values = composition(weights, "v").values
    for later, earlier in itertools.product(range(3), range(3)):
        assert np.isnan(values[later, :, earlier]).all() == (earlier >= later)


def test_folded_gains_change_the_scores_as_the_definition_says(weights):
    folded = Folded(weights)
    found = composition(weights, "k")
    assert found.folded
    assert not composition(folded, "k", folded=False).folded
    expected = by_definition(folded, "k", 2, 1, 0, 3)
    assert found.values[2, 1, 0, 3] == pytest.approx(expected, rel=1e-5)
    assert abs(expected - by_definition(weights, "k", 2, 1, 0, 3)) > 1e-4


def test_strongest_lists_the_highest_scores_first(weights):
    found = composition(weights, "q")
    best = found.strongest(5)
    values = [score for score, *_ in best]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(np.nanmax(found.values))
    for score, (earlier, source), (later, head) in best:
        assert earlier < later
        assert found.values[later, head, earlier, source] == pytest.approx(score)
    assert len(found.strongest(10**6)) == 3 * 16


def test_a_random_rotation_between_two_heads_gives_the_baseline():
    generator = np.random.default_rng(1)
    # Spectra far from flat: the baseline holds for any.
    a, b, c, d = (
        (generator.standard_normal((24, 4)) * [8, 2, 1, 0.1]).astype(np.float32) for _ in range(4)
    )
    scores = random_scores((a, b), (c, d), count=4000, seed=2)
    assert np.sqrt((scores**2).mean()) == pytest.approx(24**-0.5, rel=0.03)
    assert np.array_equal(scores[:3], random_scores((a, b), (c, d), count=3, seed=2))


def test_errors_say_what_to_do(weights):
    composer = Composer(weights)
    with pytest.raises(TomoError, match="no composition 'z'"):
        composition(weights, "z")
    with pytest.raises(TomoError, match="cannot read what layer 2"):
        composer.between("k", 2, 1)


def test_it_can_be_stopped(weights):
    class Stop:
        def start(self, total, description):
            self.total = total

        def advance(self, amount):
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        composition(weights, "k", progress=Stop())


def test_real_gpt2_has_its_known_induction_circuit():
    """Head 4.11 attends to the previous token; induction heads 5.1, 5.5, 6.9 read it as a key.

    Named in Wang et al., "Interpretability in the Wild", 2022, section 3.
    """
    with Scan(real_data("gpt2-attention-fp16")) as scan:
        composer = Composer(Folded(ScanWeights(scan)))
        layer5 = composer.between("k", 4, 5)
        assert layer5[:, 11].argmax() in (1, 5)
        assert (layer5[[1, 5], 11] > 2 * composer.baseline).all()
        assert composer.between("k", 4, 6)[9, 11] > 2 * composer.baseline
