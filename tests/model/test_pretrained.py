"""A nano goes into a folder and onto the Hub, and comes back as it was; nothing else does."""

import logging
import shutil
from typing import ClassVar

import huggingface_hub
import numpy as np
import pytest
from httpx import Request, Response
from huggingface_hub.errors import HfHubHTTPError

from imkit.model.nano import Nano, load_nano
from imkit.model.pretrained import FILES
from imkit.stream import ModelError, OpenConfig, Percept

from .small import write_small

TOKEN = "hf_secretSECRETsecret"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("models") / "tiny"
    made.mkdir()
    write_small(made, graph=True)
    (made / "notes.txt").write_text("nobody else's business")
    (made / "checkpoint.pt").write_bytes(b"\x80\x04.")
    return made


@pytest.fixture(scope="module")
def model(folder):
    return load_nano(folder)


def sound_of(model):
    state, acts = model.open(OpenConfig()), []
    for i in range(5):
        act, state = model.step(state, Percept(i, text="plot one" if i == 1 else ""))
        acts.append(act.audio)
    return np.concatenate(acts)


def test_what_is_saved_is_loaded_as_it_was_and_is_no_more_than_the_model(model, tmp_path):
    place = model.save_pretrained(tmp_path / "kept")
    assert {path.name for path in place.iterdir()} == set(FILES) - {"voice.json", "voice.onnx", "voice.safetensors"}
    for runtime in ("onnx", "eager"):
        again = Nano.from_pretrained(place, runtime=runtime)
        assert np.allclose(sound_of(again), sound_of(model), atol=1e-6)
    card = (place / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: imkit")
    assert "one, two, three" in card
    (place / "README.md").write_text("# mine\n")
    again.save_pretrained(place)
    assert (place / "README.md").read_text("utf-8").endswith("---\n# mine\n")
    assert Nano.from_pretrained(place).save_pretrained(place).joinpath("README.md").read_text().count("---") == 2


def test_half_a_model_and_pickles_are_refused(folder, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(folder, half)
    one = load_nano(half)
    (half / "clips.flac").unlink()
    with pytest.raises(ModelError, match="lacks a voice; only a whole model"):
        one.save_pretrained(tmp_path / "out")
    (half / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"pickle files \(checkpoint.pt\)"):
        Nano.from_pretrained(half)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        load_nano(folder).save_pretrained(tmp_path / "file")


class Hub:
    """What of the Hub a push uses; keeps what it was told and sent."""

    repositories: ClassVar[dict] = {}
    sent: ClassVar[list] = []
    refuses = ""

    def __init__(self, token=None):
        Hub.token = token

    def create_repo(self, repo_id, *, repo_type, private, exist_ok):
        if Hub.refuses:
            raise HfHubHTTPError(f"{Hub.refuses} {TOKEN}", response=Response(403, request=Request("POST", "https://x")))
        assert exist_ok
        assert repo_type == "model"
        Hub.repositories.setdefault(repo_id, private)

    def repo_info(self, repo_id, *, repo_type):
        return type("Info", (), {"private": Hub.repositories[repo_id]})

    def upload_folder(self, *, repo_id, repo_type, folder_path, allow_patterns, commit_message, revision):
        names = {path.name: path.read_bytes() for path in folder_path.iterdir() if path.name in allow_patterns}
        Hub.sent.append((repo_id, names, commit_message, revision))
        return type("Done", (), {"commit_url": f"https://huggingface.co/{repo_id}/commit/1"})


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    Hub.repositories, Hub.sent, Hub.refuses = {}, [], ""
    return Hub


def test_a_push_sends_the_model_once_to_where_it_was_said_and_tells_no_token(model, folder, hub, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    assert model.push_to_hub("me/tiny", private=True, token=TOKEN) == "https://huggingface.co/me/tiny/commit/1"
    ((name, sent, _, revision),) = hub.sent
    assert (name, revision, hub.token, hub.repositories) == ("me/tiny", None, TOKEN, {"me/tiny": True})
    assert sent["weights.safetensors"] == (folder / "weights.safetensors").read_bytes()
    assert not {"notes.txt", "checkpoint.pt"} & set(sent)
    hub.refuses = "403 Forbidden:"
    with pytest.raises(ModelError, match="the Hub refused") as told:
        model.push_to_hub("me/tiny", private=True, token=TOKEN)
    assert TOKEN not in f"{told.value}{told.value.__cause__}{caplog.text}{''.join(capfd.readouterr())}"


def test_who_may_see_it_has_to_be_said_and_to_be_so(model, hub):
    with pytest.raises(TypeError, match="private"):
        model.push_to_hub("me/tiny")
    with pytest.raises(ModelError, match="say True, or False"):
        model.push_to_hub("me/tiny", private=None)
    with pytest.raises(ModelError, match="expected owner/name"):
        model.push_to_hub("tiny", private=True)
    hub.repositories["me/open"] = False
    with pytest.raises(ModelError, match="for everyone to see, not as private=True says; nothing was sent"):
        model.push_to_hub("me/open", private=True)
    assert not hub.sent


def test_from_the_layout_of_the_hub_s_cache(model, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    place = tmp_path / "hub" / "models--me--tiny"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    model.save_pretrained(place / "snapshots" / commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert np.array_equal(sound_of(Nano.from_pretrained("me/tiny")), sound_of(model))
    assert np.array_equal(sound_of(Nano.from_pretrained("me/tiny", revision=commit)), sound_of(model))
    with pytest.raises(ModelError, match="cannot be fetched"):
        Nano.from_pretrained("me/other")
