"""A scan tells the same about a model's weights as the loaded model does."""

import numpy as np
import pytest

from activity.running.families import CONFIGS, network
from napari_gpt2_tomo.activity.intervention import ScanWeights
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.facade import Scan


@pytest.mark.parametrize("name", list(CONFIGS))
def test_norms_heads_and_their_weights(tmp_path, name):
    network(name).save_pretrained(tmp_path)
    model = LanguageModel.load(tmp_path, device="cpu")
    with Scan(tmp_path) as scan:
        weights = ScanWeights(scan)
        assert weights.scheme == model.scheme
        assert weights.norm_kind == model.norm_kind
        assert weights.softcap == model.softcap
        heads = model.sizes.n_kv_heads - 1
        for role in ("q", "k", "v", "o"):
            assert np.array_equal(weights.weight(role, 1, heads), model.weight(role, 1, heads))
        for norm in ("attn_norm", "mlp_norm", "attn_post_norm", "mlp_post_norm"):
            try:
                expected = model.weight(norm, 1)
            except TomoError:
                with pytest.raises(TomoError):
                    weights.weight(norm, 1)
            else:
                assert np.allclose(weights.weight(norm, 1), expected, atol=1e-6)
