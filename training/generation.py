"""Answers of a torch model to a few prompts: to look at, not to serve."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from chat.template import ChatTemplate
from chat.tokenizer import Tokenizer
from chat.types import Message
from training.tokenizer import CHAT_TEMPLATE, END_OF_MESSAGE, END_OF_TEXT


class Responder:
    """A model with its tokenizer and chat template, ready to answer."""

    def __init__(self, model: LlamaForCausalLM, tokenizer: Path) -> None:
        self._model = model.eval()
        self._tokenizer = Tokenizer.load(tokenizer / "tokenizer.json")
        self._template = ChatTemplate(CHAT_TEMPLATE)
        self._stops = [self._tokenizer.token_id(token) for token in (END_OF_MESSAGE, END_OF_TEXT)]

    def answer(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = 80,
        temperature: float = 0.0,
        top_k: int = 40,
    ) -> str:
        """Return what the model says next; temperature 0 is greedy."""
        ids = self._template.encode(messages, self._tokenizer)
        chosen = {"temperature": temperature, "top_k": top_k} if temperature else {}
        device = self._model.device
        with torch.inference_mode():
            out = self._model.generate(
                torch.tensor([ids], device=device),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long, device=device),
                max_new_tokens=max_new_tokens,
                do_sample=temperature > 0,
                eos_token_id=self._stops,
                pad_token_id=self._model.config.pad_token_id,
                **chosen,
            )
        return self._tokenizer.decode(out[0, len(ids) :].tolist()).strip()
