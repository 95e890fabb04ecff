"""A nano kept in a folder or on the Hub: its configuration, weights, graph and voice, and a card that says what it is.

Only the files named here leave the machine, and only when ``push`` is called. Whoever may see them has to be said:
there is no default.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from imkit.stream import ModelError

from .config import NanoConfig
from .hub import HUB_ID

NEEDED = ("config.json", "weights.safetensors")
VOICES = (("voice.json", "voice.onnx", "voice.safetensors"), ("clips.json", "clips.flac"))
CARD = "README.md"
FILES = (*NEEDED, "tick.onnx", *VOICES[0], *VOICES[1], CARD)
HEADER = """---
library_name: imkit
tags:
- full-duplex
- speech
- imkit
---
"""


def save(model: Path, folder: Path) -> Path:
    """The model in folder ``model`` into ``folder``, file by file, each whole or not at all; gives ``folder``.

    A card that the model has is kept, with the Hub's header before it; one that it lacks is written from its
    configuration. Raises ModelError where the model's files are not whole, or ``folder`` cannot be written.
    """
    config = NanoConfig.load(model / "config.json")
    names = [name for name in FILES if (model / name).is_file()]
    lacks = [name for name in NEEDED if name not in names]
    if lacks or not any(set(voice) <= set(names) for voice in VOICES):
        raise ModelError(f"{model}: lacks {', '.join(lacks) or 'a voice'}; only a whole model can be saved")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.resolve() != model.resolve():
            for name in set(names) - {CARD}:
                _put(folder / name, (model / name).read_bytes())
        _put(folder / CARD, _card(model, config).encode())
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written ({error.strerror or error}); choose another folder") from error
    return folder


def push(
    model: Path,
    repo_id: str,
    *,
    private: bool,
    message: str = "A nano of imkit",
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """The model in folder ``model`` to ``owner/name`` on the Hub, in one commit; gives the commit's address.

    A repository that is not there is made, ``private`` or for everyone to see; one that is there has to be what
    ``private`` says. ``token`` is the one to write with, else that of ``hf auth login``; it is passed on and nowhere
    kept or told. Raises ModelError where the Hub refuses.
    """
    if not HUB_ID.fullmatch(repo_id):
        raise ModelError(f"{repo_id!r} names no repository; expected owner/name")
    if not isinstance(private, bool):
        raise ModelError(f"private={private!r}; say True, or False for everyone to see it")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(token=token)
    try:
        with tempfile.TemporaryDirectory(prefix="imkit-") as made:
            folder = save(model, Path(made))
            api.create_repo(repo_id, repo_type="model", private=private, exist_ok=True)
            if bool(api.repo_info(repo_id, repo_type="model").private) != private:
                seen = "for everyone to see" if private else "private"
                raise ModelError(f"{repo_id} is there and {seen}, not as private={private} says; nothing was sent")
            done = api.upload_folder(
                repo_id=repo_id,
                repo_type="model",
                folder_path=folder,
                allow_patterns=list(FILES),
                commit_message=message,
                revision=revision,
            )
    except HfHubHTTPError as error:
        why = str(error).splitlines()[0] if str(error) else "no reason given"
        why = why.replace(token, "***") if token else why
        raise ModelError(f"{repo_id}: the Hub refused ({why}); see `hf auth whoami` and the name") from None
    return str(done.commit_url)


def _put(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)


def _card(model: Path, config: NanoConfig) -> str:
    """The model's card, or one made from its configuration, behind the Hub's header."""
    if (model / CARD).is_file():
        text = (model / CARD).read_text("utf-8")
        return text if text.startswith("---\n") else HEADER + text
    words = ", ".join(word for word in config.vocabulary if not word.startswith("<"))
    return (
        f"{HEADER}# {model.name}\n\nA full-duplex interaction model for imkit: sound, pictures, typed words and events "
        "in, speech, words and calls out, every 200 ms.\n\n"
        '```python\nimport imkit\n\nmodel = imkit.load("owner/name")\n```\n\n'
        f"{config.layers} layers of width {config.width}, {config.window} tokens in reach, "
        f"{config.mel_bins} mel bins in {config.mel_levels} levels. Words that it knows: {words}.\n\n"
        "How it was trained and how well it does is not written down here.\n"
    )


__all__ = ["FILES", "push", "save"]
