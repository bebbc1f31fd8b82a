"""docs/capacity.md: what it works out follows from the costs that it says were measured."""

from bench import capacity


def test_the_page_is_worked_out_from_its_measured_costs() -> None:
    page = capacity.PAGE.read_text()

    assert capacity.filled(page) == page


def test_other_costs_have_other_consequences() -> None:
    page = capacity.PAGE.read_text()
    measured = capacity.read(page)
    cost = measured.costs["get"]
    dearer = measured.costs | {
        "get": capacity.Cost("get", cost.service * 2, cost.postgresql * 2, 1, 0)
    }

    was = capacity.worked_tables(measured)
    now = capacity.worked_tables(
        capacity.Measured(dearer, measured.reads, measured.stored)
    )
    changed = {name for name in was if was[name] != now[name]}
    assert changed == {"mix", "machines", "database", "months"}


def test_what_was_measured_is_read_as_it_was_written() -> None:
    measured = capacity.read(capacity.PAGE.read_text())

    tables = capacity.measured_tables(measured)
    page = "".join(
        f"<!-- {name} -->\n{text}\n<!-- end -->" for name, text in tables.items()
    )
    assert capacity.read(page) == measured
