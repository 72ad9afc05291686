-- The register: elections, contests, candidates, locations, voters.
--
-- Each transaction that changes a row is read by the service as one whole register, which comes in
-- force at once or is refused whole. What one row, or a row and the one that it names, can show to
-- be wrong is refused here already.
--
-- Who has one election with one contest leaves `election_id` and `contest_id` out: both are 'main'.

CREATE TABLE elections (
    election_id text PRIMARY KEY DEFAULT 'main'
        CHECK (octet_length(election_id) BETWEEN 1 AND 128),
    name text,
    date date,
    test boolean NOT NULL DEFAULT false,
    roll boolean NOT NULL DEFAULT false,
    geojson_url text
);

COMMENT ON TABLE elections IS 'What groups contests.';
COMMENT ON COLUMN elections.name IS 'What the public calls it; its id where null.';
COMMENT ON COLUMN elections.test IS 'Marked as a test on every page.';
COMMENT ON COLUMN elections.roll IS 'Whether only the voters listed in voters count.';
COMMENT ON COLUMN elections.geojson_url IS 'Outlines of the locations; the id of a feature is the location.';

CREATE TABLE contests (
    contest_id text PRIMARY KEY DEFAULT 'main'
        CHECK (octet_length(contest_id) BETWEEN 1 AND 128),
    election_id text NOT NULL DEFAULT 'main'
        REFERENCES elections DEFERRABLE INITIALLY DEFERRED,
    name text,
    is_default boolean NOT NULL DEFAULT false,
    kind text NOT NULL DEFAULT 'plurality' CHECK (kind IN ('plurality')),
    revote text NOT NULL DEFAULT 'first' CHECK (revote IN ('first', 'last', 'all')),
    window_ms bigint NOT NULL DEFAULT 10000,
    slide_ms bigint NOT NULL DEFAULT 5000 CHECK (slide_ms BETWEEN 1000 AND 31622400000),
    opens_at timestamptz,
    closes_at timestamptz,
    CHECK (window_ms BETWEEN slide_ms AND 60 * slide_ms AND window_ms % slide_ms = 0)
);

CREATE INDEX contests_of_election ON contests (election_id);

COMMENT ON TABLE contests IS 'What a voter has one ballot in.';
COMMENT ON COLUMN contests.is_default IS 'Whether votes that name no contest are for this one; at most one is.';
COMMENT ON COLUMN contests.revote IS 'Which of a voter''s casts counts: the first, the last, or all.';
COMMENT ON COLUMN contests.window_ms IS 'Length of a window in milliseconds: 1 to 60 times slide_ms.';
COMMENT ON COLUMN contests.slide_ms IS 'Distance of the windows'' starts in milliseconds.';
COMMENT ON COLUMN contests.opens_at IS 'Casts before it are set aside.';
COMMENT ON COLUMN contests.closes_at IS 'Casts at or after it are set aside.';

CREATE TABLE candidates (
    contest_id text NOT NULL DEFAULT 'main'
        REFERENCES contests DEFERRABLE INITIALLY DEFERRED,
    candidate_id text NOT NULL CHECK (octet_length(candidate_id) BETWEEN 1 AND 128),
    candidate_name text,
    party text,
    biography text,
    campaign_promises text,
    photo_url text,
    color text,
    position bigint,
    withdrawn_at timestamptz,
    PRIMARY KEY (contest_id, candidate_id)
);

COMMENT ON TABLE candidates IS 'Who can be voted for. Withdrawn, never deleted: votes stay and rank.';
COMMENT ON COLUMN candidates.candidate_name IS 'The name; the id where null.';
COMMENT ON COLUMN candidates.color IS 'A CSS colour.';
COMMENT ON COLUMN candidates.position IS 'The place on the ballot paper; orders candidates of one rank.';
COMMENT ON COLUMN candidates.withdrawn_at IS 'Since when withdrawn.';

CREATE TABLE locations (
    election_id text NOT NULL DEFAULT 'main'
        REFERENCES elections DEFERRABLE INITIALLY DEFERRED,
    location text NOT NULL CHECK (octet_length(location) BETWEEN 1 AND 128),
    name text,
    parent text,
    registered bigint CHECK (registered BETWEEN 0 AND 1000000000000),
    PRIMARY KEY (election_id, location),
    FOREIGN KEY (election_id, parent) REFERENCES locations DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX locations_of_parent ON locations (election_id, parent);

COMMENT ON TABLE locations IS 'The reporting units, a forest by parent; votes name a leaf.';
COMMENT ON COLUMN locations.name IS 'The name; the code where null.';
COMMENT ON COLUMN locations.parent IS 'The location above it; null for a root.';
COMMENT ON COLUMN locations.registered IS 'Registered voters; the sum of its children''s where null.';

CREATE TABLE voters (
    voter_id text NOT NULL CHECK (octet_length(voter_id) BETWEEN 1 AND 128),
    election_id text NOT NULL DEFAULT 'main'
        REFERENCES elections DEFERRABLE INITIALLY DEFERRED,
    name text,
    email text,
    registration_date date,
    location text,
    PRIMARY KEY (election_id, voter_id)
);

COMMENT ON TABLE voters IS 'The roll of an election whose roll is true. The service reads the ids only.';
COMMENT ON COLUMN voters.name IS 'Never read by the service.';
COMMENT ON COLUMN voters.email IS 'Never read by the service.';

-- Tells the service that it should read the register again. Repeated notifications of one
-- transaction are one.
CREATE FUNCTION tallyflow_register_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tallyflow_register', TG_TABLE_NAME);
    RETURN NULL;
END
$$;

CREATE TRIGGER register_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON elections
    FOR EACH STATEMENT EXECUTE FUNCTION tallyflow_register_changed();
CREATE TRIGGER register_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON contests
    FOR EACH STATEMENT EXECUTE FUNCTION tallyflow_register_changed();
CREATE TRIGGER register_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON candidates
    FOR EACH STATEMENT EXECUTE FUNCTION tallyflow_register_changed();
CREATE TRIGGER register_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON locations
    FOR EACH STATEMENT EXECUTE FUNCTION tallyflow_register_changed();
CREATE TRIGGER register_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON voters
    FOR EACH STATEMENT EXECUTE FUNCTION tallyflow_register_changed();
