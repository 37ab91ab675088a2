"""The commands by name. Their modules are light: what is heavy is imported when it runs."""

from __future__ import annotations

import typer

from heldout.cli import (
    check,
    compact,
    compare,
    demo,
    doctor,
    flips,
    frames,
    gap,
    importing,
    info,
    line,
    mce,
    models,
    power,
    report,
    results,
    robustness,
    run,
    schema,
    shifts,
    similarity,
    testsets,
)


def add(app: typer.Typer) -> None:
    """Register every command, in the order in which people meet them."""
    app.command("demo")(demo.command)
    app.command("run")(run.command)
    app.command("check")(check.command)
    app.command("testsets")(testsets.command)
    app.command("models")(models.command)
    app.add_typer(shifts.app, name="shifts")
    app.command("import")(importing.command)
    app.command("info")(info.command)
    app.command("doctor")(doctor.command)
    app.command("results")(results.command)
    app.command("gap")(gap.command)
    app.command("line")(line.command)
    app.command("robustness")(robustness.command)
    app.command("compare")(compare.command)
    app.command("similarity")(similarity.command)
    app.command("power")(power.command)
    app.command("frames")(frames.command)
    app.command("mce")(mce.command)
    app.command("flips")(flips.command)
    app.command("report")(report.command)
    app.command("compact")(compact.command)
    app.command("schema")(schema.command)
