"""Where a checkpoint lies that is not on this machine's disk."""

__all__ = ["Address"]


class Address(str):
    """The address of a file or folder on a server, e.g. ``hf://org/name@main/model.safetensors``.

    Text, with the few things of a path that messages and titles need.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """What stands after the last slash."""
        return self.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> "Address":
        """What stands before the last slash."""
        return Address(self.rstrip("/").rpartition("/")[0])

    def __truediv__(self, name: str) -> "Address":
        return Address(f"{self.rstrip('/')}/{name}")
