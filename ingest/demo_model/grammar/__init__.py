"""A seeded generator of English-like text, whose splits are by lexical item."""
