-- +goose Up

-- The keys of instances, under which everything in an instance is sealed. While
-- keys move from one generation of masters to another, an instance has its key
-- under both.
CREATE TABLE instance_keys (
    instance   TEXT   NOT NULL,
    generation BIGINT NOT NULL,
    account    TEXT   NOT NULL,
    sealed     BLOB   NOT NULL,
    created_at BIGINT NOT NULL,
    mac        BLOB   NOT NULL,
    PRIMARY KEY (instance, generation)
);
CREATE INDEX instance_keys_by_generation ON instance_keys (generation, instance);

-- Keys, without their material. aliases and tags are JSON lists. version,
-- version_number, version_at and version_size tell of the newest version.
CREATE TABLE keys (
    instance       TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    account        TEXT    NOT NULL,
    ring           TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    aliases        TEXT    NOT NULL,
    tags           TEXT    NOT NULL,
    extractable    BOOLEAN NOT NULL,
    imported       BOOLEAN NOT NULL,
    state          INTEGER NOT NULL,
    created_at     BIGINT  NOT NULL,
    created_by     TEXT    NOT NULL,
    updated_at     BIGINT  NOT NULL,
    rotated_at     BIGINT,
    expires_at     BIGINT,
    deleted_at     BIGINT,
    deleted_by     TEXT    NOT NULL,
    version        TEXT    NOT NULL,
    version_number BIGINT  NOT NULL,
    version_at     BIGINT  NOT NULL,
    version_size   INTEGER NOT NULL,
    revision       BIGINT  NOT NULL,
    mac            BLOB    NOT NULL,
    PRIMARY KEY (instance, id)
);

-- Lists find their page in one of these without touching the rows before it.
-- The first also holds what the rarer sorts need.
CREATE INDEX keys_by_id      ON keys (instance, id, state, extractable, expires_at, ring, imported, rotated_at, deleted_at);
CREATE INDEX keys_by_created ON keys (instance, created_at, id, state, extractable, expires_at, ring);
CREATE INDEX keys_by_updated ON keys (instance, updated_at, id, state, extractable, expires_at, ring);
CREATE INDEX keys_by_state   ON keys (instance, state, id, extractable, expires_at, ring);

-- How many keys of each sort have IDs that begin with the two digits of a
-- bucket: a page far down a list is found by adding these up.
CREATE TABLE key_counts (
    instance    TEXT    NOT NULL,
    bucket      TEXT    NOT NULL,
    ring        TEXT    NOT NULL,
    state       INTEGER NOT NULL,
    extractable BOOLEAN NOT NULL,
    n           BIGINT  NOT NULL,
    PRIMARY KEY (instance, bucket, ring, state, extractable)
);

-- Versions of keys with their sealed material.
CREATE TABLE key_versions (
    instance    TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    number      BIGINT  NOT NULL,
    id          TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL,
    generation  BIGINT  NOT NULL,
    origin      TEXT    NOT NULL,
    size        INTEGER NOT NULL,
    material_id BLOB    NOT NULL,
    sealed      BLOB    NOT NULL,
    mac         BLOB    NOT NULL,
    PRIMARY KEY (instance, key, number)
);

-- An index of the aliases that keys have. A live key holds an alias alone;
-- deleted keys keep theirs, but give way.
CREATE TABLE key_aliases (
    instance   TEXT    NOT NULL,
    alias      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    live       BOOLEAN NOT NULL,
    changed_at BIGINT  NOT NULL,
    PRIMARY KEY (instance, alias, key)
);
CREATE UNIQUE INDEX key_aliases_live ON key_aliases (instance, alias) WHERE live;
CREATE INDEX key_aliases_of ON key_aliases (instance, key);
