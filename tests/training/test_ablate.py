import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from imkit.stream import ModelError
from imkit.training import ablate

PLAN = Path(__file__).parents[2] / "models" / "nano" / "ablation.toml"


class Constant:
    name, folder = "constant", None

    def run(self, **inputs):
        return {name: np.array([0.0, 2.0, 1.0], np.float32) for name in (*ablate.DECODED, "new_keys")}


def test_a_variant_changes_what_it_names_and_nothing_else():
    recipe = {"network": {"width": 8, "layers": 2}, "stage": [{"minutes": 4}, {"minutes": 6}]}
    out = ablate.changed(recipe, {"network.width": 16, "stage.1.minutes": 10})
    assert out == {"network": {"width": 16, "layers": 2}, "stage": [{"minutes": 4}, {"minutes": 10}]}
    assert recipe["network"]["width"] == 8
    with pytest.raises(ModelError, match="no table 'nett'"):
        ablate.changed(recipe, {"nett.width": 16})


def test_every_variant_of_the_plan_fits_its_recipe_and_has_the_same_time():
    plan = tomllib.loads(PLAN.read_text())
    names = [variant["name"] for variant in plan["variant"]]
    assert len(set(names)) == len(names) >= 4
    minutes = set()
    for variant in plan["variant"]:
        recipe = ablate.changed(plan["recipe"], variant.get("set", {}))
        minutes.add(sum(stage["minutes"] for stage in recipe["stage"]))
    assert len(minutes) == 1


def test_noise_on_logits_samples_what_they_say():
    sampled = ablate.Sampled(Constant(), 1.0)
    counts = np.bincount([int(sampled.run()["word"].argmax()) for _ in range(4000)], minlength=3) / 4000
    expected = np.exp([0, 2, 1]) / np.exp([0, 2, 1]).sum()
    assert np.abs(counts - expected).max() < 0.03
    assert sampled.run()["new_keys"].tolist() == [0, 2, 1]
    assert {int(ablate.Sampled(Constant(), 0.0).run()["floor"].argmax()) for _ in range(50)} == {1}


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    plan = tomllib.loads(PLAN.read_text())
    done = {"hearing": {v["name"]: {} for v in plan["variant"]}, "decoding": {"greedy": {}}}
    (tmp_path / "ablation.json").write_text(json.dumps(done))
    monkeypatch.setattr(ablate, "ensure_bank", lambda *args: None)
    monkeypatch.setattr(ablate, "train", lambda *args, **kw: pytest.fail("trained again"))
    assert ablate.ablate(plan | {"decode": {"temperatures": [0]}}, tmp_path, 4, 1) == done
