"""`make bench`: this service beside its peers, on one PostgreSQL and the same tasks.

Contestants take turns, round after round, each started anew: what else the machine does
hits all of them alike. Figures are medians over the rounds. All traffic stays on
127.0.0.1; everything that was started is stopped at the end, on Ctrl-C too.
"""

import json
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench import endurance, figures, floor, load, machine, operations, picture
from bench.contestants import CONTESTANTS, Server, Stage, Target, serving
from bench.load import Run
from bench.operations import OPERATIONS, Operation

SPARE_CONNECTIONS = 10  # of PostgreSQL's, which pgbench leaves to others
WARM_UP_CONNECTIONS = 16


def parser() -> ArgumentParser:
    names = [operation.name for operation in OPERATIONS]
    parse = ArgumentParser("bench", description=__doc__)
    add = parse.add_argument
    add("--rounds", type=int, default=3, help="default: 3")
    add("--seconds", type=int, default=5, help="of each run; default: 5")
    add("--warm-up", type=int, default=1, help="seconds an operation; default: 1")
    add("--connections", type=int, nargs="+", default=[64, 1000], metavar="N")
    add("--tasks", type=int, default=100_000, help="default: 100,000")
    add("--users", type=int, default=32, help="who have as many each; default: 32")
    add("--workers", type=int, default=2, help="processes of each; default: 2")
    add("--only", nargs="+", choices=CONTESTANTS, default=[*CONTESTANTS])
    add("--operations", nargs="+", choices=names, default=names)
    add("--json", type=Path, metavar="FILE", help="writes everything measured")
    add("--svg", type=Path, metavar="FILE", help="writes the picture")
    add(
        "--idle",
        type=int,
        nargs="+",
        metavar="N",
        help="instead: a new client beside N idle ones",
    )
    add(
        "--soak",
        type=int,
        metavar="N",
        help="instead: the memory of this service over N requests",
    )
    return parse


class Bench:
    """One run of the command; `runs` holds what it has measured so far."""

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self.operations = [op for op in OPERATIONS if op.name in options.operations]
        self.runs: list[Run] = []
        self.starting: defaultdict[str, list[float]] = defaultdict(list)

    def measure(self, targets: Sequence[Target], stage: Stage) -> None:
        pid = stage.postgres.pid if any(t.on_postgres for t in targets) else None
        for round_ in range(1, self.options.rounds + 1):
            for target in targets:
                if target.command:
                    self._measure(target, round_, pid)
                else:
                    most = stage.postgres.most_connections() - SPARE_CONNECTIONS
                    self._measure_floor(target, round_, pid, most)

    def _measure(self, target: Target, round_: int, pid: int | None) -> None:
        with serving(target) as server:
            self.starting[target.name].append(server.starting)
            operations.check(server.port, target.own_headers, target.own)
            for operation in self.operations:
                if self.options.warm_up:
                    load.send(
                        server, operation, WARM_UP_CONNECTIONS, self.options.warm_up
                    )
            for connections in self.options.connections:
                for operation in self.operations:
                    self._run(server, operation, connections, round_, pid)

    def _run(
        self,
        server: Server,
        operation: Operation,
        connections: int,
        round_: int,
        pid: int | None,
    ) -> None:
        seconds = self.options.seconds
        run = load.measure(server, operation, connections, seconds, round_, pid)
        if not server.answers():
            run = replace(run, stuck=True)
            server.stop()
            server.start()
        self._keep(run)

    def _measure_floor(
        self, target: Target, round_: int, pid: int | None, most: int
    ) -> None:
        for connections in self.options.connections:
            # PostgreSQL itself has no use for a thousand connections.
            if connections > most:
                continue
            for mode in floor.MODES:
                for operation in self.operations:
                    run = floor.measure(
                        *(target, operation, mode, connections),
                        *(self.options.seconds, round_, pid),
                    )
                    self._keep(run)

    def _keep(self, run: Run) -> None:
        self.runs.append(run)
        say(
            f"round {run.round}  {run.title:24} {run.operation:14} "
            f"{run.connections:5,} connections {run.per_second:9,.0f}/s "
            f"{run.errors + run.unanswered:6,} errors"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    return run(_main, parser().parse_args(arguments))


def _main(options: Namespace) -> int:
    machine.require_wrk()
    if "fastify-pg" in options.only:
        machine.require_node()
    machine.allow_connections(max(options.connections))
    with ExitStack() as stack:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tasks-bench-")
        )
        stage = Stage(
            Path(directory), stack, options.tasks, options.workers, options.users
        )
        if options.idle or options.soak:
            return _endure(options, stage)
        return _compare(options, stage)


def _compare(options: Namespace, stage: Stage) -> int:
    about = machine.describe()
    targets = _prepare(options.only, stage)
    if any(target.on_postgres for target in targets):
        about["postgresql"] = stage.postgres.version()
    bench = Bench(options)
    try:
        bench.measure(targets, stage)
    finally:
        found = figures.summarize(bench.runs)
        if found:
            _report(options, bench, found, about)
    return 0


def _report(
    options: Namespace,
    bench: Bench,
    found: list[figures.Figure],
    about: dict[str, str],
) -> None:
    settings = {
        name: value
        for name, value in vars(options).items()
        if name not in ("json", "svg", "idle", "soak")
    }
    note = (
        f"{about['processor']}, {about['cores']} cores, which PostgreSQL and wrk share; "
        f"{options.workers} processes each, {options.tasks:,} tasks of "
        f"{options.users} users"
    )
    print("\n" + figures.listed(about))
    shown = {name: _listed(value) for name, value in settings.items()}
    print(figures.listed(shown), end="\n\n")
    print(figures.tables(found))
    starts = [
        (name, f"{min(each):.2f}", f"{max(each):.2f}")
        for name, each in bench.starting.items()
    ]
    if starts:
        print(
            "\n" + figures.table(("start to first answer", "least s", "most s"), starts)
        )
    if options.json:
        figures.write_json(options.json, about, settings, bench.starting, bench.runs)
    if options.svg:
        picture.write(options.svg, found, note)


def _endure(options: Namespace, stage: Stage) -> int:
    """The peers only where --only names them."""
    names = options.only if options.only != [*CONTESTANTS] else ["tasks"]
    targets = [target for target in _prepare(names, stage) if target.command]
    document: dict[str, object] = {"machine": machine.describe()}
    if options.idle:
        idle = [each for t in targets for each in endurance.idle(t, options.idle)]
        print(endurance.idle_table(idle))
        document["idle"] = endurance.documents(idle)
    if options.soak:
        for target in targets:
            steps = endurance.soak(target, options.soak)
            print(f"\n{target.title}\n\n{endurance.soak_table(steps)}")
            document[f"soak {target.name}"] = endurance.documents(steps)
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _prepare(names: Sequence[str], stage: Stage) -> list[Target]:
    targets = []
    for name in CONTESTANTS:
        if name in names:
            began = time.monotonic()
            targets.append(CONTESTANTS[name](stage))
            spent = time.monotonic() - began
            say(f"{name}: {stage.tasks:,} tasks made ready in {spent:.0f} s")
    return targets


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def run(measure: Callable[[Namespace], int], options: Namespace) -> int:
    """The exit status of a bench: that of `measure`, 2 if the machine lacks something, or 130 if
    it was interrupted. Everything is undone on the way out, whichever way that is."""
    _stop_on_signals()
    try:
        machine.require_linux()
        return measure(options)
    except machine.Missing as missing:
        say(str(missing))
        return 2
    except KeyboardInterrupt:
        say("Interrupted; everything that was started is stopped.")
        return 130


def _stop_on_signals() -> None:
    """A shell in the background would have us ignore Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    # Once is enough: a second one would interrupt the undoing.
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
