"""A tokenizer of bytes, in the format of the tokenizers library."""

from typing import Any

__all__ = ["byte_tokenizer", "byte_tokenizer_config"]


def byte_tokenizer(end: str, end_id: int) -> dict[str, Any]:
    """A byte tokenizer that puts a token before a text, as ``tokenizer.json`` of `tokenizers`.

    Parameters
    ----------
    end
        Text of the token that begins and ends a text.
    end_id
        Its id; those of the bytes are the bytes.
    """
    level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": False,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": end_id,
                "content": end,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": end, "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [
                {"SpecialToken": {"id": end, "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {end: {"id": end, "ids": [end_id], "tokens": [end]}},
        },
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {**_byte_marks(), end: end_id},
            "merges": [],
        },
    }


def byte_tokenizer_config(end: str, context: int) -> dict[str, Any]:
    """The ``tokenizer_config.json`` beside it."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end,
        "eos_token": end,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }


def _byte_marks() -> dict[str, int]:
    """The visible character that stands for each byte in a byte-level vocabulary.

    Bytes that Latin-1 can print stand for themselves; the others get the characters
    from U+0100 on, in order (the convention of GPT-2's vocabulary).
    """
    printed = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte if byte in printed else 256 + others.index(byte)): byte for byte in range(256)}
