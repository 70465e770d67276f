"""GPT-2's alphabet: a character for each byte."""

# A byte is written as a character one can see: itself where that is one, otherwise one from U+0100 on.
_SEEN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = {byte: chr(byte) for byte in _SEEN} | {
    byte: chr(0x100 + i) for i, byte in enumerate(byte for byte in range(256) if byte not in set(_SEEN))}
CHARACTERS = {character: byte for byte, character in BYTES.items()}


def written(found):
    """Bytes as the characters that stand for them in a vocabulary."""
    return found.decode("latin-1").translate(BYTES)
