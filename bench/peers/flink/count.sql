-- What Flink counts; count.py fills in the names that begin with a dollar sign.

SET 'execution.target' = 'local';
SET 'parallelism.default' = '$threads';
SET 'table.dml-sync' = 'true';
SET 'pipeline.object-reuse' = 'true';
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '2 s';
SET 'table.exec.mini-batch.size' = '5000';
SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE';
SET 'state.backend.type' = 'hashmap';

CREATE TABLE votes (
    voter_id STRING,
    candidate_id STRING,
    location STRING,
    arrived_at AS PROCTIME()
) WITH (
    'connector' = 'kafka',
    'topic' = '$topic',
    'properties.bootstrap.servers' = '$bootstrap',
    'scan.startup.mode' = 'earliest-offset',
    'scan.bounded.mode' = 'latest-offset',
    'format' = 'json'
);

-- The form that the planner knows as a deduplication: the first row of each voter stays.
CREATE TEMPORARY VIEW ballots AS
SELECT candidate_id, location
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY voter_id ORDER BY arrived_at ASC) AS place
    FROM votes
)
WHERE place = 1;

CREATE TABLE candidates (candidate_id STRING, votes BIGINT)
WITH ('connector' = 'print', 'print-identifier' = 'candidate', 'standard-error' = 'true');

CREATE TABLE locations (location STRING, votes BIGINT)
WITH ('connector' = 'print', 'print-identifier' = 'location', 'standard-error' = 'true');

-- One job: both counts share the source and the deduplication.
EXECUTE STATEMENT SET BEGIN
INSERT INTO candidates SELECT candidate_id, COUNT(*) FROM ballots GROUP BY candidate_id;
INSERT INTO locations SELECT location, COUNT(*) FROM ballots GROUP BY location;
END;
