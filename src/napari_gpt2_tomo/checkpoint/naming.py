"""What a checkpoint's file is called, without what all such files are called."""

from .registry import format_named
from .shards import INDEX_SUFFIX, shard_stem

__all__ = ["file_stem"]


def file_stem(name: str) -> str:
    """A file's name without what tells its format, its shard, and that it is an index."""
    stem = name.removesuffix(INDEX_SUFFIX)
    if format_named(stem) is None:
        return stem
    shard = shard_stem(stem)
    return shard[0] if shard else stem[: stem.rindex(".")]
