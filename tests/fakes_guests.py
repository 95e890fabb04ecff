"""Guests of a few thousand random parameters, in folders of the form that real ones come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

PIECES = [
    "<unk>",
    "<s>",
    "</s>",
    "<pad>",
    *(f"\u2581{word}" for word in "yes no well so it is".split()),
    "ing",
    "ly",
    "er",
]


def moshi_config(**changes: Any) -> Any:
    from transformers import MimiConfig, MoshiConfig

    mimi = MimiConfig(
        hidden_size=32,
        num_filters=4,
        codebook_size=64,
        codebook_dim=16,
        vector_quantization_hidden_dimension=16,
        num_quantizers=8,
        upsample_groups=32,
        num_hidden_layers=1,
        intermediate_size=32,
        num_attention_heads=2,
        num_key_value_heads=2,
        sliding_window=16,
        layer_scale_initial_scale=0.5,
    )
    depth = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 32}
    sizes: dict[str, Any] = {
        "vocab_size": len(PIECES),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "ffn_dim": 64,
        "num_codebooks": 8,
        "sliding_window": 64,
        **changes,
    }
    return MoshiConfig(audio_encoder_config=mimi.to_dict(), depth_decoder_config=depth, **sizes)


def tiny_moshi(seed: int = 0, **changes: Any) -> Any:
    """A Moshi with random weights and, unlike a fresh one, codebooks that are not all zero."""
    from transformers import MoshiForConditionalGeneration
    from transformers.models.mimi.modeling_mimi import MimiEuclideanCodebook

    torch.manual_seed(seed)
    model = MoshiForConditionalGeneration(moshi_config(**changes)).eval()
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, MimiEuclideanCodebook):
                part.embed_sum.normal_()
        for part in model.parameters():
            if part.dim() > 1 and part.std() < 0.05:  # 0.02 makes every choice the same
                part.normal_(0, 0.2)
    return model


def tiny_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.Unigram([(piece, -1.0) for piece in PIECES], unk_id=0))
    made.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", pad_token="<pad>")


def moshi_folder(path: Path, seed: int = 0) -> Path:
    tiny_moshi(seed).save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


def chirp(seconds: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Something that changes all the time, 16 kHz."""
    rng = np.random.default_rng(seed)
    at = np.arange(round(16_000 * seconds)) / 16_000
    tone = np.sin(2 * np.pi * (200 * at + 300 * at**2))
    return (0.3 * tone * np.sin(2 * np.pi * 3 * at) ** 2 + 0.01 * rng.standard_normal(len(at))).astype(np.float32)


def tiny_inkling(seed: int = 1) -> Any:
    from transformers import InklingConfig, InklingForConditionalGeneration

    text = {
        "vocab_size": 40,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "swa_num_attention_heads": 2,
        "swa_num_key_value_heads": 1,
        "swa_head_dim": 16,
        "sliding_window_size": 12,
        "d_rel": 4,
        "rel_extent": 24,
        "local_layer_ids": [0, 2],
        "mlp_layer_types": ["dense", "sparse", "dense"],
        "intermediate_size": 48,
        "moe_intermediate_size": 16,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_shared_experts": 1,
        "logits_mup_width_multiplier": 1.0,
    }
    vision = {"patch_size": 10, "num_hidden_layers": 4}
    torch.manual_seed(seed)
    config = InklingConfig(text_config=text, audio_config={"mel_vocab_size": 16}, vision_config=vision)
    model = InklingForConditionalGeneration(config).eval()
    with torch.no_grad():
        for part in model.parameters():
            if part.dim() > 1:
                part.normal_(0, 0.15)
    return model


def inkling_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from imkit.adapters.inkling import MARKERS

    words = [f"\u2581{one}" for one in "what is this a red dot yes no and so the one two three".split()]
    made = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(["<unk>", *words])}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    one = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")
    one.add_special_tokens({"additional_special_tokens": list(MARKERS)})
    return one
