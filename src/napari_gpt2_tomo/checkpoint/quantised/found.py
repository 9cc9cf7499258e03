"""What a reader of quantised tensors found in a checkpoint."""

from dataclasses import dataclass, field

from ..tensor import LazyTensor

__all__ = ["Found"]


@dataclass
class Found:
    """Quantised tensors in a checkpoint.

    Attributes
    ----------
    scheme
        Short name, for `Checkpoint.format`, e.g. ``"GPTQ"``.
    tensors
        Under the names of the unquantised model: the raw tensor in whose place it is
        listed, and the tensor.
    side_data
        Names of raw tensors that are no parameters themselves.
    unreadable
        Name in the unquantised model → why it cannot be decoded, with its scheme.
    notes
        Sentences for a person.
    """

    scheme: str
    tensors: dict[str, tuple[str, LazyTensor]] = field(default_factory=dict)
    side_data: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.tensors or self.unreadable or self.notes)
