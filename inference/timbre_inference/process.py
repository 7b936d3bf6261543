"""The process around the server: settings before anything heavy, and every ending with its exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from prometheus_client import disable_created_metrics

from timbre_inference.exits import DRAINED, BadSettingsError, FatalError, UnexpectedError, report
from timbre_inference.logs import configure_logs
from timbre_inference.malloc import keep_freed_memory
from timbre_inference.settings import PREFIX, Settings, SettingsError, load_settings

logger = logging.getLogger(__name__)


def run() -> int:
    """Serve until told to stop; returns the exit code."""
    configure_logs("INFO")
    try:
        settings = load_settings()
    except SettingsError as error:
        log = os.environ.get(f"{PREFIX}TERMINATION_LOG") or "/dev/termination-log"
        return report(BadSettingsError(str(error)), log)
    configure_logs(settings.log_level)
    logger.info("settings", extra={"settings": settings.masked(), "keeps_freed_memory": keep_freed_memory()})
    try:
        _serve(settings)
    except FatalError as error:
        return report(error, settings.termination_log)
    except SettingsError as error:
        return report(BadSettingsError(str(error)), settings.termination_log)
    except Exception as error:
        logger.exception("the server failed")
        return report(UnexpectedError(f"{type(error).__name__}: {error}"), settings.termination_log)
    logger.info("drained", extra={"exit_code": DRAINED})
    return DRAINED


def end_process(code: int) -> None:
    """Without waiting for the device's thread: inside a kernel it would hold up, or crash, Python's own ending."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def _serve(settings: Settings) -> None:
    # Here, because it imports torch: a misspelt setting should be told in a moment, not in ten seconds.
    from timbre_inference.lifecycle import Server

    # The time at which each counter began doubles the scrape and tells nobody anything.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    asyncio.run(Server(settings).serve())
