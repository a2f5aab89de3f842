-- +goose Up

-- Resource groups of an account. Exactly one is the default.
CREATE TABLE resource_groups (
    id         TEXT PRIMARY KEY,
    account    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    revision   BIGINT  NOT NULL
);
CREATE UNIQUE INDEX resource_groups_name ON resource_groups (account, name);
CREATE UNIQUE INDEX resource_groups_default ON resource_groups (account) WHERE is_default;

-- Service instances. Things may be made in an instance only while its state is
-- 'active': who makes one checks state and revision in the same transaction.
-- The MAC covers what decides access. No row is ever removed.
CREATE TABLE instances (
    guid           TEXT PRIMARY KEY,
    account        TEXT    NOT NULL,
    service        TEXT    NOT NULL,
    plan           TEXT    NOT NULL,
    region         TEXT    NOT NULL,
    resource_group TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    locked         BOOLEAN NOT NULL,
    allow_cleanup  BOOLEAN NOT NULL,
    onetime        BOOLEAN NOT NULL,
    parameters     BLOB    NOT NULL,
    plans          BLOB    NOT NULL,
    last_operation TEXT    NOT NULL,
    created_at     BIGINT  NOT NULL,
    created_by     TEXT    NOT NULL,
    updated_at     BIGINT  NOT NULL,
    updated_by     TEXT    NOT NULL,
    deleted_at     BIGINT  NOT NULL,
    deleted_by     TEXT    NOT NULL,
    restored_at    BIGINT  NOT NULL,
    restored_by    TEXT    NOT NULL,
    reclaim_at     BIGINT  NOT NULL,
    reclaim_by     TEXT    NOT NULL,
    revision       BIGINT  NOT NULL,
    mac            BLOB    NOT NULL
);
CREATE INDEX instances_account ON instances (account, created_at, guid);
CREATE INDEX instances_name ON instances (account, name);
CREATE INDEX instances_group ON instances (resource_group);
CREATE INDEX instances_due ON instances (reclaim_at) WHERE state = 'pending_reclamation';

-- Instances on their way from deletion to destruction.
CREATE TABLE reclamations (
    id         TEXT PRIMARY KEY,
    account    TEXT   NOT NULL,
    instance   TEXT   NOT NULL UNIQUE,
    state      TEXT   NOT NULL,
    target_at  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT   NOT NULL
);
CREATE INDEX reclamations_account ON reclamations (account, created_at, id);

-- Resource keys, that is service credentials. What is secret in one is sealed,
-- bound to its GUID, and erased when the key is removed.
CREATE TABLE resource_keys (
    guid         TEXT PRIMARY KEY,
    account      TEXT    NOT NULL,
    instance     TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    service_id   TEXT    NOT NULL,
    owns_service BOOLEAN NOT NULL,
    api_key      TEXT    NOT NULL,
    policy       TEXT    NOT NULL,
    access_key   TEXT    NOT NULL,
    onetime      BOOLEAN NOT NULL,
    sealed       BLOB    NOT NULL,
    created_at   BIGINT  NOT NULL,
    created_by   TEXT    NOT NULL,
    updated_at   BIGINT  NOT NULL,
    updated_by   TEXT    NOT NULL,
    deleted_at   BIGINT  NOT NULL,
    deleted_by   TEXT    NOT NULL,
    revision     BIGINT  NOT NULL,
    mac          BLOB    NOT NULL
);
CREATE INDEX resource_keys_account ON resource_keys (account, created_at, guid);
CREATE INDEX resource_keys_instance ON resource_keys (instance, state);

-- User tags on instances.
CREATE TABLE tags (
    instance TEXT NOT NULL,
    account  TEXT NOT NULL,
    name     TEXT NOT NULL,
    PRIMARY KEY (instance, name)
);
CREATE INDEX tags_account ON tags (account, name, instance);
