-- Everything that was taken over from earlier servers: folders by the digest of their contents, and entries by their identity.

CREATE TABLE imports (
    owner text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, digest)
);

CREATE TABLE old_entries (
    owner text COLLATE "C" NOT NULL,
    identity text COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, identity)
);
