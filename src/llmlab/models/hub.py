"""Fetches GGUF files from the Hugging Face Hub, or from a server that speaks its protocol.

Files go to a folder of the lab, unless the Hub's own programs have fetched them before.
``HF_ENDPOINT`` names another server, ``HF_TOKEN`` is the key to repositories that ask for one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmlab.errors import (
    AccessError,
    InvalidRequestError,
    ModelNotFoundError,
    UnavailableError,
)
from llmlab.files import inside
from llmlab.models.transfer import arrived, bring, has_digest

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

Progress = Callable[[int, int], None]

HUGGING_FACE = "https://huggingface.co"

# What most people want of a repository with many: small, and nearly as good as the original.
_PREFERRED = ("Q4_K_M", "Q4_K_S", "Q4_0", "Q5_K_M", "IQ4_XS", "Q6_K", "Q8_0")
_LINK = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/")
_REFERENCE = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?")
_PART = re.compile(r"-(\d{5})-of-\d{5}(?=\.gguf$)")
# Goes with a model that sees, and is none by itself.
_PROJECTOR = "mmproj"
_SPARE_BYTES = 256 * 1024**2
_SHOWN_FILES = 12


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository.

    Attributes:
        name: Path in the repository.
        size: In bytes; 0 if the server does not say.
        sha256: Of its content; empty if the server does not say.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model of a repository, chosen but not fetched.

    Attributes:
        repository: ``owner/name``.
        revision: Commit that the files belong to.
        files: The GGUF file, or its parts in order.
    """

    repository: str
    revision: str
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Hub:
    """A hub of models; its calls block.

    Args:
        folder: Where the files go.
        endpoint: Address of the server; that of ``HF_ENDPOINT``, or Hugging Face, without it.
    """

    def __init__(self, folder: Path, endpoint: str | None = None) -> None:
        self._folder = folder
        self._endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or HUGGING_FACE).rstrip("/")

    def find(self, reference: str, file: str | None = None) -> HubModel:
        """Return the model that a reference means.

        Args:
            reference: ``owner/name``, ``owner/name:Q4_K_M``, or a page's address at the Hub.
            file: Name of the file wanted; of a split model, any part.

        Raises:
            InvalidRequestError: The reference is none, or fits no file or several.
            ModelNotFoundError: There is no such repository, or it holds no GGUF file.
            AccessError: The repository asks for a key or for consent.
            UnavailableError: The server cannot be reached.
        """
        repository, quantization = read_reference(reference)
        with self._explained(repository):
            info = self._api().model_info(repository, files_metadata=True)
        models = _models_of(info)
        if not models:
            raise ModelNotFoundError(
                f"{repository} holds no GGUF file. Look for a repository of the same model whose"
                " name ends in -GGUF.",
                param="model",
            )
        files = _choose(repository, models, quantization, file)
        return HubModel(repository, info.sha or "main", files)

    def fetch(self, model: HubModel, on_progress: Progress | None = None) -> Path:
        """Return the path of the model's first file, fetched unless it is here already.

        Args:
            model: From `find`.
            on_progress: Called with the bytes that are here and how many there will be.

        Raises:
            InvalidRequestError: The disk has too little space.
            InvalidModelFileError: A file is not what the server announced.
            AccessError: The repository asks for a key or for consent.
            ConflictError: Another process fetches it now.
            UnavailableError: The server cannot be reached, or broke off again and again.
        """
        here = self._find_here(model)
        if here is not None:
            return here
        self._check_space(model)
        done = 0
        for file in model.files:
            self._fetch_file(model, file, done, on_progress)
            done += file.size
        return self._target(model, model.files[0])

    def _fetch_file(
        self, model: HubModel, file: HubFile, before: int, on_progress: Progress | None
    ) -> None:
        from huggingface_hub import hf_hub_url

        target = self._target(model, file)
        if has_digest(target, file.sha256):
            return

        def report(done: int) -> None:
            if on_progress is not None:
                on_progress(before + done, model.size)

        url = hf_hub_url(
            model.repository, file.name, revision=model.revision, endpoint=self._endpoint
        )
        with self._explained(model.repository):
            bring(url, target, file.sha256, report)

    def _find_here(self, model: HubModel) -> Path | None:
        """The first file, if all are in our folder, or in that which the Hub's programs share."""
        for find in (self._target, _shared):
            paths = [find(model, file) for file in model.files]
            files = zip(paths, model.files, strict=True)
            if all(path is not None and has_digest(path, file.sha256) for path, file in files):
                return paths[0]
        return None

    def _target(self, model: HubModel, file: HubFile) -> Path:
        return inside(self._folder, f"{model.repository}/{file.name}")

    def _check_space(self, model: HubModel) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        there = sum(arrived(self._target(model, file), file.sha256) for file in model.files)
        if model.size - there + _SPARE_BYTES > free:
            raise InvalidRequestError(
                f"{model.repository} takes {model.size / 1e9:.1f} GB, and {self._folder} has"
                f" {free / 1e9:.1f} GB free. Make room, or choose a smaller file."
            )

    def _api(self) -> HfApi:
        from huggingface_hub import HfApi, logging

        # What goes wrong is told by our errors; hints for other programs' users are not needed.
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        return HfApi(endpoint=self._endpoint)

    @contextlib.contextmanager
    def _explained(self, repository: str) -> Iterator[None]:
        """Turns the library's errors into ours."""
        from huggingface_hub import errors

        # That of the HTTP library below, which is not the same in all versions.
        http_error: type[Exception] = errors.HfHubHTTPError.__bases__[0]
        try:
            yield
        except errors.GatedRepoError as error:
            raise AccessError(
                f"{repository} is open only to those who accepted its terms. Accept them on its"
                " page and set HF_TOKEN to your access token."
            ) from error
        except errors.RepositoryNotFoundError as error:
            raise ModelNotFoundError(
                f"There is no repository {repository}, or it is private. Check its name, or set"
                " HF_TOKEN to your access token.",
                param="model",
            ) from error
        except errors.EntryNotFoundError as error:
            raise ModelNotFoundError(f"{repository} changed meanwhile: {error}") from error
        except (http_error, errors.XetDownloadError, ConnectionError) as error:
            raise UnavailableError(_unreachable(repository, self._endpoint, error)) from error
        except (errors.HFValidationError, ValueError) as error:
            raise InvalidRequestError(f"{repository} is no repository: {error}") from error
        except OSError as error:
            raise UnavailableError(f"{repository} cannot be written to disk: {error}.") from error


def _shared(model: HubModel, file: HubFile) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model.repository, file.name, revision=model.revision)
    return Path(found) if isinstance(found, str) else None


def read_reference(reference: str) -> tuple[str, str | None]:
    """Return repository and quantization of a reference.

    Raises:
        InvalidRequestError: It is none.
    """
    match = _REFERENCE.fullmatch(_LINK.sub("", reference.strip(), count=1).rstrip("/"))
    if match is None:
        raise InvalidRequestError(
            f"{reference[:200]!r} names no repository. Write OWNER/NAME or OWNER/NAME:Q4_K_M, for"
            " example Qwen/Qwen2.5-3B-Instruct-GGUF.",
            param="model",
        )
    return match[1], match[2]


def _models_of(info: ModelInfo) -> dict[str, tuple[HubFile, ...]]:
    """The GGUF models of a repository by name, parts together and in order."""
    found: dict[str, list[HubFile]] = {}
    for entry in info.siblings or ():
        name = entry.rfilename
        if name.lower().endswith(".gguf") and _PROJECTOR not in name.lower():
            digest = entry.lfs.sha256 if entry.lfs else ""
            file = HubFile(name, entry.size or 0, digest)
            found.setdefault(_PART.sub("", name), []).append(file)
    return {
        name: tuple(sorted(files, key=lambda file: file.name))
        for name, files in sorted(found.items())
    }


def _choose(
    repository: str,
    models: dict[str, tuple[HubFile, ...]],
    quantization: str | None,
    file: str | None,
) -> tuple[HubFile, ...]:
    fitting = list(models)
    if file is not None:
        fitting = [name for name in models if _PART.sub("", file) in (name, Path(name).name)]
    if quantization is not None:
        fitting = [name for name in fitting if _is_quantized(name, quantization)]
    elif len(fitting) > 1:
        fitting = _preferred(fitting)
    if len(fitting) == 1:
        return models[fitting[0]]
    problem = "No file fits" if not fitting else "Several files fit"
    shown = "\n".join(f"  {name}" for name in list(models)[:_SHOWN_FILES])
    more = "\n  ..." if len(models) > _SHOWN_FILES else ""
    raise InvalidRequestError(
        f"{problem}. Choose one of {repository} with --file:\n{shown}{more}", param="model"
    )


def _preferred(names: Sequence[str]) -> list[str]:
    for quantization in _PREFERRED:
        fitting = [name for name in names if _is_quantized(name, quantization)]
        if fitting:
            return fitting
    return list(names)


def _is_quantized(name: str, quantization: str) -> bool:
    """Whether a file's name holds the quantization as a word: `IQ4_XS` is no `Q4_XS`."""
    word = rf"(?<![A-Za-z0-9]){re.escape(quantization)}(?![A-Za-z0-9_])"
    return re.search(word, name, re.IGNORECASE) is not None


def _unreachable(repository: str, endpoint: str, error: Exception) -> str:
    return (
        f"{repository} cannot be fetched from {endpoint}: {_first_line(error)}\n"
        "Check the network and repeat the command: it goes on where it ended. A GGUF file that"
        " you have is added with `llmlab models add FILE`."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
