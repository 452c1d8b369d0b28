"""The tasks that ship with the model: contrastive pairs drawn from either side of the lexical split."""
