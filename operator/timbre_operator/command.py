"""`timbre operator`: what the operator's image runs."""

import click


@click.command()
def operator() -> None:
    """Watch VoiceModels and keep their pods, Services and autoscalers as they ask.

    Settings come from the environment (TIMBRE_OPERATOR_…); see docs/operations.md.
    """
    import asyncio

    from timbre_operator.errors import ApiError
    from timbre_operator.settings import Settings
    from timbre_operator.startup import configure_logging, run

    settings = Settings()
    configure_logging(settings.log_level)
    try:
        asyncio.run(run(settings))
    except ApiError as error:
        raise click.ClickException(str(error)) from error
