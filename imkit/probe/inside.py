"""A model with hooks on it, in the same chair: what passes its sites is seen, kept or replaced, tick by tick.

The model is a copy that shares its weights, so hooks are nobody else's, and a state goes from the model to the copy and
back: a session can be looked into in its middle.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any

from imkit.stream import TICK_S, Act, InteractionModel, ModelSpec, OpenConfig, Percept

from .errors import ProbeError
from .names import IN, NamesFilter, Points, layer_of


@dataclass(slots=True)
class Hook:
    """What a hook function is told beside the tensor, ``fn(tensor, hook)``.

    name     the site's own name
    index    the micro-turn
    percept  what came in
    ctx      yours, kept as long as the hook is on
    """

    name: str
    index: int = 0
    percept: Percept | None = None
    ctx: dict[str, Any] = field(default_factory=dict)

    @property
    def at_s(self) -> float:
        """Where the micro-turn begins."""
        return self.index * TICK_S

    def layer(self) -> int | None:
        """The layer in the name, None where it is of none."""
        return layer_of(self.name)


HookFunction = Callable[[Any, Hook], Any]
"""``fn(tensor, hook)``; a tensor that it gives takes the place of the one that passed, None leaves it."""
FwdHooks = Iterable[tuple[NamesFilter, HookFunction]]


def opened(model: InteractionModel[Any]) -> InteractionModel[Any]:
    """The model in a form that hooks can be put on. Raises ProbeError for one that nobody can look into."""
    eager = getattr(model, "eager", None)
    if callable(eager):
        found: InteractionModel[Any] = eager()
        return found
    if module_of(model) is not None:
        return model
    raise ProbeError(
        f"{model.spec.name} cannot be looked into: it has neither eager() nor a torch module as .module; "
        "imkit.load('nano') has"
    )


def module_of(model: Any) -> Any:
    """The torch module inside a model in the chair, None where there is none."""
    from torch import nn

    module = getattr(model, "module", None)
    return module if isinstance(module, nn.Module) else None


class Inside:
    """A model with hooks on it; a context manager, at whose end they are all gone.

    Hooks of a model that has no ``eager()`` are on its one module, and are called only while this steps it: another
    session with the same model goes on without them.

    strict  True: a hook that raises, or gives a tensor of another shape, is a ProbeError. False, for what is live: it
            is taken off and counted in ``failed``, by site, and the model goes on without it
    """

    def __init__(self, model: InteractionModel[Any], fwd_hooks: FwdHooks = (), *, strict: bool = True) -> None:
        self.model = opened(model)
        self.own = self.model is not model
        """Whether the module is nobody else's."""
        self.points = Points(module_of(self.model))
        self.strict = strict
        self.failed: Counter[str] = Counter()
        self.index = 0
        self.percept: Percept | None = None
        self._handles: dict[int, Any] = {}
        self._resting = False
        self._steps_in: int | None = None
        try:
            for names, function in fwd_hooks:
                self.add(names, function)
        except Exception:
            self.close()
            raise

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self.model.spec

    @property
    def module(self) -> Any:
        """The torch module that the hooks are on."""
        return self.points.module

    def open(self, config: OpenConfig) -> Any:
        """A fresh state, as the model's own."""
        return self.model.open(config)

    def step(self, state: Any, percept: Percept) -> tuple[Act, Any]:
        """One micro-turn of the model, its hooks on."""
        self.index, self.percept = percept.index, percept
        before, self._steps_in = self._steps_in, get_ident()
        try:
            return self.model.step(state, percept)
        finally:
            self._steps_in = before

    def add(
        self, names_filter: NamesFilter, function: HookFunction, failed: Callable[[str], object] | None = None
    ) -> Callable[[], None]:
        """Puts a function on sites; gives what takes it off again. Raises UnknownSite, ProbeError.

        ``failed`` is told in words when, not strict, it had to be taken off.
        """
        if not callable(function):
            raise ProbeError(f"{function!r} is no hook; expected a function (tensor, hook) that gives a tensor or None")
        handles: list[Any] = []

        def off() -> None:
            for handle in handles:
                handle.remove()
                self._handles.pop(handle.id, None)

        handles += [self._put(name, function, off, failed) for name in self.points.chosen(names_filter)]
        self._handles |= {handle.id: handle for handle in handles}
        return off

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Hooks are not called in here."""
        self._resting = True
        try:
            yield
        finally:
            self._resting = False

    def close(self) -> None:
        """Takes all hooks off."""
        for handle in self._handles.values():
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(
        self, name: str, function: HookFunction, off: Callable[[], None], failed: Callable[[str], object] | None
    ) -> Any:
        hook = Hook(name)

        def seen(tensor: Any) -> Any:
            if self._resting or not (self.own or self._steps_in == get_ident()):
                return None
            hook.index, hook.percept = self.index, self.percept
            try:
                made = function(tensor, hook)
                if made is not None:
                    _check(made, tensor, hook)
            except Exception as error:
                if self.strict:
                    if isinstance(error, ProbeError):
                        raise
                    raise ProbeError(_told(error, hook)) from error
                off()
                self.failed[name] += 1
                if failed is not None:
                    failed(_told(error, hook))
                return None
            return made

        point = self.points[name]
        if not self.points.axes and name.endswith(f".{IN}"):

            def before(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
                made = _changed(given, seen)
                if made is not None:
                    return made, named
                made = None if _first(given) is not None else _changed(named, seen)
                return None if made is None else (given, made)

            return point.register_forward_pre_hook(before, with_kwargs=True)

        def after(_: Any, __: tuple[Any, ...], out: Any) -> Any:
            return seen(out) if _is_tensor(out) else _changed(out, seen)

        return point.register_forward_hook(after)


def _first(among: Any) -> Any:
    """The key of the first tensor in a tuple, a list or a dict; None where there is none."""
    if isinstance(among, dict):
        return next((key for key, one in among.items() if _is_tensor(one)), None)
    if isinstance(among, tuple | list):
        return next((place for place, one in enumerate(among) if _is_tensor(one)), None)
    return None


def _changed(among: Any, seen: Callable[[Any], Any]) -> Any:
    """The same collection with its first tensor replaced by what ``seen`` gives for it; None where it gives none."""
    key = _first(among)
    made = None if key is None else seen(among[key])
    if made is None:
        return None
    if isinstance(among, dict):
        out = copy.copy(among)
        out[key] = made
        return out
    parts = [*among[:key], made, *among[key + 1 :]]
    kind: Any = type(among)
    return kind(*parts) if hasattr(among, "_fields") else kind(parts)


def _is_tensor(one: Any) -> bool:
    from torch import Tensor

    return isinstance(one, Tensor)


def _check(made: Any, tensor: Any, hook: Hook) -> None:
    if not _is_tensor(made):
        raise ProbeError(f"the hook on {hook.name} gave {type(made).__name__}; expected a tensor, or None for none")
    if made.shape != tensor.shape or made.dtype != tensor.dtype:
        raise ProbeError(
            f"the hook on {hook.name} gave {_shape(made)}, expected {_shape(tensor)} as it came; change numbers, not "
            "the shape"
        )
    if made.is_floating_point() and bool(made.isnan().any()) and not bool(tensor.isnan().any()):
        raise ProbeError(f"the hook on {hook.name} gave NaN, which a stream would never get rid of; expected numbers")


def _shape(tensor: Any) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _told(error: Exception, hook: Hook) -> str:
    if isinstance(error, ProbeError):
        return str(error)
    return f"the hook on {hook.name} failed at {hook.at_s:.1f} s: {type(error).__name__}: {error}"
