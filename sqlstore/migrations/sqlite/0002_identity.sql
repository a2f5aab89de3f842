-- +goose Up

-- Tenants. owner is the IAM ID of a member; empty for the system account, of
-- which there is one.
CREATE TABLE accounts (
    id         TEXT PRIMARY KEY,
    name       TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    system     BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    revision   BIGINT  NOT NULL,
    mac        BLOB    NOT NULL
);
CREATE UNIQUE INDEX accounts_system ON accounts (system) WHERE system;

-- Which identity an e-mail address stands for. Never removed, so that an IAM ID
-- stands for one person for ever.
CREATE TABLE people (
    iam_id TEXT PRIMARY KEY,
    email  TEXT NOT NULL UNIQUE,
    mac    BLOB NOT NULL
);

-- Memberships: names and state are each account's own.
CREATE TABLE users (
    account    TEXT   NOT NULL,
    iam_id     TEXT   NOT NULL,
    email      TEXT   NOT NULL,
    first_name TEXT   NOT NULL,
    last_name  TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    added_at   BIGINT NOT NULL,
    revision   BIGINT NOT NULL,
    mac        BLOB   NOT NULL,
    PRIMARY KEY (account, iam_id)
);
CREATE INDEX users_by_age ON users (account, added_at, iam_id);
CREATE INDEX users_by_email ON users (account, email, iam_id);

CREATE TABLE service_ids (
    id          TEXT PRIMARY KEY,
    account     TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    instances   TEXT    NOT NULL, -- JSON list of CRNs
    locked      BOOLEAN NOT NULL,
    made_for    TEXT    NOT NULL, -- API key of the service credential that brought it, or empty
    created_at  BIGINT  NOT NULL,
    created_by  TEXT    NOT NULL,
    modified_at BIGINT  NOT NULL,
    revision    BIGINT  NOT NULL,
    mac         BLOB    NOT NULL
);
CREATE INDEX service_ids_by_age ON service_ids (account, created_at, id);
CREATE INDEX service_ids_by_name ON service_ids (account, name, id);

-- Of the value only its HMAC under the pepper is kept. last_authn and
-- authn_count are written in batches and not covered by the MAC.
CREATE TABLE api_keys (
    id          TEXT PRIMARY KEY,
    account     TEXT    NOT NULL,
    iam_id      TEXT    NOT NULL,
    kind        TEXT    NOT NULL, -- of the identity: user or serviceid
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    digest      BLOB    NOT NULL UNIQUE,
    locked      BOOLEAN NOT NULL,
    disabled    BOOLEAN NOT NULL,
    on_leak     TEXT    NOT NULL,
    expires_at  BIGINT  NOT NULL, -- zero: never
    created_at  BIGINT  NOT NULL,
    created_by  TEXT    NOT NULL,
    modified_at BIGINT  NOT NULL,
    revision    BIGINT  NOT NULL,
    last_authn  BIGINT  NOT NULL,
    authn_count BIGINT  NOT NULL,
    mac         BLOB    NOT NULL
);
CREATE INDEX api_keys_by_age ON api_keys (account, created_at, id);
CREATE INDEX api_keys_by_name ON api_keys (account, name, id);
CREATE INDEX api_keys_of_identity_by_age ON api_keys (account, iam_id, created_at, id);
CREATE INDEX api_keys_of_identity_by_name ON api_keys (account, iam_id, name, id);
CREATE INDEX api_keys_of_kind_by_age ON api_keys (account, kind, created_at, id);
CREATE INDEX api_keys_of_kind_by_name ON api_keys (account, kind, name, id);

-- Secrets that sign S3 requests, sealed under the system instance key.
CREATE TABLE hmac_credentials (
    access_key_id TEXT PRIMARY KEY,
    account       TEXT   NOT NULL,
    iam_id        TEXT   NOT NULL,
    api_key       TEXT   NOT NULL,
    sealed        BLOB   NOT NULL,
    created_at    BIGINT NOT NULL,
    mac           BLOB   NOT NULL
);
CREATE INDEX hmac_credentials_of_key ON hmac_credentials (api_key);

-- Keys that sign access tokens. accepted_until is zero for the one that signs.
CREATE TABLE signing_keys (
    id             TEXT PRIMARY KEY,
    sealed         BLOB   NOT NULL,
    public         BLOB   NOT NULL,
    created_at     BIGINT NOT NULL,
    accepted_until BIGINT NOT NULL,
    mac            BLOB   NOT NULL
);
