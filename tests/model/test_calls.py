"""What nano calls: slots become a tool's arguments, other requests go to the background; results come back as words."""

from dataclasses import replace

import numpy as np
import pytest

from imkit.model.graph import OUTPUTS
from imkit.model.nano import Nano, load_nano
from imkit.stream import Event, OpenConfig, Percept, Provenance

from .small import small_clips, small_config, write_small

SLOTS = (
    ("order_drink", "drink", ("latte", "mocha")),
    ("order_drink", "milk", ("some", "a bit of")),
    ("order_drink", "milk", ("milk", "soy milk")),
    ("set_timer", "minutes", ("one", "twenty")),
)
CALLS = ("<none>", "plot", "list", "order_drink", "set_timer")
CONFIG = replace(small_config(), calls=CALLS, slots=SLOTS, tells=True)


class Decided:
    """A runtime whose outputs are what the test says."""

    name = "decided"

    def __init__(self, call=0, slots=()):
        self.call, self.slots, self.words = call, slots, []

    def run(self, **inputs):
        self.words.append(inputs["words"][: len(inputs["present"]) - 5].tolist())
        tokens = (CONFIG.layers, len(inputs["present"]), CONFIG.heads, CONFIG.head_width)
        out = {"heard": np.zeros((4, len(CONFIG.vocabulary))), "word": np.zeros(len(CONFIG.vocabulary))}
        out |= {"floor": np.eye(3)[0], "call": np.eye(len(CALLS))[self.call]}
        rows = np.concatenate([np.eye(size)[k] for size, k in zip(CONFIG.slot_sizes, self.slots, strict=False)] or [[]])
        out |= {"slots": np.pad(rows, (0, sum(CONFIG.slot_sizes) - len(rows)))}
        state = {name: np.zeros(tokens, np.float32) for name in ("new_keys", "new_values")}
        return out | state | {"new_ears": inputs["ears"]}


def act_of(call, slots=(), tools=()):
    model = Nano(CONFIG, Decided(CALLS.index(call), slots), small_clips())
    return model.step(model.open(OpenConfig(tools=tools)), Percept(0, np.zeros(3200, np.float32)))[0]


@pytest.mark.parametrize(
    ("call", "slots", "tool", "arguments"),
    [
        ("order_drink", (2, 2, 2, 1), "order_drink", {"drink": "mocha", "milk": "a bit of soy milk"}),
        ("order_drink", (1, 0, 1, 2), "order_drink", {"drink": "latte", "milk": "milk"}),
        ("set_timer", (1, 1, 1, 2), "set_timer", {"minutes": 20}),
        ("list", (1, 1, 1, 1), "list_variables", {}),
    ],
)
def test_a_tool_that_is_there_is_called_with_what_its_slots_say(call, slots, tool, arguments):
    (made,) = act_of(call, slots, tools=(tool,)).calls
    assert (made.kind, made.name, dict(made.arguments)) == ("tool", tool, arguments)


def test_what_is_no_tool_goes_to_the_background_or_nowhere():
    assert [(c.kind, c.name) for c in act_of("plot").calls] == [("delegate", "plot")]
    assert [(c.kind, c.name) for c in act_of("list", tools=("order_drink",)).calls] == [("delegate", "list")]
    assert act_of("order_drink", (1, 0, 0, 0)).calls == ()


@pytest.mark.parametrize(("text", "told"), [("one two", ["one", "two"]), ("forty lemons", ["plot"]), ("", ["plot"])])
def test_a_result_is_read_in_its_own_words_where_they_are_known(text, told):
    model = Nano(CONFIG, Decided(), small_clips())
    event = Event("result", Provenance.TOOL, text, payload={"topic": "plot"})
    model.step(model.open(OpenConfig()), Percept(0, np.zeros(3200, np.float32), events=(event,)))
    assert [CONFIG.vocabulary[i] for i in model.runtime.words[0]] == ["<result>", *told]


class Kept:
    """A runtime that keeps what came out of another."""

    name = "kept"

    def __init__(self, inner):
        self.inner, self.out = inner, {}

    def run(self, **inputs):
        self.out = self.inner.run(**inputs)
        return self.out


def test_slots_come_out_of_both_runtimes_alike(tmp_path):
    write_small(tmp_path, CONFIG, graph=True)
    outs = []
    for runtime in ("eager", "onnx"):
        model = load_nano(tmp_path, runtime)
        model.runtime = Kept(model.runtime)
        model.step(model.open(OpenConfig()), Percept(0, np.full(3200, 0.1, np.float32)))
        outs.append(model.runtime.out)
    assert set(outs[0]) == set(outs[1]) == set(OUTPUTS)
    assert outs[0]["slots"].shape == (sum(CONFIG.slot_sizes),)
    assert np.allclose(outs[0]["slots"], outs[1]["slots"], atol=1e-4)
    assert np.abs(outs[0]["slots"]).max() > 0
