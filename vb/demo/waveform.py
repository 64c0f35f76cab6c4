"""A WAV file as a picture."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np


def draw(wav: Path, png: Path, marks: dict[str, tuple[float, float]]) -> None:
    """Draw the waveform of ``wav`` to ``png``; ``marks`` name stretches of it, in seconds. Needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with wave.open(str(wav)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, channels)
    figure = Figure(figsize=(11, 2.2 + 1.2 * channels), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(channels, 1, sharex=True, squeeze=False)[:, 0]
    times = np.arange(len(samples)) / rate
    for channel, axis in enumerate(axes):
        axis.plot(times, samples[:, channel] / 32768, linewidth=0.4, color="#1f5f8b")
        axis.set_ylim(-1, 1)
        axis.set_ylabel(f"channel {channel + 1}" if channels > 1 else "level")
        axis.grid(alpha=0.25)
        for number, (name, (start, end)) in enumerate(marks.items()):
            axis.axvspan(start, end, alpha=0.12, color=f"C{number}")
            axis.text((start + end) / 2, 0.85, name, ha="center", va="center", fontsize=9)
    axes[0].set_title(f"{wav.name}: {len(samples) / rate:.1f} s at {rate} Hz")
    axes[-1].set_xlabel("seconds")
    figure.savefig(png, dpi=110)
