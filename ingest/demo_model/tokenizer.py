"""The word-level tokenizer: every word carries its leading space, and each text begins with `<bos>`."""

from __future__ import annotations

from typing import Any

BOS, PAD, UNKNOWN = "<bos>", "<pad>", "<unk>"
_PUNCTUATION = ".,"


def make_tokenizer(vocabulary: list[str]) -> Any:
    """Hugging Face tokenizer of the words; `" has"` and `"has"` are the same single token."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [word if word in _PUNCTUATION else f" {word}" for word in vocabulary]
    ids = {piece: index for index, piece in enumerate((BOS, PAD, UNKNOWN, *pieces))}
    core = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    core.normalizer = normalizers.Sequence([normalizers.Prepend(" "), normalizers.Replace(Regex(" +"), " ")])
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?\w+| ?[^\w\s]"), "isolated")
    core.decoder = decoders.Sequence([decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    core.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, ids[BOS])])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token=BOS, pad_token=PAD, unk_token=UNKNOWN)
