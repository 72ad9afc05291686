"""Has a peer count a topic, and says how long it took, what it needed and whether it is right.

Comes in: the interpreter and the script of a peer, then the arguments of `run` (README.md).
Goes out: one line of JSON on stdout. Everything that the peer itself says goes to stderr.
It never counts a vote: the peer's figures are compared with those the producer expects.

The peer gets its task as one JSON argument and writes `answer.json` into `task["work"]`, a
directory of its own that is removed at the end: `version`, `settings`, `does_less`, `started` and
`ended` (the monotonic clock, which all processes share), `candidates` and `locations` (id to votes).
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE_SECONDS = 0.1
# No topic that the benchmark fills takes a peer that long: one that does has stopped counting.
LIMIT_SECONDS = 3600
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def main():
    interpreter, script, *typed = sys.argv[1:]
    script = Path(script).resolve()
    arguments = parse(typed)
    expected = json.loads(Path(arguments.expect).read_text())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = tempfile.mkdtemp(prefix=f"tallyflow-{script.parent.name}-")
    try:
        answer, usage = watch([interpreter, str(script)], task(arguments, work))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    report = {
        "name": script.parent.name,
        "version": answer["version"],
        "seconds": round(answer["ended"] - answer["started"], 3),
        "seconds_with_start": round(answer["ended"] - usage["spawned"], 3),
        "messages": arguments.messages,
        "right": right(answer, expected, arguments.messages),
        "rss_bytes": usage["rss_bytes"],
        "cpu_seconds": usage["cpu_seconds"],
        "settings": answer["settings"],
        "does_less": answer["does_less"],
    }
    print(json.dumps(report))


def parse(typed):
    parser = argparse.ArgumentParser(prog="run", description="Counts a whole topic, once.")
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--messages", required=True, type=int, metavar="N")
    parser.add_argument("--expect", required=True, metavar="FILE", help="of the producer")
    parser.add_argument("--threads", required=True, type=int, metavar="K")
    return parser.parse_args(typed)


def task(arguments, work):
    return {
        "bootstrap": arguments.bootstrap,
        "topic": arguments.topic,
        "messages": arguments.messages,
        "threads": arguments.threads,
        # Half of the machine, which leaves room for the broker and the page cache.
        "heap_bytes": os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES // 2,
        "work": work,
    }


def watch(command, task):
    """Runs the peer to its end; gives its answer, its peak memory and its processor time."""
    spawned = time.monotonic()
    peer = subprocess.Popen(
        [*command, json.dumps(task)],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        cwd=task["work"],
        # What a peer would leave in the home or temporary directory goes with the rest.
        env=os.environ | {"HOME": task["work"], "TMPDIR": task["work"]},
    )
    rss_bytes, cpu_seconds = 0, {}
    try:
        while peer.poll() is None:
            processes = tree(peer.pid)
            rss_bytes = max(rss_bytes, sum(rss for rss, _ in processes.values()))
            cpu_seconds |= {process: cpu for process, (_, cpu) in processes.items()}
            if time.monotonic() - spawned > LIMIT_SECONDS:
                sys.exit(f"the peer did not end within {LIMIT_SECONDS} s")
            time.sleep(SAMPLE_SECONDS)
    finally:
        end(peer, cpu_seconds.keys())
    if peer.returncode != 0:
        sys.exit(f"the peer failed with status {peer.returncode}")
    answer = json.loads(Path(task["work"], "answer.json").read_text())
    usage = {
        "spawned": spawned,
        "rss_bytes": rss_bytes,
        "cpu_seconds": round(sum(cpu_seconds.values()), 2),
    }
    return answer, usage


def tree(root):
    """Resident bytes and processor seconds of a process and its descendants.

    A process is its id and the tick in which it began, since ids are used again.
    """
    parents, figures = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = stat(entry.name)
        except OSError:
            continue  # It ended meanwhile.
        parents[int(entry.name)] = int(fields[1])
        figures[int(entry.name), fields[19]] = (
            int(fields[21]) * PAGE_BYTES,
            (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND,
        )
    found = {}
    for process, figure in figures.items():
        ancestor = process[0]
        while ancestor not in (root, 0):
            ancestor = parents.get(ancestor, 0)
        if ancestor == root:
            found[process] = figure
    return found


def stat(pid):
    """What /proc says of a process, from its state on: its name, in parentheses, may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def end(peer, seen):
    """Leaves no process behind, however the peer ended: a JVM may outlive the one that began it."""
    for pid, began in seen:
        try:
            if stat(pid)[19] == began:
                os.kill(pid, signal.SIGKILL)
        except OSError:
            pass  # It ended by itself.
    peer.wait()


def right(answer, expected, messages):
    """Whether all figures are those that the producer expects of just this topic."""
    candidates = {row["candidate_id"]: row["votes"] for row in expected["candidates"]}
    locations = {row["location"]: row["accepted"] for row in expected["locations"] if row["leaf"]}
    return (
        expected["messages"] == messages
        and same("candidate", answer["candidates"], candidates)
        and same("location", answer["locations"], locations)
    )


def same(what, counted, expected):
    """Whether two maps from id to votes agree, where no vote and no row are one."""
    differing = [
        key
        for key in sorted(counted.keys() | expected.keys())
        if counted.get(key, 0) != expected.get(key, 0)
    ]
    for key in differing[:5]:
        found, wanted = counted.get(key, 0), expected.get(key, 0)
        print(f"{what} {key}: {found} counted, {wanted} expected", file=sys.stderr)
    return not differing


if __name__ == "__main__":
    main()
