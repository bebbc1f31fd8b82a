"""Files of tasks: exported, imported, and compared."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.management import call_command

from tests.support.commands import run

SAMPLES = Path(__file__).parent.parent / "formats"
HEADER = {"kind": "header", "format": "tasks", "version": 2}


def export(path: Path, *arguments: str) -> list[Any]:
    """Exports to the file; returns its records."""
    call_command("export_tasks", *arguments, output=str(path), verbosity=0)
    return lines(path)


def lines(path: Path) -> list[Any]:
    header, *records, last = map(json.loads, path.read_bytes().splitlines())
    assert header == HEADER
    assert last == end(len(records))
    return records


def end(records: int) -> dict[str, Any]:
    """The last line of a file with so many."""
    return {"kind": "end", "records": records}


def write(path: Path, *records: Any) -> Path:
    """A jsonl of these records: dicts, or lines as they are."""
    number = sum(it != "" for it in records)
    whole = (HEADER, *records, end(number))
    texts = [it if isinstance(it, str) else json.dumps(it) for it in whole]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def task(name: str, title: str = "Buy milk", **members: Any) -> dict[str, Any]:
    return {"kind": "task", "external_id": name, "title": title, **members}


def load(path: Path, *arguments: str) -> str:
    """Imports the file; returns what the command says of it."""
    output, _ = run("import_tasks", str(path), "--verbosity=0", *arguments)
    return output


def sample(directory: Path, name: str) -> Path:
    """The sample of this format, as its service gives it: Vikunja's is in a zip."""
    if name != "vikunja":
        [path] = SAMPLES.glob(f"{name}.*")
        return path
    path = directory / "vikunja.zip"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.write(SAMPLES / "vikunja.json", "data.json")
    return path
