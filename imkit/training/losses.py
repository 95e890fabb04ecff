"""What nano is graded on while it learns.

Some heads exist only here: the word under way, the time left, what is in a frame, and for watching what is asked for,
what is in view, and whether the one is the other; for listening what was promised, what the cue is, and whether this is
the moment. Without these, nano named whatever appeared, and let every spoken cue and stop pass.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imkit.model.config import NanoConfig
from imkit.model.network import Network

from .batch import Batch, forward
from .phones import PHONES
from .pictures import SEEN_CLASSES, WANTED_CLASSES
from .script import COUNTDOWN_CLASSES


class Helpers(nn.Module):
    """Heads that help learning and are left behind: the word heard and the phase of the
    word under way, read from the decoder and from its input alone; micro-turns until something is due,
    colour and shape in a frame; read from act tokens: what is watched for, what is in view, whether it is that; which
    word was promised, which is the cue, and whether what was just said is a reason to begin or end something.
    """

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.phase = nn.Linear(config.width, 2 * len(config.vocabulary))
        self.ears_heard = nn.Linear(config.width, len(config.vocabulary))
        self.ears_phase = nn.Linear(config.width, 2 * len(config.vocabulary))
        self.ears_phone = nn.Linear(config.width, 1 + len(PHONES))
        self.countdown = nn.Linear(config.width, COUNTDOWN_CLASSES)
        self.seen = nn.Linear(config.width, SEEN_CLASSES)
        self.wanted = nn.Linear(config.width, WANTED_CLASSES)
        self.in_view = nn.Linear(config.width, SEEN_CLASSES)
        self.match = nn.Linear(config.width, 2)
        self.promised = nn.Linear(config.width, len(config.vocabulary))
        self.moment = nn.Linear(config.width, 2)
        self.awaited = nn.Linear(config.width, len(config.vocabulary))


def weighted(logits: Tensor, target: Tensor, nothing: float, stress: Tensor | None = None) -> Tensor:
    """Cross entropy in which the class 0, "nothing", counts ``nothing`` times and -100 is left out.

    ``stress`` is how many times each target counts, in the shape of ``target``.
    """
    weight = torch.ones(logits.shape[-1], device=logits.device)
    weight[0] = nothing
    logits, target = logits.flatten(0, -2).float(), target.flatten()
    if stress is None:
        return F.cross_entropy(logits, target, weight=weight)
    share = weight[target.clamp(min=0)] * stress.flatten() * (target >= 0)
    losses = F.cross_entropy(logits, target, reduction="none", ignore_index=-100)
    return (losses * share).sum() / share.sum().clamp(min=1e-6)


def grade_frames(network: Network, helpers: Helpers, frames: Tensor, seen: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Loss of naming what is in frames uint8 [f, px, px, 3] from their tokens alone, and numbers worth logging."""
    logits = helpers.seen(F.gelu(network.patches(frames.permute(0, 3, 1, 2).float() / 255)))
    known = seen >= 0
    loss = F.cross_entropy(logits[known], seen[known])
    right = (logits.argmax(-1) == seen)[known].float().mean()
    return loss, {"seen": float(loss.detach()), "seen_right": float(right)}


def grade_hearing(heard: Tensor, phase: Tensor, batch: Batch, name: str) -> tuple[Tensor, dict[str, float]]:
    """Loss of logits of the word to be written [b, 4t, words] and of the word under way [b, 4t, 2 words]."""
    loss_heard = weighted(heard, batch.heard, 0.3)
    loss = 2.5 * loss_heard + 0.6 * weighted(phase, batch.phase, 0.5)
    with torch.no_grad():
        spoken = batch.heard > 0
        guess = heard.argmax(-1)
        log = {
            name: float(loss_heard),
            f"{name}_recall": float((guess == batch.heard)[spoken].float().mean()),
            f"{name}_false": float((guess[batch.heard == 0] > 0).float().mean()),
        }
    return loss, log


def grade_ears(
    helpers: Helpers, tokens: Tensor, batch: Batch, phones_weight: float = 1.0
) -> tuple[Tensor, dict[str, float]]:
    """Loss of telling words and phones from audio tokens [b, 4t, width] alone, before the decoder has seen them."""
    felt = F.gelu(tokens)
    loss, log = grade_hearing(helpers.ears_heard(felt), helpers.ears_phase(felt), batch, "ears")
    phones = helpers.ears_phone(felt)
    with torch.no_grad():
        spoken = batch.phone > 0
        log["phones_right"] = float((phones.argmax(-1) == batch.phone)[spoken].float().mean().nan_to_num(0))
    return loss + phones_weight * weighted(phones, batch.phone, 0.5), log


def grade_watching(helpers: Helpers, batch: Batch, act: Tensor, below: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Loss of knowing what is watched for and what is in view (``below``) and whether it is that (``act``)."""
    wanted, in_view, match = helpers.wanted(below), helpers.in_view(below), helpers.match(act)
    known = batch.wanted >= 0
    if not bool(known.any()):  # nobody wrote down what is watched for
        return act.sum() * 0, {}
    loss = weighted(wanted[known], batch.wanted[known], 0.2)
    log = {"wanted": float(loss.detach())}
    if bool((batch.in_view >= 0).any()):
        loss = loss + F.cross_entropy(in_view.flatten(0, 1), batch.in_view.flatten(), ignore_index=-100)
    compared = batch.match >= 0
    if bool(compared.any()):
        loss = loss + 2 * F.cross_entropy(match[compared], batch.match[compared])
        with torch.no_grad():
            guess = match.argmax(-1)
            for name, value in (("match_hit", 1), ("match_lure", 0)):
                here = batch.match == value
                if bool(here.any()):
                    log[name] = float((guess == 1)[here].float().mean())
    return loss, log


def stress_of(batch: Batch) -> Tensor:
    """How many times each micro-turn counts [b, t]: the few in which words decide are drowned otherwise."""
    return 1 + 3.0 * (batch.moment == 1) + 1.5 * (batch.moment == 0)


def grade_moments(helpers: Helpers, batch: Batch, act: Tensor, below: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Loss of knowing what was promised for which cue (``below``), and whether what was just said is a reason to act.

    Moments of either kind count alike, however rare the reasons are; of those without one, the hardest quarter.
    """
    loss, log = act.sum() * 0, dict[str, float]()
    for name, head, track in (
        ("promised", helpers.promised, batch.promised),
        ("awaited", helpers.awaited, batch.awaited),
    ):
        known = track >= 0
        if bool(known.any()):
            guess = head(below)
            loss = loss + weighted(guess[known], track[known], 0.2)
            if bool((track > 0).any()):
                log[f"{name}_right"] = float((guess.argmax(-1) == track)[track > 0].float().mean())
    moment = helpers.moment(act)
    for name, value in (("moment_hit", 1), ("moment_lure", 0)):
        here = batch.moment == value
        if bool(here.any()):
            losses = F.cross_entropy(moment[here].float(), batch.moment[here], reduction="none")
            loss = loss + (losses if value else losses.topk(1 + len(losses) // 4).values).mean()
            log[name] = float((moment.argmax(-1) == 1)[here].float().mean())
    return loss, log


def grade_slots(network: Network, batch: Batch, act: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Loss of what the slots of a call say, summed over slots, where calls are made."""
    made = (batch.slots >= 0).any(-1)
    if not bool(made.any()):
        return act.sum() * 0, {}
    assert network.slot_head is not None
    logits = network.slot_head(act[made]).float().split(network.config.slot_sizes, -1)
    wanted = batch.slots[made]
    losses = [
        F.cross_entropy(guess, wanted[:, i], ignore_index=-100)
        for i, guess in enumerate(logits)
        if bool((wanted[:, i] >= 0).any())
    ]
    with torch.no_grad():
        best = torch.stack([guess.argmax(-1) for guess in logits], -1)
        right = ((best == wanted) | (wanted < 0)).all(-1).float().mean()
    return torch.stack(losses).sum(), {"slots_right": float(right)}


def grade(
    network: Network, helpers: Helpers, batch: Batch, acting: bool, phones_weight: float = 1.0
) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch, and numbers worth logging. ``acting`` False grades hearing only."""
    audio, act, below, tokens = forward(network, batch)
    loss, log = act.sum() * 0, dict[str, float]()
    if not batch.deaf:
        loss, log = grade_hearing(network.heard_head(audio), helpers.phase(audio), batch, "heard")
    if (
        network.config.stem_width and not batch.deaf
    ):  # what is learned above must not unlearn what the ears can do alone
        loss_ears, ears_log = grade_ears(helpers, tokens, batch, phones_weight)
        loss, log = loss + 0.3 * loss_ears, log | ears_log
    if acting:
        word_logits, floor_logits = network.word_head(act), network.floor_head(act)
        call_logits = network.call_head(act)
        stress = stress_of(batch)
        loss_word = weighted(word_logits, batch.word, 0.3, stress)
        loss_floor = weighted(floor_logits, batch.floor, 1.0, stress)
        loss_call = weighted(call_logits, batch.call, 0.2, stress)
        loss_time = weighted(helpers.countdown(act), batch.countdown, 0.1)
        loss = loss + 1.5 * loss_word + loss_floor + loss_call + 0.3 * loss_time
        with torch.no_grad():
            said = batch.word > 0
            guess = word_logits.argmax(-1)
            log |= {
                "word": float(loss_word),
                "word_recall": float((guess == batch.word)[said].float().mean()),
                "word_false": float((guess[~said] > 0).float().mean()),
                "floor": float(loss_floor),
                "call_recall": float(
                    (call_logits.argmax(-1) == batch.call)[batch.call > 0].float().mean().nan_to_num(0)
                ),
                "time": float(loss_time),
            }
    if acting:
        loss_watch, watch_log = grade_watching(helpers, batch, act, below)
        loss, log = loss + 0.3 * loss_watch, log | watch_log
        loss_moments, moments_log = grade_moments(helpers, batch, act, below)
        loss, log = loss + 0.6 * loss_moments, log | moments_log
    if acting and network.slot_head is not None:
        loss_slots, slot_log = grade_slots(network, batch, act)
        loss, log = loss + 0.25 * loss_slots, log | slot_log
    if acting and bool((batch.seen >= 0).any()):
        loss_seen, seen_log = grade_frames(network, helpers, batch.frames, batch.seen)
        loss, log = loss + 0.3 * loss_seen, log | seen_log
    return loss, log
