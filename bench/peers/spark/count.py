"""Counts a topic with Spark Structured Streaming: drop duplicates by voter, count, one query.

Comes in: the task of ../judge.py, and in SPARK_KAFKA_JARS what Spark needs to read Kafka.
Goes out: answer.json in the task's directory. Ballots are counted by candidate and location
together, in one query over one state: two queries would each read the topic and keep every voter.
The two counts that are asked for are sums over these rows, made where the rows come out.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, from_json

task = json.loads(sys.argv[1])
work = Path(task["work"])

STATE = "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider"
SETTINGS = {
    "spark.master": f"local[{task['threads']}]",
    "spark.driver.memory": f"{task['heap_bytes'] >> 20}m",
    # A task for each thread: what is above that only makes state stores smaller.
    "spark.sql.shuffle.partitions": str(task["threads"]),
    # State on the heap, written to the checkpoint. The guide advises RocksDB where the heap is too
    # small for that; here it is not, and RocksDB took 1.2 to 1.9 times the processor's time.
    "spark.sql.streaming.stateStore.providerClass": STATE,
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
    "spark.ui.enabled": "false",
}
PLACES = {
    "spark.driver.extraClassPath": f"{os.environ['SPARK_KAFKA_JARS']}/*",
    "spark.driver.extraJavaOptions": (
        f"-XX:+UseParallelGC -XX:-UsePerfData -Djava.io.tmpdir={work}"
    ),
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.local.dir": str(work),
    "spark.sql.warehouse.dir": f"{work}/warehouse",
    "spark.ui.showConsoleProgress": "false",
}
VOTE = "voter_id STRING, candidate_id STRING, location STRING"


def main():
    spark = SparkSession.builder.config(map=SETTINGS | PLACES).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    cells = {}

    def take(batch, _):
        for row in batch.collect():
            cells[row.candidate_id, row.location] = row["count"]

    started = time.monotonic()
    votes = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", task["bootstrap"])
        .option("subscribe", task["topic"])
        .option("startingOffsets", "earliest")
        .load()
        .select(from_json(col("value").cast("string"), VOTE).alias("vote"))
        .select("vote.*")
    )
    query = (
        votes.dropDuplicates(["voter_id"])
        .groupBy("candidate_id", "location")
        .count()
        .writeStream.outputMode("update")
        .option("checkpointLocation", f"{work}/checkpoint")
        .trigger(availableNow=True)
        .foreachBatch(take)
        .start()
    )
    query.awaitTermination()
    candidates, locations = Counter(), Counter()
    for (candidate, location), count in cells.items():
        candidates[candidate] += count
        locations[location] += count
    ended = time.monotonic()
    locations.pop(None, None)
    answer = {
        "version": pyspark.__version__,
        "started": started,
        "ended": ended,
        "candidates": candidates,
        "locations": locations,
        "settings": SETTINGS
        | {
            "JVM": PLACES["spark.driver.extraJavaOptions"].partition(" -XX:-")[0],
            "trigger": "availableNow",
            "deduplication": "dropDuplicates",
        },
        "does_less": (
            "nothing comes out before the end of the batch, which here is the whole topic; a "
            "voter's first vote is any one of that voter's in the batch, not the earliest by its "
            "timestamp; no voids, corrections, late votes, windows or register, and a message "
            "that is no vote is counted for no candidate"
        ),
    }
    (work / "answer.json").write_text(json.dumps(answer))
    spark.stop()


main()
