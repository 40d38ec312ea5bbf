-- Sessions that were ended, and links that were used up, as SHA-256 digests. `noted_at` is by the clock of the database,
-- `taken` tells what may be used once from a session.

CREATE TABLE ended_sessions (
    digest bytea PRIMARY KEY,
    expires_at double precision NOT NULL,
    taken boolean NOT NULL DEFAULT false,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ended_sessions_by_moment ON ended_sessions (noted_at);
CREATE INDEX ended_sessions_by_end ON ended_sessions (expires_at);
