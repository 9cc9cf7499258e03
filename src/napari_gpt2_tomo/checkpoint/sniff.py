"""What a file really is, judged by its first bytes, in words for the person who opened it."""

__all__ = ["PICKLE_ADVICE", "describe"]

PICKLE_ADVICE = (
    "Loading it could run any program, so it is not read. If you trust where it comes from, load "
    "it in Python and save its tensors, e.g. with safetensors.torch.save_file."
)

_KINDS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "It is a git-lfs pointer, not the weights themselves; run 'git lfs pull' in its folder.",
    ),
    (b"PK\x03\x04", "It is a zip archive, but none as PyTorch or numpy writes it, or damaged."),
    (b"\x80", f"It is a Python pickle, but none that PyTorch wrote. {PICKLE_ADVICE}"),
    (b"GGUF", "It is a GGUF file; give it the ending .gguf."),
    (b"\x89HDF", "It is an HDF5 file, as Keras writes it; this version does not read it."),
    (b"\x93NUMPY", "It is an array of numpy; give it the ending .npy."),
    (b"\x1f\x8b", "It is compressed with gzip; unpack it first."),
    (b"\x28\xb5\x2f\xfd", "It is compressed with zstd; unpack it first."),
)


def describe(first: bytes) -> str:
    """A sentence on what a file with these first bytes is and what to do; empty if unknown."""
    for magic, sentence in _KINDS:
        if first.startswith(magic):
            return sentence
    text = first.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return (
            "It is a web page, not the weights themselves: the download gave an error or "
            "login page. Download it again."
        )
    if text.startswith((b"{", b"[")):
        return "It is a JSON text. Open the safetensors file or the folder that holds it."
    return ""
