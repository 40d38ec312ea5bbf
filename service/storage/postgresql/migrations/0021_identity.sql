-- The identity of the database: a secret of its own, which no setting changes and which a copy of the database has too.

CREATE TABLE identity (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    secret text NOT NULL
);
COMMENT ON TABLE identity IS 'One row: the keys of what lies elsewhere are derived from it, and so is the mark of a bucket''s folder.';

INSERT INTO identity (secret)
VALUES (encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex'));
