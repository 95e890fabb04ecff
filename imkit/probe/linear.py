"""Linear probes: can something be read off an activation by a straight line, in conversations never seen before?

Alain & Bengio 2017 (arXiv 1610.01644). What can be read off need not be used: a probe tells that something is there, an
ablation whether it matters. Beside every score stand what a guess gets and what the same probe gets from labels that
are not those of the moment (after the control tasks of Hewitt & Liang 2019, arXiv 1909.03368).

Rows of one conversation resemble each other, so they are never on both sides: every conversation is held out once, and
the uncertainty is that of drawing other conversations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from imkit.stream import TICKS_PER_S

from .cache import ATTENTION, ActivationCache
from .changes import axes_of
from .errors import ProbeError
from .seen import Seen, mask_of
from .solvers import Floats, Linear, auc, logistic, r2, ridge

if TYPE_CHECKING:
    from torch import Tensor

Ints = npt.NDArray[np.int64]
Labels = Callable[[int], Any] | Sequence[Any] | npt.NDArray[Any]
Which = Literal["act", "audio"] | None
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
RESAMPLES = 1000
_ONCE = "they would be on both sides. Give each conversation once, as one cache"


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """What a probe found; ``print`` it, or give its ``direction`` to ``steer``.

    kind       "logistic" for classes, "ridge" for numbers
    score      of conversations that were held out: share that is right, or R2
    interval   95 % of the score, over conversations drawn again
    guess      what a guess gets: the most frequent class, or the mean (R2 0 or below), of the other conversations
    shuffled   the mean score of probes of labels moved along in time within each conversation
    auc        of two classes: area under the ROC curve of what was held out; None for others
    error      of numbers: how far off what was held out is read, on average, in units of the labels; None for classes
    direction  float32 [d], length 1: along it the probed rises fastest; of two classes, towards the second
    pattern    float32 [d], length 1: what goes along with it in the activations (Haufe et al. 2014)
    norm       how much the logit, or the number, rises for a step of 1 along ``direction``
    classes    of "logistic", in order
    """

    site: str
    kind: Literal["logistic", "ridge"]
    score: float
    interval: tuple[float, float]
    guess: float
    shuffled: float
    auc: float | None
    error: float | None
    conversations: int
    count: int
    ahead_s: float
    penalty: float
    classes: tuple[Any, ...]
    direction: Tensor
    pattern: Tensor
    norm: float
    rows: Which
    model: Linear

    def predict(self, cache: ActivationCache) -> tuple[Ints, npt.NDArray[Any]]:
        """What is read off a cache: micro-turns [n], and for each row the class or the number [n]."""
        x, index = _rows_of(cache, self.site, self.rows)
        out = self.model(x)
        return index, np.array(self.classes)[out.argmax(1)] if self.kind == "logistic" else out[:, 0]

    @property
    def found(self) -> bool:
        """Whether the interval lies above what a guess and what shuffled labels get."""
        return bool(self.interval[0] > max(self.guess, self.shuffled))

    def __str__(self) -> str:
        name = "right" if self.kind == "logistic" else "R2"
        area = f", AUC {self.auc:.2f}" if self.auc is not None else f", off by {self.error:.2g}" if self.error else ""
        ahead = f" {self.ahead_s:g} s ahead" if self.ahead_s else ""
        return (
            f"{self.site}{ahead}: {name} {self.score:.2f} [{self.interval[0]:.2f}, {self.interval[1]:.2f}]{area}; "
            f"a guess {self.guess:.2f}, shuffled {self.shuffled:.2f}; {self.count} rows, "
            f"{self.conversations} conversations"
        )

    def __repr__(self) -> str:
        return f"LinearProbe({self})"


def fit_probe(
    caches: ActivationCache | Sequence[ActivationCache],
    labels: Labels | Sequence[Labels],
    site: str | tuple[str, int],
    *,
    rows: Which = "act",
    ahead_s: float = 0.0,
    folds: int = 5,
    penalty: float | None = None,
    shuffles: int = 3,
    seed: int = 0,
) -> LinearProbe:
    """Fits a linear probe at a site and scores it in conversations that it was not fitted to.

    caches   one for each conversation, at least two, none sharing a micro-turn with another
    labels   what to read off: one function of the micro-turn's number for all; or for each conversation such a
             function, or an array with one label for each of its micro-turns. None and NaN are left out. Truth values,
             words and whole numbers are classes, other numbers are numbers
    rows     which tokens: "act" (one a micro-turn), "audio" (four), None for all; a site of something else has all
    ahead_s  the label of so much later: 0.4 asks what can be read off now of the moment 400 ms ahead
    folds    how many parts the conversations are held out in; each is held out once
    penalty  against large weights; None chooses by how well conversations within the training part are foretold
    shuffles how many probes of labels moved in time are averaged; 0 for none, ``shuffled`` is then NaN

    Scores pool all held-out rows. The probe that is given is fitted to everything. Raises ProbeError where
    conversations are too few, overlap or have no labels, and where there is one class only; UnknownSite.
    """
    held = [caches] if isinstance(caches, ActivationCache) else list(caches)
    _apart(held)
    _no_copies(held)
    if folds < 2:
        raise ProbeError(f"folds={folds}: expected 2 or more, so that every conversation is held out once")
    steps = _steps(ahead_s)
    own = held[0]._own(site)
    if ATTENTION in axes_of(own):
        raise ProbeError(f"{own}: its columns are other keys in every micro-turn; probe attn.o.hook_in")
    parts = []
    for number, (cache, label) in enumerate(zip(held, _by_conversation(labels, held), strict=True)):
        x, index = _rows_of(cache, own, rows)
        parts.append((x, _labels_at(label, cache, index, steps, number)))
    data = _Data.of(parts, own)
    rng = np.random.default_rng(seed)
    fold = rng.permutation(np.arange(len(held)) % min(folds, len(held)))
    scored = _held_out(data, fold, penalty, seed)
    best = penalty if penalty is not None else _choose(data, np.arange(len(held)), seed)
    moved = [_held_out(data.moved(rng), fold, best, seed).score for _ in range(shuffles)]
    model = data.fit(np.ones(len(data.x), bool), best)
    weights = model.weights[:, 1] - model.weights[:, 0] if len(data.classes) == 2 else model.weights[:, -1]
    centred = data.x - data.x.mean(0)
    return LinearProbe(
        own, data.kind, scored.score, scored.interval(rng), scored.guess, float(np.mean(moved)) if moved else np.nan,
        scored.auc, scored.error, len(held), len(data.x), ahead_s, best, data.classes, _unit(weights),
        _unit(centred.T @ (centred @ weights)), float(np.linalg.norm(weights)), rows, model,
    )  # fmt: skip


# --- rows and labels


@dataclass(frozen=True, eq=False)
class _Data:
    """Rows x [n, d], y [n] (numbers, or places in ``classes``), and whose rows they are [n]."""

    x: Floats
    y: Floats
    whose: Ints
    classes: tuple[Any, ...]

    @classmethod
    def of(cls, parts: list[tuple[Floats, npt.NDArray[Any]]], site: str) -> _Data:
        x = np.concatenate([x for x, _ in parts])
        whose = np.repeat(np.arange(len(parts)), [len(x) for x, _ in parts])
        raw = [one for _, labels in parts for one in labels.tolist()]
        there = np.array([one is not None and one == one for one in raw], bool)
        if missing := sorted(set(range(len(parts))) - set(whose[there].tolist())):
            raise ProbeError(f"conversation {missing[0]} has no row with a label at {site}; leave it out, or label it")
        known = [one for one in raw if one is not None and one == one]
        if all(isinstance(one, float) for one in known):
            return cls(x[there], np.array(known, np.float64), whose[there], ())
        if any(isinstance(one, float) for one in known):
            raise ProbeError("labels mix classes and numbers; give all as float, or all as bool, int or str")
        classes = tuple(sorted(set(known), key=lambda one: (str(type(one)), one)))
        if len(classes) < 2:
            raise ProbeError(f"all {len(known)} labels are {classes[0]!r}; there is nothing to tell apart")
        places = {one: place for place, one in enumerate(classes)}
        return cls(x[there], np.array([places[one] for one in known], np.float64), whose[there], classes)

    @property
    def kind(self) -> Literal["logistic", "ridge"]:
        """By what is to be read off."""
        return "logistic" if self.classes else "ridge"

    def fit(self, rows: npt.NDArray[np.bool_], penalty: float) -> Linear:
        """A probe of some rows."""
        if self.classes:
            return logistic(self.x[rows], self.y[rows].astype(np.int64), len(self.classes), penalty)
        return ridge(self.x[rows], self.y[rows], penalty)

    def moved(self, rng: np.random.Generator) -> _Data:
        """The labels of each conversation moved along by a random time, and around its end."""
        y = self.y.copy()
        for one in np.unique(self.whose):
            mine = np.flatnonzero(self.whose == one)
            y[mine] = np.roll(y[mine], int(rng.integers(len(mine))))
        return _Data(self.x, y, self.whose, self.classes)


@dataclass(frozen=True, eq=False)
class _Scored:
    """What was read off rows that were held out, beside what is right and what a guess says."""

    data: _Data
    got: Floats
    guessed: Floats

    def of(self, got: Floats, rows: Any = slice(None)) -> float:
        wanted = self.data.y[rows]
        if not self.data.classes:
            return r2(wanted, got[rows, 0])
        return float((got[rows].argmax(1) == wanted).mean())

    @property
    def score(self) -> float:
        return self.of(self.got)

    @property
    def guess(self) -> float:
        return self.of(self.guessed)

    @property
    def auc(self) -> float | None:
        if len(self.data.classes) != 2:
            return None
        return auc(self.got[:, 1] - self.got[:, 0], self.data.y == 1)

    @property
    def error(self) -> float | None:
        return None if self.data.classes else float(np.abs(self.data.y - self.got[:, 0]).mean())

    def interval(self, rng: np.random.Generator) -> tuple[float, float]:
        """Percentiles over conversations drawn with replacement (Davison & Hinkley 1997)."""
        rows = [np.flatnonzero(self.data.whose == one) for one in np.unique(self.data.whose)]
        scores = []
        for _ in range(RESAMPLES):
            drawn = rng.integers(len(rows), size=len(rows))
            scores.append(self.of(self.got, np.concatenate([rows[one] for one in drawn])))
        low, high = np.nanquantile(scores, (0.025, 0.975))
        return float(low), float(high)


def _held_out(data: _Data, fold: Ints, penalty: float | None, seed: int) -> _Scored:
    outputs = max(1, len(data.classes))
    got, guessed = np.zeros((len(data.x), outputs)), np.zeros((len(data.x), outputs))
    for part in np.unique(fold):
        inner = np.flatnonzero(fold != part)
        train = np.isin(data.whose, inner)
        chosen = penalty if penalty is not None else _choose(data, inner, seed)
        got[~train] = data.fit(train, chosen)(data.x[~train])
        if data.classes:
            guessed[~train] = np.bincount(data.y[train].astype(np.int64), minlength=outputs)
        else:
            guessed[~train] = data.y[train].mean()
    return _Scored(data, got, guessed)


def _choose(data: _Data, conversations: Ints, seed: int) -> float:
    """The penalty that foretells best a third of these conversations from the others."""
    if len(conversations) < 2:
        return PENALTIES[2]
    order = np.random.default_rng(seed).permutation(conversations)
    out = np.isin(data.whose, order[: max(1, len(order) // 3)])
    train = np.isin(data.whose, order[max(1, len(order) // 3) :])

    def loss(penalty: float) -> float:
        got, wanted = data.fit(train, penalty)(data.x[out]), data.y[out]
        if not data.classes:
            return float(((got[:, 0] - wanted) ** 2).mean())
        shifted = got - got.max(1, keepdims=True)
        return float((np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(wanted)), wanted.astype(np.int64)]).mean())

    return min(PENALTIES, key=loss)


def _rows_of(cache: ActivationCache, site: str, rows: Which) -> tuple[Floats, Ints]:
    """Numbers [n, d] of the chosen tokens, and their micro-turns [n]."""
    if rows not in ("act", "audio", None):
        raise ProbeError(f"rows={rows!r}: expected 'act', 'audio' or None")
    positions = cache.positions_of(site)
    x = cache[site][0].double().numpy().reshape(len(positions), -1)
    if rows is not None and rows in positions.stream:
        keep = mask_of(positions.stream, rows)
        return x[keep], positions.index[keep]
    return x, positions.index


def _labels_at(label: Labels, cache: ActivationCache, index: Ints, steps: int, number: int) -> npt.NDArray[Any]:
    """The label of each row, None where there is none: beyond the end, where it is asked for ahead."""
    out = np.empty(len(index), object)
    if callable(label):
        known = {int(at): _plain(label(int(at) + steps)) for at in np.unique(index)}
    else:
        given = list(label)
        if len(given) != len(cache.seen):
            raise ProbeError(
                f"conversation {number} has {len(cache.seen)} micro-turns and {len(given)} labels; give one for each"
            )
        by_index = dict(zip(cache.index.tolist(), given, strict=True))
        known = {int(at): _plain(by_index.get(int(at) + steps)) for at in np.unique(index)}
    out[:] = [known[int(at)] for at in index]
    return out


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _by_conversation(labels: Labels | Sequence[Labels], caches: list[ActivationCache]) -> list[Labels]:
    if callable(labels):
        return [labels] * len(caches)
    given: list[Any] = list(labels)
    if len(given) != len(caches):
        raise ProbeError(
            f"{len(caches)} conversations and {len(given)} lists of labels; give one for each conversation, or one "
            "function of the micro-turn's number for all"
        )
    if wrong := [one for one in given if not callable(one) and (isinstance(one, str) or not hasattr(one, "__len__"))]:
        raise ProbeError(f"labels hold {wrong[0]!r}; expected for each conversation an array or a function")
    return given


def _apart(caches: list[ActivationCache]) -> None:
    """Raises ProbeError unless these are at least two conversations with nothing in common."""
    if len(caches) < 2:
        raise ProbeError(
            f"{len(caches)} conversation; expected two or more, one cache each: a probe is scored in conversations "
            "that it was not fitted to"
        )
    owner: dict[int, int] = {}
    for number, cache in enumerate(caches):
        if not cache.seen:
            raise ProbeError(f"conversation {number} holds no micro-turn")
        for one in cache.seen:
            before = owner.setdefault(id(one), number)
            if before != number:
                raise ProbeError(f"conversations {before} and {number} share micro-turn {one.index}; {_ONCE}")


def _no_copies(caches: list[ActivationCache]) -> None:
    """Raises ProbeError where all that one conversation holds is also another's: the same one, lived through again."""
    held = [{_digest(one) for one in cache.seen} for cache in caches]
    for number, mine in enumerate(held):
        for other, theirs in enumerate(held):
            if other != number and mine <= theirs:
                raise ProbeError(
                    f"all of conversation {number} is in conversation {other} too, number by number; {_ONCE}"
                )


def _digest(one: Seen) -> bytes:
    """What tells a micro-turn from others: every number that was kept of it."""
    whole = hashlib.blake2b(str(one.index).encode(), digest_size=16)
    for name, tensor in sorted(one.at.items()):
        whole.update(name.encode())
        whole.update(np.ascontiguousarray(tensor.double().numpy()).tobytes())
    return whole.digest()


def _steps(ahead_s: float) -> int:
    steps = round(ahead_s * TICKS_PER_S)
    if abs(steps - ahead_s * TICKS_PER_S) > 1e-6:
        raise ProbeError(f"ahead_s={ahead_s!r}: expected a whole number of micro-turns of 0.2 s")
    return steps


def _unit(vector: Floats) -> Tensor:
    import torch

    length = float(np.linalg.norm(vector))
    return torch.from_numpy((vector / length if length else vector).astype(np.float32))
