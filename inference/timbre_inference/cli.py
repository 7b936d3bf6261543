"""The `timbre` command: its subcommands are entry points, loaded only when they are asked for."""

from __future__ import annotations

from importlib.metadata import entry_points

import click


class EntryPointGroup(click.Group):
    """Finds commands in the group `timbre.commands`: the operator's image needs no torch, others can add theirs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Names of all installed commands."""
        return sorted(point.name for point in entry_points(group="timbre.commands"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Loads one command; None where there is no such name."""
        for point in entry_points(group="timbre.commands", name=cmd_name):
            command: click.Command = point.load()
            return command
        return None


@click.command(cls=EntryPointGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="timbre")
def main() -> None:
    """Timbre: voice cloning as a fleet."""
