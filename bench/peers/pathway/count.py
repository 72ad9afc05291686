"""Counts a topic with Pathway: deduplicate by voter, count by candidate and by location.

Comes in: the task of ../judge.py. Goes out: answer.json in the task's directory.
It follows a topic in batches as it would a live one; only that it ends with the topic's end, as of
the start, is not what one would run.
"""

import json
import os
import sys
import time
from pathlib import Path

task = json.loads(sys.argv[1])
# Read when Pathway is loaded: its workers, each a thread.
os.environ["PATHWAY_THREADS"] = str(task["threads"])

import pathway as pw  # noqa: E402

# Messages in flight. The manual wants it set for a topic that is replayed from its start; without
# it Pathway reads ahead of what it counts, which takes 1.5 times the memory and more time.
BACKLOG_MESSAGES = 50_000


class Vote(pw.Schema):
    voter_id: str
    candidate_id: str
    location: str | None = pw.column_definition(default_value=None)


def main():
    candidates, locations = {}, {}
    started = time.monotonic()
    votes = pw.io.kafka.read(
        {
            "bootstrap.servers": task["bootstrap"],
            "group.id": f"pathway-{os.getpid()}",
            "auto.offset.reset": "earliest",
            # Else the group would stay with the broker for a week.
            "enable.auto.commit": "false",
            # The same as every other contestant's.
            "queued.max.messages.kbytes": "65536",
        },
        topic=task["topic"],
        schema=Vote,
        format="json",
        mode="static",
        max_backlog_size=BACKLOG_MESSAGES,
    )
    ballots = votes.deduplicate(
        value=pw.this.candidate_id,
        instance=pw.this.voter_id,
        # A voter's first vote stays, whatever follows.
        acceptor=lambda new, old: False,
    )
    follow(ballots, ballots.candidate_id, candidates)
    follow(ballots, ballots.location, locations)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    ended = time.monotonic()
    locations.pop(None, None)
    answer = {
        "version": pw.__version__,
        "started": started,
        "ended": ended,
        "candidates": candidates,
        "locations": locations,
        "settings": {
            "PATHWAY_THREADS": task["threads"],
            "mode": "static",
            "max_backlog_size": BACKLOG_MESSAGES,
            "autocommit_duration_ms": 1500,
            "deduplication": "Table.deduplicate",
            "persistence": "none",
        },
        "does_less": (
            "a voter's first vote is the first to arrive, not the earliest by its timestamp; "
            "no voids, corrections, late votes, windows, register or checks of the input; "
            "counts by candidate and by location come out one after the other, not as one "
            "snapshot; no checkpoint, so a restart counts from the start"
        ),
    }
    Path(task["work"], "answer.json").write_text(json.dumps(answer))


def follow(ballots, column, votes):
    """Keeps in `votes` how many ballots each value of a column has."""
    name = column.name
    counts = ballots.groupby(column).reduce(column, votes=pw.reducers.count())

    def on_change(key, row, time, is_addition):
        if is_addition:
            votes[row[name]] = row["votes"]

    pw.io.subscribe(counts, on_change)


main()
