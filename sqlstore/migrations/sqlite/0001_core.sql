-- +goose Up

-- Settings that are fixed at the first start (region, issuer, …).
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    mac   BLOB NOT NULL
);

-- The change feed. The last statement of each writing transaction takes the
-- next number of one of 16 shards and holds its row to the commit, so whoever
-- sees number n of a shard sees everything below n.
CREATE TABLE change_heads (
    shard INTEGER PRIMARY KEY,
    seq   BIGINT  NOT NULL
);
INSERT INTO change_heads (shard, seq) VALUES
    (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0),
    (8, 0), (9, 0), (10, 0), (11, 0), (12, 0), (13, 0), (14, 0), (15, 0);

CREATE TABLE changes (
    shard INTEGER NOT NULL,
    seq   BIGINT  NOT NULL,
    pos   INTEGER NOT NULL,
    kind  TEXT    NOT NULL,
    scope TEXT    NOT NULL,
    id    TEXT    NOT NULL,
    PRIMARY KEY (shard, seq, pos)
);

-- Events of committed changes on their way to the audit log of a server. A row
-- is written by the transaction of the change and removed once the event is
-- durable in the log.
CREATE TABLE outbox (
    event_id TEXT PRIMARY KEY,
    server   TEXT   NOT NULL,
    body     BLOB   NOT NULL,
    at       BIGINT NOT NULL,
    mac      BLOB   NOT NULL
);

-- Signed heads of audit logs, by which a truncated log is found.
CREATE TABLE checkpoints (
    server   TEXT   NOT NULL,
    sequence BIGINT NOT NULL,
    epoch    BIGINT NOT NULL,
    body     BLOB   NOT NULL,
    PRIMARY KEY (server, sequence)
);

-- Acts that cross domains: pending until every step is done or undone.
CREATE TABLE acts (
    id         TEXT PRIMARY KEY,
    kind       TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    step       INTEGER NOT NULL,
    undo       BOOLEAN NOT NULL,
    body       BLOB    NOT NULL,
    attempts   INTEGER NOT NULL,
    failure    TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL
);

-- The service's own secrets, sealed under the system instance key and bound to
-- kind and ID.
CREATE TABLE secrets (
    kind       TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    sealed     BLOB   NOT NULL,
    public     BLOB   NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    PRIMARY KEY (kind, id)
);
