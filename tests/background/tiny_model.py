"""A chat model of a few thousand weights, made on the spot: nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = """\
{%- if tools %}<|im_start|>system
{{ messages[0].content if messages[0].role == 'system' }} Tools: {{ tools | tojson }}<|im_end|>
{%- elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{%- endif %}
{%- for message in messages if message.role != 'system' %}
<|im_start|>{{ message.role }}
{{ message.content }}
{%- for call in message.tool_calls or [] %}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor %}<|im_end|>
{%- endfor %}
{%- if add_generation_prompt %}
<|im_start|>assistant
{% endif %}"""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def tiny_tokenizer(template: str = TEMPLATE, texts: tuple[str, ...] = ()) -> Any:
    """A byte-level tokenizer that knows every text; words of ``texts`` become tokens of their own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=list(SPECIAL), initial_alphabet=alphabet)
    bare.train_from_iterator(list(texts), trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    made.chat_template = template
    return made


def tiny_model(tokenizer: Any, seed: int = 0, positions: int = 8192) -> Any:
    """A causal model of random weights for that tokenizer."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config).eval()


def save_tiny(folder: Path, tokenizer: Any | None = None, model: Any | None = None) -> str:
    """Both in a folder, as they would come from a hub."""
    tokenizer = tokenizer if tokenizer is not None else tiny_tokenizer()
    (model if model is not None else tiny_model(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def teach(tokenizer: Any, model: Any, lessons: list[tuple[str, str]], steps: int = 1200, seed: int = 0) -> float:
    """Teaches the model by heart what to write after each prompt, whatever one in five of its tokens are.

    Stops once every lesson is known to 0.02 nats a token. Returns the largest of the last losses.
    """
    import torch

    torch.manual_seed(seed)
    pairs = [(tokenizer(prompt).input_ids, tokenizer(f"{reply}<|im_end|>").input_ids) for prompt, reply in lessons]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    losses = [1.0] * len(pairs)
    for step in range(steps):
        prompt, reply = pairs[step % len(pairs)]
        ids = torch.tensor([prompt + reply])
        noise = torch.rand(len(prompt)) < 0.2
        noise[-8:] = False
        special = torch.tensor([token < len(SPECIAL) for token in prompt])
        noise &= ~special
        ids[0, : len(prompt)][noise] = torch.randint(len(SPECIAL), len(tokenizer), (int(noise.sum()),))
        wanted = ids.clone()
        wanted[0, : len(prompt)] = -100
        loss = model(input_ids=ids, labels=wanted).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses[step % len(pairs)] = loss.item()
        if max(losses) < 0.02:
            break
    model.eval()
    return max(losses)
