"""`timbre serve`: what the inference image runs."""

from __future__ import annotations

import click


@click.command()
def serve() -> None:
    """Serve the API and the ops port; settings are environment variables TIMBRE_*.

    Exit codes: 0 drained, 64 bad settings, 65 bad weights, 69 no device, 70 internal.
    """
    from timbre_inference.process import end_process, run

    end_process(run())
