"""What lies at an address, in a few lines, before it is opened."""

from dataclasses import dataclass

from ...base import CheckpointError, Progress
from ...base.sizes import megabytes
from ...checkpoint.address import Address
from ...checkpoint.remote.open import choices
from ...checkpoint.remote.traffic import Traffic, watched
from ...facade import Scan

__all__ = ["Summary", "look"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the headers at an address say.

    Attributes
    ----------
    address
        What was asked for.
    lines
        Sentences for a person.
    found
        The checkpoints to choose from, where it is a folder with several; the lines are
        about none of them then.
    nbytes
        Bytes of the files that hold tensors.
    read
        Bytes that were read to learn this.
    """

    address: Address
    lines: tuple[str, ...]
    found: tuple[Address, ...] = ()
    nbytes: int = 0
    read: int = 0


def look(address: Address, progress: Progress) -> Summary:
    """Read the headers at an address.

    Raises
    ------
    CheckpointError
        There is no checkpoint, or it may not be read.
    """
    progress.start(1, f"Looking at {address}")
    with watched(progress):
        try:
            scan = Scan(address)
        except CheckpointError as error:
            if "open one of them" not in str(error):
                raise
            found = choices(address)
            return Summary(address, (f"{len(found)} checkpoints lie there: choose one.",), found)
        with scan:
            return _summary(address, scan)


def _summary(address: Address, scan: Scan) -> Summary:
    checkpoint, anatomy = scan.checkpoint, scan.anatomy
    traffic = Traffic.of(address)
    files = len(checkpoint.files)
    nbytes = sum(tensor.nbytes for tensor in checkpoint.values())
    lines = [
        f"{megabytes(nbytes)} in {files} file{'s' * (files != 1)}, {checkpoint.format}",
        f"{len(checkpoint):,} tensors, {anatomy.n_parameters:,} parameters",
    ]
    if anatomy.family is not None:
        sizes = anatomy.hyper
        told = [f"{sizes.n_layers} layers" if sizes.n_layers else "", f"d = {sizes.d_model}"]
        lines.append(" · ".join([anatomy.family, *(one for one in told if one)]))
    if checkpoint.missing:
        lines.append(f"{len(checkpoint.missing):,} tensors are absent.")
    lines.append(f"{megabytes(traffic.received)} were read to learn this.")
    return Summary(address, tuple(lines), nbytes=nbytes, read=traffic.received)
