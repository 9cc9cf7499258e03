"""What a file really is, judged by its first bytes, in words for the person who opened it."""

__all__ = ["PYTORCH_ADVICE", "describe"]

PYTORCH_ADVICE = (
    "This version does not read PyTorch files; save the model as safetensors, e.g. "
    "safetensors.torch.save_file(torch.load(path, weights_only=True), 'model.safetensors')."
)

_KINDS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "It is a git-lfs pointer, not the weights themselves; run 'git lfs pull' in its folder.",
    ),
    (b"PK\x03\x04", f"It is a zip archive, as PyTorch writes it. {PYTORCH_ADVICE}"),
    (b"\x80\x02", f"It is a Python pickle, as PyTorch writes it. {PYTORCH_ADVICE}"),
    (b"GGUF", "It is a GGUF file, which this version does not read."),
    (b"\x89HDF", "It is an HDF5 file, as Keras writes it; this version does not read it."),
    (b"\x93NUMPY", "It is a numpy file; write it with safetensors.numpy.save_file."),
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
