"""Who sits in the chair: finds a model by name, by folder, on the Hub, or takes one that is handed over.

What each guest needs, hears and says, and how it was tested, is in ``MODELS.md`` beside this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from imkit.stream import InteractionModel, ModelError

__all__ = ["PREFIXES", "load"]

TRANSFORMERS = (5, 23)  # the first whose classes the guests were written against


def load(
    name_or_model: str | Path | InteractionModel[Any], *, runtime: str = "onnx", **options: Any
) -> InteractionModel[Any]:
    """The model for a session.

    ``"nano"`` is the one that comes with imkit; ``"cascade"`` is the turn-based way, for comparison, and needs
    ``imkit[cascade]``. A path is a folder with ``config.json`` and safetensors; ``owner/name`` is one on the Hub, from
    Hugging Face's cache or fetched there; its configuration says whose it is. ``moshi:``, ``minicpmo:`` or ``inkling:``
    before a folder or ``owner/name`` says it outright; ``realtime:`` goes before the address of a server. An object
    with ``spec``, ``open`` and ``step`` is taken as it is.

    ``runtime`` is "onnx" (live) or "eager" (to probe), for our own models. ``options`` are the guest's own:
    ``revision=``, ``device=``, ``dtype=`` and what its class takes. ``name@revision`` is the same as ``revision=``.
    """
    if not isinstance(name_or_model, str | Path):
        if isinstance(name_or_model, InteractionModel):
            return name_or_model
        raise ModelError(_no_model(name_or_model))
    if name_or_model == "cascade":
        cascade: InteractionModel[Any] = _guest("cascade", "Cascade", "cascade")(**options)
        return cascade
    prefix, _, rest = str(name_or_model).partition(":")
    if prefix in PREFIXES:
        if not rest:
            raise ModelError(f"{prefix}: is followed by nothing; expected a folder, owner/name, or an address")
        return PREFIXES[prefix](rest, options)
    return _by_configuration(name_or_model, runtime, options)


def _no_model(given: object) -> str:
    name = getattr(given, "__name__", "")
    if name:
        return f"{name} is a class or a function, expected a model; make one: {name}()"
    return f"{given!r:.60} has no spec, open and step; pass a name such as 'nano', a folder, or one with them"


def _moshi(name: str, options: Mapping[str, Any]) -> InteractionModel[Any]:
    name, options = _revision(name, options)
    made: InteractionModel[Any] = _guest("moshi", "Moshi", "guests").from_pretrained(name, **options)
    return made


def _minicpmo(name: str, options: Mapping[str, Any]) -> InteractionModel[Any]:
    name, options = _revision(name, options)
    made: InteractionModel[Any] = _guest("minicpmo", "MiniCPMO", "minicpmo").from_pretrained(name, **options)
    return made


def _inkling(name: str, options: Mapping[str, Any]) -> InteractionModel[Any]:
    name, options = _revision(name, options)
    made: InteractionModel[Any] = _guest("inkling", "Inkling", "guests").from_pretrained(name, **options)
    return made


def _realtime(url: str, options: Mapping[str, Any]) -> InteractionModel[Any]:
    made: InteractionModel[Any] = _guest("realtime", "Realtime", "realtime")(url, **options)
    return made


PREFIXES: Mapping[str, Callable[[str, Mapping[str, Any]], InteractionModel[Any]]] = {
    "moshi": _moshi,
    "minicpmo": _minicpmo,
    "inkling": _inkling,
    "realtime": _realtime,
}
"""What may stand before a colon in a model's name."""

MODEL_TYPES = {"moshi": "moshi", "minicpmo": "minicpmo", "inkling_mm_model": "inkling"}
"""The prefix that goes without saying for a folder whose config.json says this ``model_type``."""


def _by_configuration(name: str | Path, runtime: str, options: Mapping[str, Any]) -> InteractionModel[Any]:
    """The model of a folder or of ``owner/name``, by what its config.json says."""
    from imkit.model.hub import HUB_ID, ONLY_SAID, config_of, folder_of
    from imkit.model.nano import load_nano, model_folder

    if runtime not in ("onnx", "eager"):
        raise ModelError(f"runtime={runtime!r} is unknown; use 'onnx' or 'eager'")
    plain, given = _revision(str(name), options)
    revision = given.pop("revision", None)
    folder = Path(name).expanduser()
    on_hub = not folder.exists() and HUB_ID.fullmatch(plain) is not None
    if on_hub:
        folder = folder_of(plain, revision, wanted=ONLY_SAID)
    elif not (folder / "config.json").is_file():
        folder = model_folder(str(name))
    config = config_of(folder)
    kind = str(config.get("model_type", ""))
    if kind in MODEL_TYPES:
        pinned = {"revision": revision} if revision else {}
        return PREFIXES[MODEL_TYPES[kind]](plain if on_hub else str(folder), {**given, **pinned})
    if kind or "vocabulary" not in config:
        from .moshi import check_format

        check_format(folder)
    if given:
        raise ModelError(f"{name} is one of our own models and takes no {', '.join(sorted(given))}; it takes runtime=")
    if on_hub:
        folder = folder_of(plain, revision)
    return load_nano(folder, "eager" if runtime == "eager" else "onnx")


def _revision(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """``owner/name@revision`` apart; a path may hold an @ and is left as it is."""
    plain, _, revision = name.rpartition("@")
    if not plain or Path(name).expanduser().exists():
        return name, dict(options)
    if options.get("revision") not in (None, revision):
        raise ModelError(f"{name} and revision={options['revision']!r} are two revisions; give one")
    return plain, {**options, "revision": revision}


def _guest(module: str, attribute: str, extra: str) -> Any:
    """A guest's class. Raises ModelError, with what to install, where something that it needs is not here."""
    if extra == "guests":
        try:
            found = version("transformers")
        except PackageNotFoundError:
            found = "none"
        if tuple(int(part) if part.isdigit() else 0 for part in found.split(".")[:2]) < TRANSFORMERS:
            wanted = ".".join(map(str, TRANSFORMERS))
            raise ModelError(
                f"{module} needs transformers {wanted} or newer, found {found}; pip install 'imkit[{extra}]'"
            )
    try:
        return getattr(import_module(f".{module}", __name__), attribute)
    except ImportError as error:
        raise ModelError(f"{module} needs {error.name}, which is not here; pip install 'imkit[{extra}]'") from error
