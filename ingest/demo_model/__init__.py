"""Make the shipped model again from its seed: grammar → text → model → dictionaries → figures → model card.

Needed only to make the model; nothing that uses it imports this package.
"""
