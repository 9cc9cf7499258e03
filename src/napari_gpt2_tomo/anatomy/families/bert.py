"""Encoders: BERT, RoBERTa, DistilBERT. Norms come after attention and MLP."""

from .table import Family, bare, linear, norm, table

__all__ = ["FAMILIES"]

_LAYER = {
    "attention.self.query": linear("q"),
    "attention.self.key": linear("k"),
    "attention.self.value": linear("v"),
    "attention.output.dense": linear("o"),
    "attention.output.LayerNorm": norm("attn_post_norm"),
    "intermediate.dense": linear("up"),
    "output.dense": linear("down"),
    "output.LayerNorm": norm("mlp_post_norm"),
}
_EMBEDDINGS = {
    "embeddings.word_embeddings": table("token_embedding"),
    "embeddings.position_embeddings": table("position_embedding"),
    "embeddings.token_type_embeddings": table("type_embedding"),
    "embeddings.LayerNorm": norm("embedding_norm"),
}
# Vision transformers share the names of the other modules.
_EVIDENCE = ("encoder.layer.#.attention.self.query.weight", "embeddings.word_embeddings.weight")

FAMILIES = (
    Family(
        "bert",
        block="encoder.layer.#",
        layer=_LAYER,
        outer=_EMBEDDINGS
        | {
            "pooler.dense": linear("pooler"),
            "cls.predictions.transform.dense": linear("head_transform"),
            "cls.predictions.transform.LayerNorm": norm("head_norm"),
            "cls.predictions.decoder": linear("unembedding"),
            "cls.predictions.bias": bare("unembedding_bias"),
            "cls.seq_relationship": linear("classifier"),
            "classifier": linear("classifier"),
            "qa_outputs": linear("classifier"),
        },
        model_types=("bert",),
        evidence=_EVIDENCE,
    ),
    Family(
        "roberta",
        block="encoder.layer.#",
        layer=_LAYER,
        outer=_EMBEDDINGS
        | {
            "pooler.dense": linear("pooler"),
            "lm_head.dense": linear("head_transform"),
            "lm_head.layer_norm": norm("head_norm"),
            "lm_head.decoder": linear("unembedding"),
            "lm_head.bias": bare("unembedding_bias"),
            "classifier.out_proj": linear("classifier"),
            "qa_outputs": linear("classifier"),
        },
        model_types=("roberta", "xlm-roberta", "camembert"),
        evidence=_EVIDENCE,
    ),
    Family(
        "distilbert",
        block="transformer.layer.#",
        layer={
            "attention.q_lin": linear("q"),
            "attention.k_lin": linear("k"),
            "attention.v_lin": linear("v"),
            "attention.out_lin": linear("o"),
            "sa_layer_norm": norm("attn_post_norm"),
            "ffn.lin1": linear("up"),
            "ffn.lin2": linear("down"),
            "output_layer_norm": norm("mlp_post_norm"),
        },
        outer=_EMBEDDINGS
        | {
            "vocab_transform": linear("head_transform"),
            "vocab_layer_norm": norm("head_norm"),
            "vocab_projector": linear("unembedding"),
            "classifier": linear("classifier"),
            "qa_outputs": linear("classifier"),
        },
        model_types=("distilbert",),
    ),
)
