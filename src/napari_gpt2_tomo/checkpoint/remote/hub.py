"""Models of the Hugging Face hub, by the library of the hub."""

import os
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ...base import CheckpointError
from ..address import Address
from .addresses import HubName, hub_text
from .blocks import about, keep_about
from .link import Link, Version
from .place import RemotePlace
from .settings import OFFLINE_VARIABLE, is_offline
from .transfer import Offline

__all__ = ["HubPlace", "Listing", "endpoint", "listing"]

TIMEOUT = 30.0
"""Seconds that the hub gets to answer what a model consists of."""


class Listing(NamedTuple):
    """What a model consists of at one commit.

    Attributes
    ----------
    commit
        The commit that the asked revision stood for.
    files
        Name → bytes and what tells the content from any other, None where the hub does not say.
    """

    commit: str
    files: dict[str, tuple[int | None, str | None]]


def endpoint() -> str:
    """The hub's address, or that of a mirror: the variable HF_ENDPOINT."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def listing(name: HubName) -> Listing:
    """The files of a model, asked of the hub or remembered where no connection may be made.

    Raises
    ------
    CheckpointError
        There is no such model or revision, it may not be read, or the hub cannot be reached.
    """
    key = hub_text(HubName(name.repository, name.revision))
    if is_offline(hub=True):
        found = _remembered(key) or _downloaded(name)
        if found is None:
            raise Offline(
                f"{key} was not opened before, and no connection may be made. Unset "
                f"{OFFLINE_VARIABLE} and HF_HUB_OFFLINE to read it."
            )
        return found
    from huggingface_hub import HfApi

    try:
        told = HfApi(endpoint=endpoint()).model_info(
            name.repository, revision=name.revision, files_metadata=True, timeout=TIMEOUT
        )
    except Exception as error:
        raise CheckpointError(_explained(key, name, error)) from error
    files = {one.rfilename: (one.size, _identity(one)) for one in told.siblings or ()}
    found = Listing(str(told.sha), files)
    keep_about(key, {"commit": found.commit, "files": files})
    return found


def _identity(file: Any) -> str | None:
    """The hash that the hub has of a file's content."""
    large = getattr(file, "lfs", None)
    return getattr(large, "sha256", None) or getattr(file, "blob_id", None)


def _remembered(key: str) -> Listing | None:
    kept = about(key)
    if kept is None:
        return None
    return Listing(kept["commit"], {name: tuple(file) for name, file in kept["files"].items()})


def _downloaded(name: HubName) -> Listing | None:
    """What the hub's own cache has of a revision."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name.repository, "config.json", revision=name.revision)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    files: dict[str, tuple[int | None, str | None]] = {
        path.relative_to(folder).as_posix(): (path.stat().st_size, None)
        for path in folder.rglob("*")
        if path.is_file()
    }
    return Listing(folder.name, files)


def _explained(key: str, name: HubName, error: Exception) -> str:
    """A refusal of the hub, in words for whoever opened an address."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            f"{key} is given only to those who accepted its terms: accept them on "
            f"{endpoint()}/{name.repository}, and set HF_TOKEN to a token of yours."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{key}: the model {name.repository} has no revision {name.revision!r}."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{key} is not there, or is private. Check the name; for a private model set HF_TOKEN "
            "to a token that may read it, or run 'hf auth login'."
        )
    if isinstance(error, errors.HFValidationError):
        return f"{key} names no model of the hub: {error}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return f"{key}: the hub does not take your token (401). Set HF_TOKEN to a valid one."
    if status == 404:
        return f"{key} is not there ({endpoint()} answers 404). Check the name."
    if status is not None:
        return f"{key} cannot be read: {endpoint()} answers {status}. Try again later."
    return (
        f"{endpoint()} cannot be reached ({type(error).__name__}). Check the connection; with "
        f"{OFFLINE_VARIABLE}=1 what was read before can be opened."
    )


class HubLink(Link):
    """A file of a model at one commit.

    Parameters
    ----------
    repository, commit, file
        Which.
    """

    is_hub = True
    is_fixed = True

    def __init__(self, repository: str, commit: str, file: str) -> None:
        self.repository, self.commit, self.file = repository, commit, file
        self.name = f"hf://{repository}@{commit}/{file}"

    def target(self, method: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """The hub's URL, with the user's token."""
        from huggingface_hub import get_token, hf_hub_url

        url = hf_hub_url(self.repository, self.file, revision=self.commit, endpoint=endpoint())
        token = get_token()
        return url, {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}

    def advice(self, status: int) -> str:
        """What to do about a refusal."""
        if status in (401, 403):
            return (
                f"Accept the model's terms on {endpoint()}/{self.repository} if it has some, and "
                "set HF_TOKEN to a token that may read it."
            )
        return "Check the address."


class HubPlace(RemotePlace):
    """A model of the hub, or a folder in one, at the commit that its revision stood for.

    Parameters
    ----------
    name
        Which, its path a folder.
    found
        The files of the whole model.
    """

    def __init__(self, name: HubName, found: Listing) -> None:
        super().__init__(Address(hub_text(name)))
        self.name = name
        self.commit = found.commit
        self._prefix = f"{name.path}/" if name.path else ""
        self._files = {
            file.removeprefix(self._prefix): known
            for file, known in found.files.items()
            if file.startswith(self._prefix)
        }

    @property
    def snapshot(self) -> Path:
        """Where the hub's own cache has the folder, or would have it."""
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        model = repo_folder_name(repo_id=self.name.repository, repo_type="model")
        return Path(constants.HF_HUB_CACHE, model, "snapshots", self.commit, self.name.path)

    def prefixed(self, name: str) -> str:
        """The name of a file in the whole model."""
        return self._prefix + name

    def names(self) -> tuple[str, ...]:
        """Names of the files directly in it, sorted."""
        return tuple(sorted(name for name in self._files if "/" not in name))

    def folders(self) -> tuple[str, ...]:
        """Names of the folders directly in it, sorted."""
        return tuple(sorted({name.split("/")[0] for name in self._files if "/" in name}))

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return str(PurePosixPath(name)) in self._files

    def file(self, name: str) -> Path | None:
        """Where the hub's own cache has a file on disk, None if it has not."""
        from huggingface_hub import try_to_load_from_cache

        if not self.has(name):
            return None
        found = try_to_load_from_cache(
            self.name.repository, self._prefix + name, revision=self.commit
        )
        return Path(found) if isinstance(found, str) else None

    def link(self, name: str) -> Link:
        """How to ask for a file."""
        return HubLink(self.name.repository, self.commit, self._prefix + name)

    def version(self, name: str) -> Version | None:
        """What the hub says of a file."""
        size, identity = self._files[str(PurePosixPath(name))]
        return None if size is None else Version(size, identity or self.commit)
