"""Find speech in a sound file, step by step as a microphone would deliver it, with real weights.

    pip install --no-deps silero-vad
    python examples/voice.py speech.wav             # 16-bit, 16 kHz, one channel; prints where somebody speaks
    python examples/voice.py speech.wav voice.png   # and draws the probability over time (pip install "cdl[plot]")

The network is Silero VAD: the magnitudes of a short-time Fourier transform, which is a convolution with fixed weights, four
convolutions, and an LSTM cell that carries what was heard from one piece of 32 ms to the next. Its weights are those in the
package silero-vad (MIT licence); their file alone is read, torch is not needed.

Source: Silero Team, "Silero VAD", 2024.
"""
import argparse
import importlib.util
import time
import wave
from pathlib import Path

import numpy as np

import cdl

RATE = 16000
PIECE, CONTEXT = 512, 64        # new samples of a step, and those before them that it sees again
WINDOW, HOP = 256, 128          # of the Fourier transform


class VoiceDetector(cdl.Model):
    """How probable speech is in pieces of sound (N, 576), floats from -1 to 1: `p, state = model.step(piece, state)`."""

    def __init__(self):
        self.stft_conv = cdl.Conv1D(WINDOW + 2, WINDOW, HOP, use_bias=False, in_channels=1)
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            cdl.Conv1D(filters, 3, stride, padding=1, activation="relu", in_channels=channels)
            for channels, filters, stride in ((WINDOW // 2 + 1, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1)))
        self.lstm_cell = cdl.LSTMCell(128, in_features=128)
        self.final_conv = cdl.Conv1D(1, 1, in_channels=128, activation="sigmoid")

    def step(self, piece, state=None):
        """(p, state): the probability (N,) of speech in the piece, and what the next step goes on from."""
        sound = np.pad(piece, ((0, 0), (0, CONTEXT)), mode="reflect")[..., None]
        waves = self.stft_conv(sound)
        half = WINDOW // 2 + 1
        x = np.sqrt(waves[..., :half] ** 2 + waves[..., half:] ** 2)
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = layer(x)
        h, c = self.lstm_cell(x[:, 0], state)
        return self.final_conv(cdl.relu(h)[:, None])[:, 0, 0], (h, c)

    def forward(self, pieces):
        """The probabilities (N, steps) of whole sounds, given as (N, steps, 576)."""
        state, heard = None, []
        for step in range(pieces.shape[1]):
            p, state = self.step(pieces[:, step], state)
            heard.append(p)
        return cdl.stack(heard, axis=1)


def pieces_of(sound):
    """Sound (T,) cut into pieces (steps, 576) that overlap by their context; silence before and after it."""
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), sound, np.zeros(-len(sound) % PIECE, np.float32)])
    return np.stack([padded[i:i + CONTEXT + PIECE] for i in range(0, len(padded) - CONTEXT, PIECE)])


def weights_path():
    """Where silero-vad keeps its weights; the package is not imported."""
    spec = importlib.util.find_spec("silero_vad")
    if spec is None:
        raise SystemExit("voice.py: the weights are in the package silero-vad: pip install --no-deps silero-vad")
    return Path(spec.origin).parent / "data" / "silero_vad_16k.safetensors"


def read_sound(path):
    """The samples of a WAV file, floats from -1 to 1."""
    try:
        with wave.open(path) as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
                raise SystemExit(f"voice.py: {path} has {file.getframerate()} Hz, {file.getnchannels()} channels, "
                                 f"{8 * file.getsampwidth()} bits; expected {RATE} Hz, one channel, 16 bits")
            frames = file.readframes(file.getnframes())
            return np.frombuffer(frames[:len(frames) // 2 * 2], "<i2").astype(np.float32) / 32768
    except (OSError, wave.Error, EOFError) as error:
        raise SystemExit(f"voice.py: {path}: {error}") from None


def spoken(p, threshold=0.5):
    """The (start, end) in seconds of each run of steps whose probability is above the threshold."""
    above = np.concatenate([[False], p > threshold, [False]])
    edges = np.flatnonzero(above[1:] != above[:-1]) * PIECE / RATE
    return list(zip(edges[::2], edges[1::2], strict=True))


def main():
    parser = argparse.ArgumentParser(description="Find speech in a sound file.")
    parser.add_argument("sound", help="a WAV file of 16 bits, 16 kHz, one channel")
    parser.add_argument("picture", nargs="?", help="where to draw the probability over time")
    options = parser.parse_args()
    sound = read_sound(options.sound)
    if not len(sound):
        raise SystemExit(f"voice.py: {options.sound} is empty")

    model = VoiceDetector()
    model.load(weights_path(), layout="torch")
    pieces, state, p = pieces_of(sound), None, []
    start = time.perf_counter()
    with cdl.no_grad():
        for piece in pieces:
            probability, state = model.step(piece[None], state)
            p.append(float(probability[0]))
    took = time.perf_counter() - start
    print(f"{len(sound) / RATE:.2f} s of sound in {took:.3f} s, {1e6 * took / len(pieces):.0f} µs a step of "
          f"{1e3 * PIECE / RATE:.0f} ms")
    for begin, end in spoken(np.array(p)):
        print(f"speech from {begin:.2f} s to {end:.2f} s")
    if options.picture:
        draw(sound, p, options.picture)
        print(f"saved {options.picture}")


def draw(sound, p, path):
    """The sound, and the probability below it."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, (upper, lower) = pyplot.subplots(2, sharex=True, figsize=(9, 4), layout="constrained")
    upper.plot(np.arange(len(sound)) / RATE, sound, linewidth=0.4, color="0.3")
    upper.set_ylabel("sound")
    lower.step((np.arange(len(p)) + 1) * PIECE / RATE, p, where="pre")
    lower.set(ylabel="probability of speech", xlabel="seconds", ylim=(-0.02, 1.02))
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
