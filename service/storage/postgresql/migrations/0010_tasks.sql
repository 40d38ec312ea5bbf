-- The tasks of MCP. `messages` are for the replica that runs the task, from another one that was asked; `unread` counts
-- their characters.

CREATE TABLE tasks (
    id text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    ended boolean NOT NULL,
    expires_at double precision NOT NULL,
    lease text COLLATE "C" NOT NULL,
    record text NOT NULL,
    messages text[] NOT NULL DEFAULT '{}',
    unread bigint NOT NULL DEFAULT 0
);
CREATE INDEX tasks_open ON tasks (lease) WHERE NOT ended;
CREATE INDEX tasks_by_end ON tasks (expires_at);
CREATE INDEX tasks_by_owner ON tasks (owner);
