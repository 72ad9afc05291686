-- The results: the rows of the newest tick that is written, whole.
--
-- Each transaction takes all of them from one tick to a later one and sets `published`, so whoever
-- reads several tables in one REPEATABLE READ transaction sees the counts of one tick. A row's
-- `tick` is the one in which it was written last.

CREATE TABLE candidate_results (
    contest_id text NOT NULL,
    candidate_id text NOT NULL,
    candidate_name text NOT NULL,
    party text,
    votes bigint NOT NULL,
    share double precision,
    rank bigint NOT NULL,
    withdrawn boolean NOT NULL,
    tick bigint NOT NULL,
    PRIMARY KEY (contest_id, candidate_id)
);

COMMENT ON TABLE candidate_results IS 'Votes of each candidate.';
COMMENT ON COLUMN candidate_results.share IS 'Of the votes for candidates, 0 to 1; null where there are none.';
COMMENT ON COLUMN candidate_results.rank IS 'From 1; equal votes share a rank.';
COMMENT ON COLUMN candidate_results.tick IS 'When the row was written last: milliseconds since 1970.';

CREATE TABLE location_results (
    contest_id text NOT NULL,
    location text NOT NULL,
    name text NOT NULL,
    parent text,
    leaf boolean NOT NULL,
    registered bigint,
    accepted bigint NOT NULL,
    blank bigint NOT NULL,
    turnout double precision,
    leader text,
    votes jsonb NOT NULL,
    tick bigint NOT NULL,
    PRIMARY KEY (contest_id, location)
);

COMMENT ON TABLE location_results IS 'Ballots of each location; a parent has the sum of its children''s.';
COMMENT ON COLUMN location_results.turnout IS 'accepted / registered; null where there is nothing to divide by.';
COMMENT ON COLUMN location_results.leader IS 'The candidate ahead; null for a tie and for no votes.';
COMMENT ON COLUMN location_results.votes IS 'Votes by candidate_id; those without votes are not in it.';

CREATE TABLE window_results (
    contest_id text NOT NULL,
    start timestamptz NOT NULL,
    "end" timestamptz NOT NULL,
    final boolean NOT NULL,
    accepted bigint NOT NULL,
    blank bigint NOT NULL,
    late bigint NOT NULL,
    votes jsonb NOT NULL,
    tick bigint NOT NULL,
    PRIMARY KEY (contest_id, start)
);

COMMENT ON TABLE window_results IS 'Ballots by sliding window of their timestamps; windows without any are no rows.';
COMMENT ON COLUMN window_results."end" IS 'Exclusive.';
COMMENT ON COLUMN window_results.final IS 'Whether event time has passed it; late ballots may still be added.';
COMMENT ON COLUMN window_results.late IS 'How many of the accepted were late.';

CREATE TABLE published (
    tick bigint NOT NULL,
    offsets jsonb NOT NULL,
    register_version text NOT NULL
);

CREATE UNIQUE INDEX published_is_one_row ON published ((true));

COMMENT ON TABLE published IS 'What the three tables of results are as of; one row, once anything is written.';
COMMENT ON COLUMN published.tick IS 'Milliseconds since 1970.';
COMMENT ON COLUMN published.offsets IS 'For each topic/partition, the first offset that is not counted.';
