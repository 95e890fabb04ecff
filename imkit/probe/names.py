"""Names of sites: which there are in a model, other names for them, and which ones a filter chooses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeGuard

from .errors import ProbeError, UnknownSite

if TYPE_CHECKING:
    from torch import nn

Name = str | tuple[str, int]
"""A site's name, another name for it, or a short one: ``("resid_post", 5)``."""
NamesFilter = Name | Iterable[Name] | Callable[[str], bool] | None
"""Which sites: a name, several, a function of a name, or None for all; as in TransformerLens."""

IN, OUT = "hook_in", "hook_out"
NO_SITE = "no.such.site"
_SHORT = {
    "resid_pre": "hook_resid_pre",
    "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post",
    "attn_out": "hook_attn_out",
    "mlp_out": "hook_mlp_out",
    "q": "attn.hook_q",
    "k": "attn.hook_k",
    "v": "attn.hook_v",
    "rot_q": "attn.hook_rot_q",
    "rot_k": "attn.hook_rot_k",
    "z": "attn.hook_z",
    "pattern": "attn.hook_pattern",
    "attn_scores": "attn.hook_attn_scores",
    "pre": "mlp.hook_pre",
    "post": "mlp.hook_post",
}


class Points(Mapping[str, "nn.Module"]):
    """Every place in a module that can be looked into, by name, in the order of the network.

    A network with hook points of its own, such as nano's, has those. Of any other module every submodule has two:
    ``<path>.hook_in``, the first of what goes in, and ``<path>.hook_out``, the first of what comes out.
    """

    def __init__(self, module: nn.Module) -> None:
        from imkit.model.sites import HookPoint, all_sites

        self.module = module
        self._other: dict[str, str] = {}
        self._at: dict[str, nn.Module] = {}
        self.axes: dict[str, tuple[str, ...]] = {}
        points = {part.name: part for part in module.modules() if isinstance(part, HookPoint)}
        for site in all_sites(layers_of(points)):
            if site.name in points:
                self._at[site.name], self.axes[site.name] = points[site.name], site.axes
        self._other = other_names(self._at)
        if not points:
            named = [(path, part) for path, part in module.named_modules() if path]
            self._at = {f"{path}.{end}": part for path, part in named for end in (IN, OUT)}

    def __getitem__(self, name: str) -> nn.Module:
        return self._at[self.canonical(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)

    def known_as(self, name: str) -> list[str]:
        """Other names of a site."""
        return [other for other, meant in self._other.items() if meant == name]

    def canonical(self, name: Name) -> str:
        """The site's own name; ``("pattern", 3)`` and names of TransformerLens 2 are understood.

        Raises UnknownSite, which names those that come nearest.
        """
        asked = plain_name(name)
        if asked in self._at:
            return asked
        if asked in self._other:
            return self._other[asked]
        raise UnknownSite(f"no site {asked!r} here; {self._near(asked)}")

    def chosen(self, names_filter: NamesFilter) -> list[str]:
        """The own names of what a filter chooses, in the order of the network. Raises UnknownSite, ProbeError.

        A function is asked of the own name and of other names: one yes is enough, but one that also says yes to what is
        no site, such as ``lambda name: "resid" not in name``, must say it to all of them.
        """
        if names_filter is None:
            return list(self._at)
        if isinstance(names_filter, str) or _is_short(names_filter):
            return [self.canonical(names_filter)]
        if callable(names_filter):
            enough = all if names_filter(NO_SITE) else any
            found = [name for name in self._at if enough(map(names_filter, (name, *self.known_as(name))))]
            if not found:
                raise ProbeError(f"names_filter chose none of {len(self._at)} sites, such as {next(iter(self._at))!r}")
            return found
        if not isinstance(names_filter, Iterable):
            raise ProbeError(f"names_filter={names_filter!r}: expected a name, several, a function of a name, or None")
        several: Iterable[Any] = names_filter
        wanted = {self.canonical(name) for name in several}
        if not wanted:
            raise ProbeError("names_filter is empty; None means all sites")
        return [name for name in self._at if name in wanted]

    def _near(self, asked: str) -> str:
        near = get_close_matches(asked, [*self._at, *self._other], 3, 0.5)
        if near:
            return "did you mean " + " or ".join(repr(one) for one in near) + "?"
        return f"there are {len(self._at)}, such as {', '.join(list(self._at)[:3])}; list(imkit.probe.sites(model))"


def layer_of(name: str) -> int | None:
    """The layer in a site's name, None where it is of none."""
    found = re.match(r"blocks\.(\d+)\.", name)
    return int(found[1]) if found else None


def layers_of(names: Iterable[str]) -> int:
    """How many layers a network with sites of these names has at least."""
    return 1 + max((layer for name in names if (layer := layer_of(name)) is not None), default=-1)


def other_names(names: Iterable[str]) -> dict[str, str]:
    """Other names that nano's sites are known by -> those of ``names`` that they mean."""
    from imkit.model.sites import all_sites

    there = set(names)
    return {other: site.name for site in all_sites(layers_of(there)) if site.name in there for other in site.known}


def plain_name(name: Name) -> str:
    """A name as it is, or what ``("resid_post", 5)`` is short for. Raises UnknownSite."""
    if isinstance(name, str):
        return name
    if _is_short(name) and name[0] in _SHORT:
        return f"blocks.{name[1]}.{_SHORT[name[0]]}"
    raise UnknownSite(f"{name!r} is no name of a site; expected a text or (one of {', '.join(_SHORT)}, layer)")


def _is_short(name: object) -> TypeGuard[tuple[str, int]]:
    return isinstance(name, tuple) and len(name) == 2 and isinstance(name[0], str) and type(name[1]) is int
