"""The bundled spoken scene that "Play demo voice" plays."""

from __future__ import annotations

import wave
from pathlib import Path

from imkit.stream import SessionError

DEMO_WAV = Path(__file__).parent / "static" / "demo.wav"


def demo_voice(path: Path = DEMO_WAV) -> bytes:
    """The bundled spoken scene as PCM16 at 16 kHz. Raises SessionError when it is missing or of another format."""
    try:
        with wave.open(str(path)) as voice:
            form = (voice.getnchannels(), voice.getsampwidth(), voice.getframerate())
            if form != (1, 2, 16_000):
                raise SessionError(
                    f"{path}: {form[0]} channels, {8 * form[1]} bit, {form[2]} Hz; expected mono, 16, 16000"
                )
            return bytes(voice.readframes(voice.getnframes()))
    except (OSError, EOFError, wave.Error) as error:
        raise SessionError(f"{path}: the demo voice cannot be read: {error}. Reinstall imkit.") from None
