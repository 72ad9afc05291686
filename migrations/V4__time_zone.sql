-- Where an election's clocks are, how its outlines are matched, and names for tight places.

ALTER TABLE elections ADD COLUMN time_zone text;
ALTER TABLE elections ADD COLUMN geojson_property text;
ALTER TABLE candidates ADD COLUMN short_name text;

COMMENT ON COLUMN elections.time_zone IS 'An IANA name such as America/Montreal, for times on the page; UTC where absent.';
COMMENT ON COLUMN elections.geojson_property IS 'The property of an outline that holds the location, where its id does not.';
COMMENT ON COLUMN candidates.short_name IS 'A name for tight places.';
