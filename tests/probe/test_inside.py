"""Hooks: what they see, what they change, when they are gone, and that nothing else is changed."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from looking import Guest, hooks_on, lived, percepts, small_nano, weights_sum
from torch import nn

import imkit
from imkit.model.nano import Nano
from imkit.model.sites import Sites
from imkit.probe import Hook, Inside, ProbeError, hooks
from imkit.stream import Act, ModelSpec, OpenConfig, Percept


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Nano:
    return small_nano(tmp_path_factory.mktemp("small"))


def done(timeline: Any) -> list[Any]:
    return [moment.to_json() for moment in timeline]


def test_a_function_sees_the_tensor_and_is_told_where_and_when(nano: Nano) -> None:
    told: list[tuple[str, int, float, int | None, tuple[int, ...]]] = []

    def look(tensor: torch.Tensor, hook: Hook) -> None:
        hook.ctx["calls"] = hook.ctx.get("calls", 0) + 1
        told.append((hook.name, hook.ctx["calls"], hook.at_s, hook.layer(), tuple(tensor.shape)))

    with hooks(nano, [(["blocks.1.hook_resid_post", "floor.hook_out"], look)]) as inside:
        timeline, _ = lived(inside, percepts(2))
    assert [one[:4] for one in told] == [
        ("blocks.1.hook_out", 1, 0.0, 1),
        ("floor.hook_out", 1, 0.0, None),
        ("blocks.1.hook_out", 2, 0.2, 1),
        ("floor.hook_out", 2, 0.2, None),
    ]
    assert told[1][4] == (1, 1, 3)
    assert done(timeline) == done(lived(nano, percepts(2))[0])


def test_sites_are_named_in_the_order_in_which_a_micro_turn_passes_them(nano: Nano) -> None:
    passed: list[str] = []
    with hooks(nano, [(None, lambda tensor, hook: passed.append(hook.name))]) as inside:
        lived(inside, percepts(1))
    assert passed == list(inside.points)


def test_what_a_function_gives_takes_the_place_of_what_passed(nano: Nano) -> None:
    def speak(tensor: torch.Tensor, hook: Hook) -> torch.Tensor:
        return torch.tensor([[[0.0, 0.0, 9.0]]])

    with hooks(nano, [("floor.hook_out", speak)]) as inside:
        timeline, _ = lived(inside, percepts(3))
    assert [str(moment.act.floor) for moment in timeline] == ["speak"] * 3
    assert all(moment.act.diagnostics["p_speak"] > 0.99 for moment in timeline)


@pytest.mark.parametrize("site", ["embed.hook_out", ("pattern", 0), ("attn_scores", 1), ("k", 1), "audio.mic.hook_in"])
def test_a_change_upstream_reaches_what_comes_after(nano: Nano, site: Any) -> None:
    seen: dict[str, torch.Tensor] = {}

    def keep(tensor: torch.Tensor, hook: Hook) -> None:
        seen[hook.name] = tensor.clone()

    change = lambda tensor, hook: torch.zeros_like(tensor)  # noqa: E731
    lived(Inside(nano, [("voice.hook_out", keep)]), percepts(4))
    before = seen["voice.hook_out"]
    lived(Inside(nano, [(site, change), ("voice.hook_out", keep)]), percepts(4))
    assert not torch.equal(before, seen["voice.hook_out"])


def test_hooks_are_gone_after_the_block_and_after_an_error(nano: Nano) -> None:
    with hooks(nano, [(None, lambda tensor, hook: None)]) as inside:
        assert hooks_on(inside.module) == len(inside.points)
    assert hooks_on(inside.module) == 0
    with pytest.raises(RuntimeError, match="stop"), hooks(nano, [(None, lambda tensor, hook: None)]) as inside:
        raise RuntimeError("stop")
    assert hooks_on(inside.module) == 0
    guest = Guest()
    with pytest.raises(ProbeError):
        hooks(guest, [("ears.hook_out", print), ("nothing.hook_out", print)])
    assert hooks_on(guest.module) == 0


def test_one_of_several_is_taken_off_alone(nano: Nano) -> None:
    with hooks(nano, [("floor.hook_out", lambda tensor, hook: None)]) as inside:
        off = inside.add(["embed.hook_out", "voice.hook_out"], lambda tensor, hook: None)
        assert hooks_on(inside.module) == 3
        off()
        off()
        assert hooks_on(inside.module) == 1


def test_hooks_on_a_model_are_nobody_else_s(nano: Nano) -> None:
    quiet = done(lived(nano, percepts(8))[0])
    with hooks(nano, [("floor.hook_out", lambda tensor, hook: torch.full_like(tensor, 5.0))]):
        with hooks(nano, [("voice.hook_out", lambda tensor, hook: None)]) as other:
            assert hooks_on(other.module) == 1
            assert done(lived(other, percepts(8))[0]) == quiet
        assert hooks_on(nano.module) == 0
        assert done(lived(nano, percepts(8))[0]) == quiet


def test_two_sessions_share_one_nano_and_one_is_changed(nano: Nano) -> None:
    with imkit.Session(nano, namespace={}) as one, imkit.Session(nano, namespace={}) as other:
        change = lambda tensor, hook: torch.tensor([[[0.0, 9.0, 0.0]]])  # noqa: E731
        certain = lambda timeline: [m.act.diagnostics["p_speak"] < 0.01 for m in timeline]  # noqa: E731
        with one.hooks([("floor.hook_out", change)]):
            assert all(certain(one.run(seconds=1.0, tail_s=0)))
            assert not any(certain(other.run(seconds=1.0, tail_s=0)))
        assert not any(certain(one.run(seconds=1.0, tail_s=0)))


def test_no_weight_is_changed(nano: Nano) -> None:
    before = weights_sum(nano)
    with hooks(nano, [(lambda name: name.endswith("hook_out"), lambda tensor, hook: tensor + 1)]) as inside:
        weights = dict(nano.module.named_parameters())
        assert all(weights[name] is tensor for name, tensor in inside.module.named_parameters())
        lived(inside, percepts(4))
    assert weights_sum(nano) == before


def test_a_state_goes_in_and_comes_out_again(nano: Nano) -> None:
    incoming = percepts(12)
    whole = done(lived(nano, incoming)[0])
    first, state = lived(nano, incoming[:5])
    middle, state = lived(Inside(nano, [(None, lambda tensor, hook: None)]), incoming[5:8], state)
    last, _ = lived(nano, incoming[8:], state)
    looked = done(first) + done(middle) + done(last)
    assert [one["floor"] for one in looked] == [one["floor"] for one in whole]
    assert [one.get("words") for one in looked] == [one.get("words") for one in whole]


def test_points_of_the_network_change_no_number(nano: Nano, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hooks the network computes, to the bit, what it does with every point taken out."""
    logits: list[list[np.ndarray[Any, Any]]] = []

    def outputs() -> list[np.ndarray[Any, Any]]:
        kept: list[np.ndarray[Any, Any]] = []
        model, run = nano.eager(), nano.eager().runtime.run

        def noted(**inputs: Any) -> Any:
            out = run(**inputs)
            kept.extend(np.copy(array) for array in out.values())
            return out

        monkeypatch.setattr(model.runtime, "run", noted)
        lived(model, percepts(10))
        return kept

    logits.append(outputs())
    looking = Inside(nano, [(lambda name: "attn" not in name, lambda tensor, hook: None)])
    lived(looking, percepts(2))
    monkeypatch.setattr(Sites, "forward", lambda self, name, x: x)
    logits.append(outputs())
    assert len(logits[0]) == len(logits[1]) > 50
    assert all(np.array_equal(one, other) for one, other in zip(*logits, strict=True))


def test_points_leave_no_node_in_the_exported_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx")
    from model.small import small_config

    from imkit.model.export import export_graph

    def nodes(name: str) -> list[str]:
        export_graph(small_config(), tmp_path / name)
        return [node.op_type for node in onnx.load(tmp_path / name, load_external_data=False).graph.node]

    with_points = nodes("with.onnx")
    monkeypatch.setattr(Sites, "forward", lambda self, name, x: x)
    assert nodes("without.onnx") == with_points


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            lambda tensor, hook: tensor[..., :2],
            r"floor\.hook_out gave float32 \(1, 1, 2\), expected float32 \(1, 1, 3\)",
        ),
        (lambda tensor, hook: tensor.double(), r"floor\.hook_out gave float64 \(1, 1, 3\), expected float32"),
        (lambda tensor, hook: 3, r"floor\.hook_out gave int; expected a tensor, or None"),
        (lambda tensor, hook: tensor / 0 * 0, r"floor\.hook_out gave NaN"),
        (lambda tensor, hook: tensor.missing, r"floor\.hook_out failed at 0\.2 s: AttributeError"),
        (lambda tensor: None, r"floor\.hook_out failed at 0\.2 s: TypeError"),
    ],
)
def test_a_hook_that_fails_is_told_with_site_expected_and_got(nano: Nano, function: Any, told: str) -> None:
    with hooks(nano, [("floor.hook_out", function)]) as inside, pytest.raises(ProbeError, match=told):
        inside.step(inside.open(OpenConfig()), Percept(1))
    with hooks(nano, [("floor.hook_out", function)], strict=False) as inside:
        timeline, _ = lived(inside, percepts(3))
        assert inside.failed == {"floor.hook_out": 1}
        assert hooks_on(inside.module) == 0
    assert done(timeline) == done(lived(nano, percepts(3))[0])


def test_scores_may_be_minus_infinity(nano: Nano) -> None:
    """As where attention is cut: that is no NaN."""
    cut = lambda tensor, hook: tensor.index_fill(-1, torch.tensor([0]), float("-inf"))  # noqa: E731
    with hooks(nano, [(("attn_scores", 0), cut)]) as inside:
        lived(inside, percepts(2))


@pytest.mark.parametrize("wrong", [5, "text", None])
def test_what_is_no_function_is_refused(nano: Nano, wrong: Any) -> None:
    with pytest.raises(ProbeError, match="expected a function"):
        hooks(nano, [("floor.hook_out", wrong)])


def test_a_model_that_is_closed_to_looks_says_so() -> None:
    class Closed:
        spec = ModelSpec("closed", 16_000)

        def open(self, config: OpenConfig) -> None:
            return None

        def step(self, state: None, percept: Percept) -> tuple[Act, None]:
            return Act(percept.index, np.zeros(3200, np.float32)), None

    with pytest.raises(ProbeError, match=r"closed cannot be looked into: .*imkit\.load\('nano'\)"):
        hooks(Closed(), [])


# --- a module that knows nothing of sites


def test_parts_of_any_module_are_seen_and_changed() -> None:
    seen: dict[str, torch.Tensor] = {}

    def keep(tensor: torch.Tensor, hook: Hook) -> None:
        seen[hook.name] = tensor.clone()

    guest = Guest()
    plain, _ = lived(guest, percepts(2))
    with hooks(guest, [(None, keep)]) as inside:
        timeline, _ = lived(inside, percepts(2))
    assert done(timeline) == done(plain)
    assert set(seen) == set(inside.points)
    assert torch.allclose(guest.module.cell.inner(seen["cell.hook_in"]), seen["cell.inner.hook_out"])
    assert seen["cell.hook_out"].shape == (1, 8, 8)  # the first of the two that it gives
    with hooks(guest, [("cell.hook_out", lambda tensor, hook: tensor * 0), ("out.hook_in", keep)]) as inside:
        lived(inside, percepts(2))
    assert not seen["out.hook_in"].any()


def test_hooks_on_a_module_that_is_shared_see_only_their_own_session() -> None:
    guest = Guest()
    calls: list[int] = []
    with hooks(guest, [("ears.hook_out", lambda tensor, hook: calls.append(hook.index))]) as inside:
        lived(guest, percepts(3))
        assert calls == []
        lived(inside, percepts(2))
        assert calls == [0, 1]


def test_a_model_with_hooks_can_be_looked_into_in_turn(nano: Nano) -> None:
    seen: list[float] = []
    double = lambda tensor, hook: tensor * 0 + 7  # noqa: E731
    with hooks(nano, [("embed.hook_out", double)]) as first:
        with hooks(first, [("embed.hook_out", lambda tensor, hook: seen.append(float(tensor.mean())))]) as second:
            lived(second, percepts(1))
        lived(first, percepts(1))
    assert seen == [7.0]


@pytest.mark.parametrize("kind", ["list", "dict", "named", "tensor", "second"])
def test_whatever_a_part_gives_its_kind_stays(kind: str) -> None:
    Named = collections.namedtuple("Named", "first second")

    class Part(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return {
                "list": [x, 1],
                "dict": collections.OrderedDict(first=x, second=1),
                "named": Named(x, 1),
                "tensor": x,
                "second": (None, x),
            }[kind]

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = Part()

        def forward(self, x: torch.Tensor) -> Any:
            return self.part(x)

    guest = Guest()
    guest.module, given = Whole(), []
    guest.step = lambda state, percept: (given.append(guest.module(torch.ones(2))), state)  # type: ignore[method-assign]
    with hooks(guest, [("part.hook_out", lambda tensor, hook: tensor + 1)]) as inside:
        inside.step(None, Percept(0))
    out = given[0]
    first = out if kind == "tensor" else out["first"] if kind == "dict" else out[kind == "second"]
    assert torch.equal(first, torch.full((2,), 2.0))
    assert type(out) is {"list": list, "dict": collections.OrderedDict, "named": Named, "second": tuple}.get(
        kind, torch.Tensor
    )


def test_the_first_of_what_goes_in_is_found_by_place_or_by_name() -> None:
    class Part(nn.Module):
        def forward(self, *given: Any, **named: Any) -> Any:
            return sum(one for one in (*given, *named.values()) if isinstance(one, torch.Tensor))

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = Part()

        def forward(self, x: torch.Tensor) -> Any:
            return [self.part(None, x, x), self.part(flag=3, hidden=x), self.part(x, other=x)]

    guest, given = Guest(), []
    guest.module = Whole()
    guest.step = lambda state, percept: (given.extend(guest.module(torch.ones(1))), state)  # type: ignore[method-assign]
    with hooks(guest, [("part.hook_in", lambda tensor, hook: tensor * 10)]) as inside:
        inside.step(None, Percept(0))
    assert [float(one) for one in given] == [11.0, 10.0, 11.0]  # only the first, though it is the same tensor twice
