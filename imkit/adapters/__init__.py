"""Who sits in the chair: finds a model by name, by folder, or takes one that is handed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imkit.stream import InteractionModel, ModelError

__all__ = ["load"]


def load(name_or_model: str | Path | InteractionModel[Any], *, runtime: str = "onnx") -> InteractionModel[Any]:
    """The model for a session.

    ``"nano"`` is the one that comes with imkit; ``"cascade"`` is the turn-based way, for comparison, and needs
    ``imkit[cascade]``; a path is a folder with ``config.json`` and ``weights.safetensors``; an object with ``spec``,
    ``open`` and ``step`` is taken as it is. ``runtime`` is "onnx" (live) or "eager" (to probe), for our own models.
    """
    if not isinstance(name_or_model, str | Path):
        if isinstance(name_or_model, InteractionModel):
            return name_or_model
        raise ModelError(
            f"{type(name_or_model).__name__} has no spec, open and step; pass a name, a folder, or a model with them"
        )
    if name_or_model == "cascade":
        from .cascade import Cascade

        return Cascade()
    from imkit.model.nano import load_nano, model_folder

    if runtime not in ("onnx", "eager"):
        raise ModelError(f"runtime={runtime!r} is unknown; use 'onnx' or 'eager'")
    folder = Path(name_or_model)
    if not (folder / "config.json").is_file():
        folder = model_folder(str(name_or_model))
    return load_nano(folder, "eager" if runtime == "eager" else "onnx")
