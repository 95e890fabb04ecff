"""A model by name: what stands before the colon, what a folder says of itself, and what lies in the Hub's cache."""

import shutil
import sys
from types import ModuleType

import pytest
from fakes_guests import moshi_folder

import imkit
from imkit import adapters
from imkit.model import hub
from imkit.model.nano import model_folder
from imkit.stream import ModelError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the Hub, and no network."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def put_into(cache, name, folder, commit=COMMIT):
    """A folder laid into the cache as if it had been fetched from ``main``."""
    place = cache / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / "main").write_text(commit)
    shutil.copytree(folder, place / "snapshots" / commit)
    return place / "snapshots" / commit


@pytest.fixture(scope="module")
def moshi(tmp_path_factory):
    return moshi_folder(tmp_path_factory.mktemp("moshi") / "tiny")


def test_a_guest_is_found_by_its_prefix_and_by_what_its_folder_says(moshi):
    for name in (f"moshi:{moshi}", moshi, str(moshi)):
        assert imkit.load(name, greedy=True).sampling.greedy


def test_a_model_on_the_hub_is_taken_from_its_cache(moshi, cache):
    put_into(cache, "someone/tiny-moshi", moshi)
    put_into(cache, "someone/our-nano", model_folder("nano"))
    assert imkit.load("someone/tiny-moshi").spec.name == "moshi"
    assert imkit.load("moshi:someone/tiny-moshi").spec.name == "moshi"
    assert imkit.load(f"someone/tiny-moshi@{COMMIT}").spec.name == "moshi"
    assert len(imkit.load("someone/our-nano").config.vocabulary) > 10


def test_a_cache_that_lacks_weights_is_no_model_and_what_is_to_be_fetched_holds_no_program(moshi, cache, monkeypatch):
    import huggingface_hub

    place = put_into(cache, "someone/half", moshi)
    (place / "model.safetensors").unlink()
    asked = []
    local = huggingface_hub.snapshot_download

    def download(name, *, local_files_only=False, **how):
        if local_files_only:
            return local(name, local_files_only=True, **how)
        asked.append((name, how))
        return str(moshi)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert imkit.load("moshi:someone/half@v2", greedy=True).spec.name == "moshi"
    assert asked == [("someone/half", {"revision": "v2", "allow_patterns": [*hub.WANTED]})]
    assert {"*.safetensors", "*.json", "*.onnx"} <= set(hub.WANTED)
    assert not {f"*{suffix}" for suffix in (*hub.PICKLES, ".py")} & set(hub.WANTED)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("moshi:", "followed by nothing"),
        ("moshi:no/such/folder", "neither a folder nor a repository"),
        ("someone/unknown", "someone/unknown is not in the cache and cannot be fetched"),
        ("someone/unknown@v1", "someone/unknown at v1 is not in the cache"),
        ("nonsense", "'nonsense' is no model that comes with imkit"),
    ],
)
def test_names_that_lead_nowhere(name, said, cache):
    with pytest.raises(ModelError, match=said):
        imkit.load(name)


def test_what_does_not_fit_is_said(moshi, tmp_path):
    with pytest.raises(ModelError, match="takes no device; it takes runtime="):
        imkit.load("nano", device="cuda")
    with pytest.raises(ModelError, match="has no revision 'v1'"):
        imkit.load(f"moshi:{moshi}", revision="v1")
    with pytest.raises(ModelError, match="are two revisions"):
        imkit.load("moshi:a/b@v1", revision="v2")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ModelError, match="model_type 'llama'"):
        imkit.load(tmp_path)
    (tmp_path / "config.json").write_text('{"moshi_name": "model.safetensors"}')
    with pytest.raises(ModelError, match="Kyutai's own format"):
        imkit.load(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="holds a list, expected an object"):
        imkit.load(tmp_path)


def test_what_is_missing_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setattr(adapters, "version", lambda name: "4.57.1")
    with pytest.raises(ModelError, match=r"transformers 5.23 or newer, found 4.57.1; pip install 'imkit\[guests\]'"):
        imkit.load("moshi:a/b")
    monkeypatch.setitem(sys.modules, "imkit.adapters.cascade", None)
    with pytest.raises(ModelError, match=r"pip install 'imkit\[cascade\]'"):
        imkit.load("cascade")


def test_a_server_is_given_its_address_as_it_is(monkeypatch):
    module = ModuleType("imkit.adapters.realtime")
    module.Realtime = lambda url, **options: (url, options)
    monkeypatch.setitem(sys.modules, "imkit.adapters.realtime", module)
    assert imkit.load("realtime:ws://me@host:8000/v1", tier=2) == ("ws://me@host:8000/v1", {"tier": 2})
