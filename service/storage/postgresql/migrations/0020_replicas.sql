-- The lives of replicas, and the stops that one asks of another.
--
-- A replica that cannot reach the database is dead to the others after ten seconds. Where the database itself was gone,
-- nobody could renew a lease: then nobody is dead, and whoever comes back first, or starts first, renews those of all.

ALTER TABLE jobs ALTER stop_wanted DROP NOT NULL, ALTER stop_wanted DROP DEFAULT;
UPDATE jobs SET stop_wanted = NULL;
COMMENT ON COLUMN jobs.stop_wanted IS
    'Set where the replica that works on it is to cancel it: true whoever waits, false unless a call waits for it.';

CREATE FUNCTION all_are_silent() RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT coalesce(max(seen_at) < clock_timestamp() - interval '6 s', false) FROM leases $$;
COMMENT ON FUNCTION all_are_silent IS 'True where no replica, living or dead, could renew its lease twice in a row.';

CREATE OR REPLACE FUNCTION lives(lease text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM leases WHERE id = lease AND (seen_at > clock_timestamp() - interval '10 s' OR all_are_silent())
    )
$$;

CREATE FUNCTION renew_silent_leases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF all_are_silent() THEN
        UPDATE leases SET seen_at = clock_timestamp() WHERE seen_at > clock_timestamp() - interval '1 hour';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER renew_silent_leases BEFORE INSERT ON leases EXECUTE FUNCTION renew_silent_leases();

CREATE UNLOGGED TABLE taken_requests (
    owner text COLLATE "C" PRIMARY KEY,
    earned_back_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE taken_requests IS
    'When all requests that replicas took of an owner, or of all (an empty name), will have been earned back.';
