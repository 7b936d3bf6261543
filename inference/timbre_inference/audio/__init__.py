"""Sound at the edge: uploads become waveforms, waveforms become the format that was asked for.

    decode    bytes of any kind -> waveform (float32, mono, -1..1)
    analysis  waveform -> how loud, how clipped, how much speech; is it fit to be a reference?
    formats   the six response formats, each a row of facts
    encode    waveforms, one after another -> bytes of one file, as they come

Nothing here knows torch, HTTP or the model.
"""
