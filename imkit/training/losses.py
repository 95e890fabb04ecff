"""What nano is graded on while it learns.

Three heads exist only here: the word under way, the time left, and what is in a frame.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imkit.model.config import NanoConfig
from imkit.model.network import Network

from .batch import Batch, forward
from .pictures import SEEN_CLASSES
from .script import COUNTDOWN_CLASSES


class Helpers(nn.Module):
    """Heads that help learning and are left behind: phase of the word under way, micro-turns until something is due,
    colour and shape in a frame.
    """

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        self.phase = nn.Linear(config.width, 2 * len(config.vocabulary))
        self.countdown = nn.Linear(config.width, COUNTDOWN_CLASSES)
        self.seen = nn.Linear(config.width, SEEN_CLASSES)


def weighted(logits: Tensor, target: Tensor, nothing: float) -> Tensor:
    """Cross entropy in which the class 0, "nothing", counts ``nothing`` times."""
    weight = torch.ones(logits.shape[-1], device=logits.device)
    weight[0] = nothing
    return F.cross_entropy(logits.flatten(0, -2).float(), target.flatten(), weight=weight)


def grade_frames(network: Network, helpers: Helpers, frames: Tensor, seen: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Loss of naming what is in frames uint8 [f, px, px, 3] from their tokens alone, and numbers worth logging."""
    logits = helpers.seen(F.gelu(network.patches(frames.permute(0, 3, 1, 2).float() / 255)))
    loss = F.cross_entropy(logits, seen)
    return loss, {"seen": float(loss.detach()), "seen_right": float((logits.argmax(-1) == seen).float().mean())}


def grade(network: Network, helpers: Helpers, batch: Batch, acting: bool) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch, and numbers worth logging. ``acting`` False grades hearing only."""
    audio, act = forward(network, batch)
    heard_logits = network.heard_head(audio)
    loss_heard = weighted(heard_logits, batch.heard, 0.3)
    loss = 1.5 * loss_heard + 0.4 * weighted(helpers.phase(audio), batch.phase, 0.5)
    with torch.no_grad():
        spoken = batch.heard > 0
        guess = heard_logits.argmax(-1)
        log = {
            "heard": float(loss_heard),
            "heard_recall": float((guess == batch.heard)[spoken].float().mean()),
            "heard_false": float((guess[~spoken] > 0).float().mean()),
        }
    if acting:
        word_logits, floor_logits = network.word_head(act), network.floor_head(act)
        call_logits = network.call_head(act)
        loss_word = weighted(word_logits, batch.word, 0.3)
        loss_floor = F.cross_entropy(floor_logits.flatten(0, 1).float(), batch.floor.flatten())
        loss_call = weighted(call_logits, batch.call, 0.03)
        loss_time = weighted(helpers.countdown(act), batch.countdown, 0.1)
        loss = loss + 1.5 * loss_word + loss_floor + 0.3 * loss_call + 0.3 * loss_time
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
    if acting and len(batch.frames):
        loss_seen, seen_log = grade_frames(network, helpers, batch.frames, batch.seen)
        loss, log = loss + 0.3 * loss_seen, log | seen_log
    return loss, log
