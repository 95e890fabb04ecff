"""The closed language that nano is taught: what people ask, what it means, and what is said in return.

This is teaching material. Nothing here runs in a session: there the network alone decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from imkit.scenes.interpreting import SPANISH as SPANISH

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
SCENE_WORDS: Final = (  # what the scenes' users say beside that, and order_drink's values
    "about after again all almond along americano anna at bag bags ball bedroom beep ben bird birds bit black boat "
    "book books box bread brother brown bush came cappuccino car cat city close coffee cold come computer could cream "
    "cup dark deep did dog door double drip early egg espresso every father fish flower folk friend garden get go got "
    "had has he her hmm home horse house huh iced island jazz jumps just kitchen know large last late latte left light "
    "listen little long lot lots man many mary mean medium milk minutes mocha moon mother moves music near new night "
    "nod off office old open order ounce out over pass people picture place plants play pop put question river road "
    "roast rock room rose sad said salt saw school sea second she ship shot side since single sister skim small snow "
    "some soy street sugar sun sure sweetener swings take talk tea then they tired told tom took town trains tree "
    "triple turn uh um until us used very walk want wants warm was water we weather went while whole wind window with "
    "wrong yeah years yesterday animal like"
).split()
SCENE_REPLIES: Final = (  # what nano says in scenes beside its other replies
    "tea go yes seconds wrong beep start stop right yeah uh huh timer set jazz rock folk pop light off small medium "
    "large latte mocha espresso iced coffee americano cappuccino drip house eight ounce twelve sixteen summary "
    "list animal"
).split()
OWN_NAMES: Final = ["nano", "computer"]
OTHER_NAMES: Final = ["anna", "ben", "tom", "mary"]
WAKE_WORDS: Final = "alexa computer jarvis smart mirror view glass".split()  # names, said by people
# Words that people say around the closed vocabulary. Nano writes <unk> for them and does nothing. ("glass" has been a
# wake word since, and is written as such; without it every bank of speech would have to be made anew.)
STRANGERS: Final = (
    "also always answer apple ask away back bad bank because bed before below best better between big body boy "
    "break bring build but buy by call carry change child clean clear cook country cut dear dinner does down "
    "dream drink drive dry each earth east eat empty end ever eye face fact family far farm fast feel feet floor "
    "fly follow food foot front full game girl glass gold great ground group grow hair half hand hard head heart "
    "heavy high him his hold hope hot hour hundred idea inside job jump keep kind king knew lake land language "
    "laugh learn leave leg letter life line live lost love low machine map may measure minute money more most "
    "mountain move must need north note ocean often only or other our page paper part pay person piece plain plan "
    "plant point poor power problem pull push quick rain reach read ready real rest round rule run same sat send "
    "sentence short should simple sing sit sky sleep slow song soon sound south spring stand star state step "
    "still stone story strong such summer them thing think thought today together top travel true try under use "
    "voice wall way week well were west where which white why wide wild will winter woman wonder wood word work "
    "world would write year young bottle planet castle village market number finger captain doctor orange purple "
    "pencil monkey guitar rabbit butter jacket pocket silver engine signal thunder ladder hammer forest candle "
    "carpet button basket bridge "
).split()

NONE, UNKNOWN, SEND, RESULT, FAIL = "<none>", "<unk>", "<send>", "<result>", "<fail>"
SPECIALS: Final = [NONE, UNKNOWN, SEND, RESULT, FAIL]


def vocabulary() -> list[str]:
    """Every token of nano's closed vocabulary, the specials first; heard and said words share it."""
    words = NUMBERS + OPERATORS + COLOURS + SHAPES + COLUMNS + CARRIERS + REPLY_ONLY + SCENE_WORDS
    return SPECIALS + list(dict.fromkeys([*words, "translate", "spanish", *SPANISH.values(), *WAKE_WORDS]))


def spoken_words() -> list[str]:
    """The words that nano can hear: the vocabulary without specials and without Spanish, which it only says."""
    spanish = set(SPANISH.values())
    return [word for word in vocabulary()[len(SPECIALS) :] if word not in spanish]


AMOUNTS: Final = ("some", "a bit of", "a little bit of", "a lot of", "lots of")
TOPICS: Final = ("weather", "trains", "birds", "music")
CALLS: Final = ["plot", "describe", "list", "search", "set_timer", "play", "light", "order_drink"]
SLOTS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (  # call, argument, values; parts of one argument in a row
    ("plot", "column", tuple(COLUMNS)),
    ("search", "topic", (*TOPICS, "help", *COLUMNS)),
    ("set_timer", "minutes", tuple(NUMBERS[:21])),
    ("play", "genre", ("jazz", "rock", "folk", "pop")),
    ("light", "room", ("kitchen", "bedroom", "office")),
    ("light", "state", ("on", "off")),
    (
        "order_drink",
        "drink",
        (
            *("americano", "cappuccino", "coffee", "drip coffee", "espresso", "house coffee", "iced coffee"),
            *("iced mocha", "latte", "mocha"),
        ),
    ),
    (
        "order_drink",
        "size",
        ("small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce"),
    ),
    ("order_drink", "roast", ("light roast", "medium roast", "dark roast")),
    ("order_drink", "shots", ("single shot", "double shot", "triple shot")),
    ("order_drink", "milk", AMOUNTS),
    ("order_drink", "milk", ("milk", "cream", "whole milk", "skim milk", "soy milk", "almond milk")),
    ("order_drink", "sugar", AMOUNTS),
    ("order_drink", "sugar", ("sugar", "brown sugar", "sweetener")),
)


def slot_classes(call: str, arguments: Mapping[str, object]) -> list[int]:
    """The class of every slot for a call: 0 for nothing, -100 for slots of other calls.

    Raises ValueError where a value is none of the slot's.
    """
    left = {key: str(value) for key, value in arguments.items() if value is not None}
    out = []
    for owner, argument, values in reversed(SLOTS):
        text = left.get(argument, "") if owner == call else ""
        if text.isdecimal():
            text = " ".join(number_words(int(text)))
        found = max((v for v in values if text == v or text.endswith(" " + v)), key=len, default="")
        if owner == call and found:
            left[argument] = text[: len(text) - len(found)].strip()
        out.append(1 + values.index(found) if found else 0 if owner == call else -100)
    if rest := {key: value for key, value in left.items() if value}:
        raise ValueError(f"{call}: no slot takes {rest}")
    return out[::-1]


Topic = Literal[
    "answer", "count", "stop", "timer", "watch", "look", "cancel", "delegate"
]  # what a request asks for; "answer" is said at once


@dataclass(frozen=True)
class Request:
    """What a sentence asks for. ``reply`` is said at once; the rest depends on the topic.

    ``slots`` are the classes of a call's slots, where the sentence names at most one value.
    """

    topic: Topic
    reply: tuple[str, ...] = ()
    number: int = 0
    target: tuple[str, ...] = field(default=())
    call: str = ""
    slots: tuple[int, ...] = ()


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


def _slots(call: str, text: str) -> tuple[int, ...]:
    """Slot classes of a request in which at most one value is named; else nothing is said of them."""
    argument, values = {name: (argument, values) for name, argument, values in SLOTS}.get(call, ("", ()))
    named = [word for word in text.split() if word in values]
    return tuple(slot_classes(call, {argument: named[0]} if named else {})) if len(named) < 2 else ()


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
        return [(text, Request("delegate", ("on", "it"), call=call, slots=_slots(call, text))) for text in texts]

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
        self.words = [word for word in spoken_words() if word not in WAKE_WORDS or word in SCENE_WORDS]
        self._names = list(FAMILY_WEIGHTS)
        self._weights = np.array([FAMILY_WEIGHTS[n] for n in self._names])
        self._weights /= self._weights.sum()

    def request(self, rng: np.random.Generator, family: str | None = None) -> str:
        """A sentence that asks for something."""
        family = family or str(rng.choice(self._names, p=self._weights))
        options = self.families[family]
        return options[int(rng.integers(len(options)))][0]

    def babble(self, rng: np.random.Generator, strangers: float = 0.25) -> str:
        """A random string of words that asks for nothing; some words are strangers to the vocabulary.

        New wake words are not among them: a bank of speech that was made before they were known stays what it is.
        """
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
