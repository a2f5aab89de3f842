-- +goose Up

-- The import token of an instance. sealed is the private half of its transport
-- key, and is empty once the token has expired.
CREATE TABLE import_tokens (
    instance       TEXT PRIMARY KEY,
    id             TEXT    NOT NULL,
    account        TEXT    NOT NULL,
    created_at     BIGINT  NOT NULL,
    expires_at     BIGINT  NOT NULL,
    max_retrievals INTEGER NOT NULL,
    remaining      INTEGER NOT NULL,
    public_key     BLOB    NOT NULL,
    nonce          BLOB    NOT NULL,
    generation     BIGINT  NOT NULL,
    sealed         BLOB    NOT NULL,
    revision       BIGINT  NOT NULL,
    mac            BLOB    NOT NULL
);
CREATE INDEX import_tokens_by_expiry ON import_tokens (expires_at) WHERE length(sealed) > 0;

-- Requests that can be repeated, and the key version that each has made.
-- request is a MAC of what was asked for.
CREATE TABLE first_requests (
    instance TEXT   NOT NULL,
    caller   TEXT   NOT NULL,
    key      TEXT   NOT NULL,
    request  BLOB   NOT NULL,
    made     TEXT   NOT NULL,
    of_key   TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    mac      BLOB   NOT NULL,
    PRIMARY KEY (instance, caller, key)
);
CREATE INDEX first_requests_by_age ON first_requests (at);

-- When each key version was last used, for what and by whom.
CREATE TABLE key_uses (
    instance TEXT   NOT NULL,
    key      TEXT   NOT NULL,
    version  TEXT   NOT NULL,
    use      TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    by       TEXT   NOT NULL,
    PRIMARY KEY (instance, key, version, use)
) WITHOUT ROWID;

-- How much data depends on a key version, as the services say that keep it.
CREATE TABLE key_data (
    instance TEXT   NOT NULL,
    key      TEXT   NOT NULL,
    version  TEXT   NOT NULL,
    service  TEXT   NOT NULL,
    objects  BIGINT NOT NULL,
    bytes    BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (instance, key, version, service)
) WITHOUT ROWID;
