-- The tokens of `token add`, as SHA-256 digests. A row stays when its token is revoked.

CREATE TABLE tokens (
    digest bytea PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    created_at double precision NOT NULL,
    expires_at double precision,
    revoked_at double precision
);
