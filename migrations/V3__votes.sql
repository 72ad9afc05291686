-- The votes: a row for every valid event of the topic, copies too, each exactly once.
--
-- For tens of millions of rows: written by COPY, never changed, so the only tree is the key's.
-- Queries by time use the block ranges; whoever asks for single voters often adds an index.

CREATE TABLE votes (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    type text NOT NULL CHECK (type IN ('cast', 'void')),
    vote_id text NOT NULL,
    contest_id text,
    voter_id text NOT NULL,
    candidate_id text,
    choices text[],
    "timestamp" timestamptz,
    location text,
    PRIMARY KEY (topic, partition, "offset")
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

CREATE INDEX votes_by_time ON votes USING brin ("timestamp");

COMMENT ON TABLE votes IS 'Every valid event as it arrived, whether it counts or not.';
COMMENT ON COLUMN votes.contest_id IS 'The default contest where the event names none; null where there is no default.';
COMMENT ON COLUMN votes.candidate_id IS 'The first choice; null for a blank ballot and for a void.';
COMMENT ON COLUMN votes.choices IS 'All choices in order; empty for a blank ballot, null for a void.';
COMMENT ON COLUMN votes."timestamp" IS 'The cast''s own, or the log''s where it has none; null for a void without one.';

CREATE TABLE votes_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id text NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

COMMENT ON TABLE votes_offsets IS 'The first offset of each partition that votes does not have yet.';
