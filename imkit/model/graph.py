"""One micro-turn as one pure function: everything between the microphone's samples and the logits, in one call.

The same module runs eagerly (to be probed) and, exported once, as a single ONNX Runtime call that lets go of the GIL.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import AUDIO_TOKENS, SLOT_ACT, SLOT_AUDIO, SLOT_FRAME, SLOT_WORD, SLOTS_PER_TICK, WORD_SLOTS
from .network import POSITIONS, Network
from .sites import SITES, Sites

INPUTS = (
    "microphone",
    "own",
    "ears",
    "frame",
    "words",
    "provenance",
    "done",
    "tick",
    "present",
    "keys",
    "values",
    "cache_bias",
)
OUTPUTS = (
    "heard",
    "word",
    "floor",
    "call",
    "new_keys",
    "new_values",
    "new_ears",
    "slots",
)  # the last where there are slots
OWN_SITES = [site.name for site in SITES if not site.name.startswith(("blocks.", "audio.mic.", "audio.own."))]
ROW_FRAME, ROW_WORD, ROW_AUDIO = 0, 1, 1 + WORD_SLOTS
ROW_ACT = ROW_AUDIO + AUDIO_TOKENS
SLOT_OF_ROW = (
    SLOT_FRAME,
    *range(SLOT_WORD, SLOT_WORD + WORD_SLOTS),
    *range(SLOT_AUDIO, SLOT_AUDIO + AUDIO_TOKENS),
    SLOT_ACT,
)


class TickGraph(nn.Module):
    """One micro-turn of the network. Shapes, with n tokens present and c places in the ring:

    microphone, own  float32 [1, history + 3200], 16 kHz
    ears             float32 [1, stem_state], what the ears keep of the micro-turns before; zeros at the beginning
    frame            float32 [1, 3, px, px] in [0, 1]; anything where no frame came
    words            int64 [context_words + 8], the words before and those of this micro-turn; provenance int64 [8]
    done             int64 [3]: word, floor and call of the micro-turn before
    tick             int64 [1]
    present          int64 [n], ascending rows that are tokens; the audio rows and the act row always are
    keys, values     float32 [layer, c, head, head_width]; cache_bias float32 [c], 0 or -inf
    gives            heard [4, vocabulary], word [vocabulary], floor [3], call [calls], new keys and values
                     [layer, n, head, head_width], the new ears; slots [sum of classes] where the model has them
    """

    slots: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.sites = Sites("", OWN_SITES if network.slot_head is not None else OWN_SITES[:-1])
        self.register_buffer("slots", torch.tensor(SLOT_OF_ROW), persistent=False)

    def forward(
        self,
        microphone: Tensor,
        own: Tensor,
        ears: Tensor,
        frame: Tensor,
        words: Tensor,
        provenance: Tensor,
        done: Tensor,
        tick: Tensor,
        present: Tensor,
        keys: Tensor,
        values: Tensor,
        cache_bias: Tensor,
    ) -> tuple[Tensor, ...]:
        """One micro-turn, in the order of ``OUTPUTS``; see the class."""
        net, at = self.network, self.sites
        clock = at("clock.hook_out", net.clock_features(tick)[None])[0]  # [1, octaves * 2]
        picture = at("vision.hook_out", net.patches(at("vision.hook_in", frame[None])[0])[None])[0]
        written = at("text.hook_out", net.embed_words(words, provenance, clock.expand(WORD_SLOTS, -1))[None])[0]
        sounds, new_ears = net.embed_audio(net.mel(microphone), net.mel(own), ears)
        sounds = at("audio.hook_out", sounds)
        act = at("act.hook_out", net.embed_act(done[0:1], done[1:2], done[2:3], clock)[None])[0]
        x = at("embed.hook_out", torch.cat([picture, written, sounds[0], act], 0)[present].unsqueeze(0))
        positions = ((tick * SLOTS_PER_TICK) % POSITIONS + self.slots[present]).unsqueeze(0)
        later = present.unsqueeze(0) > present.unsqueeze(1)
        fresh = torch.zeros(later.shape, dtype=x.dtype).masked_fill(later, float("-inf"))
        bias = torch.cat([cache_bias.unsqueeze(0).expand(fresh.shape[0], -1), fresh], 1)[None, None]
        residual, new_keys, new_values = net.decode(x, positions, bias, (keys.unsqueeze(1), values.unsqueeze(1)))
        tail = at("ln_final.hook_out", residual)[:, -(AUDIO_TOKENS + 1) :]
        spoken, acted = tail[:, :AUDIO_TOKENS], tail[:, AUDIO_TOKENS:]
        out = (
            at("heard.hook_out", net.heard_head(spoken))[0],
            at("voice.hook_out", net.word_head(acted))[0, 0],
            at("floor.hook_out", net.floor_head(acted))[0, 0],
            at("call.hook_out", net.call_head(acted))[0, 0],
            new_keys[:, 0],
            new_values[:, 0],
            new_ears,
        )
        return out if net.slot_head is None else (*out, at("slots.hook_out", net.slot_head(acted))[0, 0])
