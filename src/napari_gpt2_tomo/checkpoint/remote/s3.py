"""Objects of buckets: public ones as they are, private ones signed with the usual credentials."""

import os
from urllib.parse import quote

from ...base import CheckpointError
from .link import Link

__all__ = ["S3Link", "S3Links"]

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
"""Variables that say that the user has credentials; without one buckets are read as anybody."""


def _region() -> str | None:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def _url(bucket: str, key: str) -> str:
    """The URL of an object, at Amazon or at the endpoint that the variables name."""
    own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if own:
        return f"{own.rstrip('/')}/{bucket}/{quote(key)}"
    region = _region()
    host = f"s3.{region}.amazonaws.com" if region else "s3.amazonaws.com"
    # Dots in a bucket's name do not fit the certificate of the host.
    where = f"{host}/{bucket}" if "." in bucket else f"{bucket}.{host}"
    return f"https://{where}/{quote(key)}"


class S3Link(Link):
    """An object of a bucket.

    Parameters
    ----------
    bucket, key
        Which.
    """

    def __init__(self, bucket: str, key: str) -> None:
        self.bucket, self.key = bucket, key
        self.name = f"s3://{bucket}/{key}"

    def target(self, method: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        """The object's URL, signed if there are credentials."""
        url = _url(self.bucket, self.key)
        if not any(os.environ.get(name) for name in CREDENTIALS):
            return url, headers
        return url, {**headers, **_signature(method, url)}

    def advice(self, status: int) -> str:
        """What to do about a refusal."""
        if status in (301, 307, 400):
            return "Set AWS_REGION to the region of the bucket."
        if status in (401, 403):
            return (
                "If it is not public, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "AWS_PROFILE; what is not there is refused in the same words."
            )
        return "Check the address."


class S3Links:
    """Links to the objects of a folder of a bucket."""

    def __init__(self, bucket: str, folder: str) -> None:
        self._bucket, self._folder = bucket, folder

    def __call__(self, name: str) -> Link:
        """How to ask for a file."""
        return S3Link(self._bucket, f"{self._folder}/{name}" if self._folder else name)


def _signature(method: str, url: str) -> dict[str, str]:
    """Headers that sign a request with the credentials that Amazon's own tools would use."""
    try:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.session import get_session
    except ImportError:
        raise CheckpointError(
            "Requests with credentials of Amazon need the package botocore: "
            "pip install 'napari-gpt2-tomo[s3]'."
        ) from None
    from botocore.exceptions import BotoCoreError

    try:
        session = get_session()
        credentials = session.get_credentials()
        if credentials is None:
            return {}
        region = _region() or session.get_config_variable("region") or "us-east-1"
        request = AWSRequest(method, url)
        S3SigV4Auth(credentials.get_frozen_credentials(), "s3", region).add_auth(request)
    except BotoCoreError as error:
        raise CheckpointError(f"The credentials of Amazon cannot be used: {error}") from error
    return {name: str(value) for name, value in request.headers.items()}
