-- The leases of replicas after a database that was gone, and the requests that they take together.

-- Whoever comes back first, or starts first, renews the leases of all: else it would take the others for dead.
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
