"""A model hub, through ModelScope's own client. For the process that fetches: its import costs 0.2 s and 40 MB."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ipc.errors import QmdError
from qmd_daemon.weights.selection import RemoteFile
from qmd_daemon.weights.supply import Absent, Moved, is_full, no_room

# Files at a time. One connection a file; a model has one large file and a few small ones.
_WORKERS = 4
_AGAIN = "What was fetched is kept: the same command goes on from there."


class Hub:
    """Repositories at an endpoint; "" is the hub's own. `cache` is for the client's lock files."""

    def __init__(self, endpoint: str, cache: str) -> None:
        # Its bars would be in ours; and it would ask each hub which data centre is near.
        os.environ.update(TQDM_DISABLE="1", MODELSCOPE_DOWNLOAD_INTRA_CLOUD="0")
        from modelscope_hub import HubApi, HubConfig

        logging.getLogger("modelscope_hub").setLevel(logging.CRITICAL)
        config = HubConfig(
            endpoint=endpoint or None,
            cache_dir=Path(cache),
            # Somebody's login is not read, and no number that tells this installation from others is kept.
            config_dir=Path(os.devnull),
            # A token in the environment is the hub's, and no mirror's.
            token="" if endpoint else None,
        )
        self.address = config.endpoint or ""
        self._api = HubApi(config)

    def files(self, repository: str, revision: str) -> list[RemoteFile]:
        """What the repository has. Raises Absent, or QmdError("unavailable") when the hub does not answer."""
        from modelscope_hub import AuthenticationError, NotExistError, PermissionDeniedError

        try:
            found = self._api.list_repo_files(repository, "model", revision=revision)
        except (NotExistError, AuthenticationError, PermissionDeniedError) as error:
            raise Absent(repository) from error
        except Exception as error:  # a proxy's page instead of JSON, a connection that ends: the client has many
            raise self._unreachable(error) from error
        return [RemoteFile(name=file.path, size_bytes=file.size or 0, sha256=file.sha256 or "") for file in found]

    def download(
        self, repository: str, revision: str, files: Sequence[RemoteFile], directory: str, moved: Moved
    ) -> None:
        """Put the files into the directory; go on with those that are there in part.

        `moved(name, bytes)` is called from several threads, with less than nothing when a file starts anew.
        Raises QmdError("unavailable") with what failed; the rest has been fetched then.
        """
        from modelscope_hub import FileDownloadError, ProgressCallback

        class Meter(ProgressCallback):
            def update(self, size: int) -> None:
                moved(self.filename, size)

        try:
            self._api.download_repo(
                repository,
                "model",
                revision=revision,
                local_dir=directory,
                max_workers=_WORKERS,
                progress_callbacks=[Meter],
                file_list=[_entry(file) for file in files],
            )
        except FileDownloadError as error:
            name, cause = next(iter(error.failed_files.items()))
            raise self._failed(name, cause) from error
        except Exception as error:
            raise self._unreachable(error) from error

    def _failed(self, name: str, cause: BaseException) -> QmdError:
        from modelscope_hub import FileIntegrityError, NetworkError, NotExistError

        if any(is_full(error) for error in _causes(cause)):
            return no_room(name)
        if isinstance(cause, FileIntegrityError):
            hint = "Try again later, or set QMD_HUB_ENDPOINT to another mirror."
            return QmdError("unavailable", f"{self.address} gives another {name} than the one it lists.", hint)
        if isinstance(cause, NotExistError):
            return QmdError("unavailable", f"{self.address} lists {name} and does not have it.", "Try again later.")
        why = "the connection ended" if isinstance(cause, NetworkError) else _sentence(cause)
        return QmdError("unavailable", f"{name} was not fetched whole: {why}.", _AGAIN)

    def _unreachable(self, error: Exception) -> QmdError:
        from modelscope_hub import NetworkError, RequestTimeoutError, ServerError

        match error:
            case RequestTimeoutError():
                what = "does not answer in time"
            case NetworkError():
                what = "cannot be reached"
            case ServerError():
                what = f"is in trouble: HTTP {error.status_code}"
            case _:
                what = f"does not answer as it should: {_sentence(error)}"
        hint = f"Check the network and the proxy, or set QMD_HUB_ENDPOINT to a mirror. {_AGAIN}"
        return QmdError("unavailable", f"The model hub {self.address} {what}.", hint)


def _entry(file: RemoteFile) -> dict[str, Any]:
    """A file as the client's own lists have it."""
    return {"Path": file.name, "Type": "blob", "Size": file.size_bytes or None, "Sha256": file.sha256 or None}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from: the client takes a full disk for one of the network's troubles."""
    while error is not None:
        yield error
        error = error.__cause__


def _sentence(error: BaseException) -> str:
    """The first line of an error, which may have many, and its kind where it has none."""
    first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return first[:200] or type(error).__name__
