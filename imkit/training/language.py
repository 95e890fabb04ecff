"""The closed language that nano is taught: what people ask, what it means, and what is said in return.

This is teaching material. Nothing here runs in a session: there the network alone decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

UNITS: Final = "zero one two three four five six seven eight nine".split()
TEENS: Final = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()
NUMBERS: Final = UNITS + TEENS + TENS
OPERATORS: Final = ["plus", "minus", "times"]
COLOURS: Final = ["red", "green", "blue", "yellow"]
SHAPES: Final = ["circle", "square", "triangle"]
COLUMNS: Final = "price size age weight sales speed score total day time".split()
CARRIERS: Final = (
    "what is how much tell me calculate please can you hear see now your name who are hello hi good morning thank "
    "thanks goodbye bye there do count to start counting stop be quiet that enough okay in seconds when have passed "
    "remind a an watch for something appears say this color shape timer set never mind cancel plot the data make "
    "chart show draw of table describe summarize give summary list variables search docs help look up find my "
    "against and it i yes no wait so right here from"
).split()
REPLY_ONLY: Final = "am nano fine welcome on sorry failed found nothing".split()
# Words that people say around the closed vocabulary. Nano writes <unk> for them and does nothing.
STRANGERS: Final = (
    "about after again all also always animal answer apple ask away back bad bag ball bank because bed before "
    "below best better between big bird black boat body book box boy bread break bring brother brown build but "
    "buy by call came car carry cat change child city clean clear close cold come cook could country cup cut "
    "dark dear deep did dinner does dog door down dream drink drive dry each early earth east eat egg empty "
    "end ever every eye face fact family far farm fast father feel feet fish floor flower fly follow food foot "
    "friend front full game garden get girl glass go gold great ground group grow had hair half hand hard has "
    "he head heart heavy her high him his hold home hope horse hot hour house hundred idea inside island job "
    "jump just keep kind king knew know lake land language large last late laugh learn leave left leg letter "
    "life light like line little live long lost love low machine man many map may measure milk minute money "
    "moon more most mother mountain move music must near need new night north note ocean off often old only "
    "open or order other our out over page paper part pay people person picture piece place plain plan plant "
    "play point poor power problem pull push put question quick rain reach read ready real rest river road "
    "rock room round rule run sad said salt same sat school sea second send sentence ship short should side "
    "simple sing sister sit sky sleep slow small snow some song soon sound south spring stand star state step "
    "still stone story street strong such sugar summer sun take talk tea them they thing think thought tired "
    "today together told took top town travel tree true try turn under until us use very voice walk wall want "
    "warm was water way we week well went were west where which while white why wide wild will wind window "
    "winter with woman wonder wood word work world would write wrong year young "
).split()

NONE, UNKNOWN, SEND, RESULT, FAIL = "<none>", "<unk>", "<send>", "<result>", "<fail>"
SPECIALS: Final = [NONE, UNKNOWN, SEND, RESULT, FAIL]


def vocabulary() -> list[str]:
    """Every token of nano's closed vocabulary, the specials first; heard and said words share it."""
    words = NUMBERS + OPERATORS + COLOURS + SHAPES + COLUMNS + CARRIERS + REPLY_ONLY
    return SPECIALS + list(dict.fromkeys(words))


def spoken_words() -> list[str]:
    """The words that nano can hear: the vocabulary without specials."""
    return vocabulary()[len(SPECIALS) :]


Topic = Literal[
    "answer", "count", "stop", "timer", "watch", "look", "cancel", "delegate"
]  # what a request asks for; "answer" is said at once


@dataclass(frozen=True)
class Request:
    """What a sentence asks for. ``reply`` is said at once; the rest depends on the topic."""

    topic: Topic
    reply: tuple[str, ...] = ()
    number: int = 0
    target: tuple[str, ...] = field(default=())
    call: str = ""


def number_words(value: int) -> tuple[str, ...]:
    """A whole number from -99 to 99 in words: ``-21`` gives ``("minus", "twenty", "one")``."""
    if value < 0:
        return ("minus", *number_words(-value))
    if value < 20:
        return (NUMBERS[value],)
    tens, unit = divmod(value, 10)
    return (TENS[tens - 2],) if unit == 0 else (TENS[tens - 2], UNITS[unit])


RESULT_REPLIES: Final = {
    "plot": "here is the chart",
    "describe": "here is the summary",
    "list": "here is the list",
    "search": "here is what i found",
}
CALLS: Final = ["plot", "describe", "list", "search"]
TIMER_SECONDS: Final = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15]
COUNT_TO: Final = [3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20]

_SET: Final = {
    "what is your name": "i am nano",
    "tell me your name": "i am nano",
    "who are you": "i am nano",
    "hello": "hello",
    "hello there": "hello",
    "hi": "hello",
    "hi there": "hello",
    "good morning": "good morning",
    "how are you": "fine thanks",
    "thank you": "you are welcome",
    "thanks": "you are welcome",
    "can you hear me": "yes i hear you",
    "do you hear me": "yes i hear you",
    "are you there": "yes i am here",
    "goodbye": "goodbye",
    "bye bye": "goodbye",
    "what can you do": "i count and plot",
}
_STOP: Final = [
    "stop",
    "stop now",
    "please stop",
    "stop please",
    "okay stop",
    "stop counting",
    "be quiet",
    "that is enough",
]
_CANCEL: Final = ["never mind", "cancel that", "cancel the timer", "never mind that"]
_LOOK: Final = ["what do you see", "what is this", "what color is this", "what shape is this", "tell me what you see"]
_WATCH: Final = [
    "tell me when you see {}",
    "say when you see {}",
    "tell me when {} appears",
    "say so when you see {}",
    "watch for {}",
    "say now when you see {}",
]
_TIMER: Final = [
    "tell me in {} seconds",
    "tell me when {} seconds have passed",
    "remind me in {} seconds",
    "set a timer for {} seconds",
    "say now in {} seconds",
]
_COUNT: Final = ["count to {}", "please count to {}", "can you count to {}", "count to {} please"]
_COUNT_OPEN: Final = ["start counting", "please count", "count please", "start to count"]
_SUM: Final = ["what is {}", "{}", "how much is {}", "tell me what is {}", "calculate {}", "please calculate {}"]
_PLOT: Final = [
    "plot the data",
    "plot the table",
    "make a chart",
    "make a plot",
    "show me a chart",
    "draw a chart",
    "draw a chart of the data",
    "show me a plot of the data",
    "plot my data",
    "please plot the data",
]
_PLOT_COLUMN: Final = ["plot the {}", "plot {}", "show me a chart of the {}", "draw the {}", "make a chart of the {}"]
_PLOT_TWO: Final = ["plot {} against {}", "plot the {} and the {}", "plot the {} against the {}"]
_DESCRIBE: Final = [
    "describe the data",
    "describe the table",
    "summarize the data",
    "summarize the table",
    "give me a summary",
    "what is in the data",
    "please describe the data",
    "describe my data",
]
_DESCRIBE_COLUMN: Final = ["describe the {}", "summarize the {}"]
_LIST: Final = [
    "list the variables",
    "list my variables",
    "show me the variables",
    "what variables are there",
    "what data is there",
]
_SEARCH: Final = [
    "search the docs",
    "search for help",
    "look in the docs",
    "find help",
    "search the docs for {}",
    "look up the {}",
]


def _sums() -> dict[str, int]:
    table = {}
    for a, left in enumerate([*UNITS, "ten"]):
        for b, right in enumerate([*UNITS, "ten"]):
            table[f"{left} plus {right}"] = a + b
            table[f"{left} minus {right}"] = a - b
            if a < 10 and b < 10:
                table[f"{left} times {right}"] = a * b
    return table


def _targets() -> list[tuple[str, tuple[str, ...]]]:
    out: list[tuple[str, tuple[str, ...]]] = []
    for colour in COLOURS:
        out += [(colour, (colour,)), (f"something {colour}", (colour,))]
        out += [(f"a {colour} {shape}", (colour, shape)) for shape in SHAPES]
    out += [(f"a {shape}", (shape,)) for shape in SHAPES]
    return out


def all_requests() -> dict[str, list[tuple[str, Request]]]:
    """Every sentence of the language with its meaning, by family of requests."""
    families: dict[str, list[tuple[str, Request]]] = {}
    families["sum"] = [
        (frame.format(sum_), Request("answer", number_words(value)))
        for sum_, value in _sums().items()
        for frame in _SUM
    ]
    families["set"] = [(ask, Request("answer", tuple(reply.split()))) for ask, reply in _SET.items()]
    families["count"] = [
        (frame.format(NUMBERS[n] if n <= 20 else ""), Request("count", number=n)) for n in COUNT_TO for frame in _COUNT
    ] + [(text, Request("count", number=20)) for text in _COUNT_OPEN]
    families["stop"] = [(text, Request("stop")) for text in _STOP]
    families["timer"] = [
        (frame.format(NUMBERS[n]), Request("timer", ("okay",), number=n)) for n in TIMER_SECONDS for frame in _TIMER
    ]
    families["watch"] = [
        (frame.format(name), Request("watch", ("okay",), target=target))
        for name, target in _targets()
        for frame in _WATCH
    ]
    families["look"] = [(text, Request("look")) for text in _LOOK]
    families["cancel"] = [(text, Request("cancel", ("okay",))) for text in _CANCEL]

    def delegate(call: str, texts: Sequence[str]) -> list[tuple[str, Request]]:
        return [(text, Request("delegate", ("on", "it"), call=call)) for text in texts]

    two = [f.format(a, b) for f in _PLOT_TWO for a in COLUMNS for b in COLUMNS if a != b]
    one = [f.format(a) for f in _PLOT_COLUMN for a in COLUMNS]
    families["plot"] = delegate("plot", _PLOT * 3 + one + two[:: max(1, len(two) // 120)])
    families["describe"] = delegate(
        "describe", _DESCRIBE * 2 + [f.format(a) for f in _DESCRIBE_COLUMN for a in COLUMNS]
    )
    families["list"] = delegate("list", _LIST)
    families["search"] = delegate("search", [t for f in _SEARCH for t in dict.fromkeys(f.format(c) for c in COLUMNS)])
    return families


FAMILY_WEIGHTS: Final = {
    "sum": 0.36,
    "set": 0.08,
    "count": 0.08,
    "stop": 0.04,
    "timer": 0.10,
    "watch": 0.12,
    "look": 0.04,
    "cancel": 0.02,
    "plot": 0.07,
    "describe": 0.04,
    "list": 0.02,
    "search": 0.03,
}


class Language:
    """Samples sentences and knows what each means."""

    def __init__(self) -> None:
        self.families = all_requests()
        self.meaning: dict[str, Request] = {text: ask for family in self.families.values() for text, ask in family}
        self.words = spoken_words()
        self._names = list(FAMILY_WEIGHTS)
        self._weights = np.array([FAMILY_WEIGHTS[n] for n in self._names])
        self._weights /= self._weights.sum()

    def request(self, rng: np.random.Generator, family: str | None = None) -> str:
        """A sentence that asks for something."""
        family = family or str(rng.choice(self._names, p=self._weights))
        options = self.families[family]
        return options[int(rng.integers(len(options)))][0]

    def babble(self, rng: np.random.Generator, strangers: float = 0.25) -> str:
        """A random string of words that asks for nothing; some words are strangers to the vocabulary."""
        while True:
            count = int(rng.integers(2, 8))
            words = [
                str(rng.choice(STRANGERS)) if rng.random() < strangers else str(rng.choice(self.words))
                for _ in range(count)
            ]
            if not self.asks_anywhere(words):
                return " ".join(words)

    def digits(self, rng: np.random.Generator) -> str:
        """A string of 3 to 7 digits."""
        return " ".join(str(w) for w in rng.choice(UNITS, size=int(rng.integers(3, 8))))

    def asks_anywhere(self, words: Sequence[str]) -> bool:
        """Whether some run of these words is a request."""
        n = len(words)
        return any(" ".join(words[i:j]) in self.meaning for i in range(n) for j in range(i + 1, n + 1))

    def cut_points(self, text: str) -> list[int]:
        """After how many words a speaker may pause without having asked for anything yet."""
        words = text.split()
        return [i for i in range(1, len(words)) if not self.asks_anywhere(words[:i])]
