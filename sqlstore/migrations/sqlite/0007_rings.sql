-- +goose Up

-- Key rings. Every instance also has the ring "default", which has no row.
CREATE TABLE key_rings (
    instance   TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    mac        BLOB   NOT NULL,
    PRIMARY KEY (instance, id)
);

-- Cloud resources that keys protect, by their CRN. version is the version of
-- the key that protects the resource. A row decides whether its key can be
-- deleted.
CREATE TABLE key_registrations (
    instance       TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    resource       TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    metadata       TEXT    NOT NULL,
    retained       BOOLEAN NOT NULL,
    version        TEXT    NOT NULL,
    version_number BIGINT  NOT NULL,
    version_at     BIGINT  NOT NULL,
    created_at     BIGINT  NOT NULL,
    created_by     TEXT    NOT NULL,
    updated_at     BIGINT  NOT NULL,
    updated_by     TEXT    NOT NULL,
    revision       BIGINT  NOT NULL,
    mac            BLOB    NOT NULL,
    PRIMARY KEY (instance, key, resource)
);
CREATE INDEX key_registrations_by_resource ON key_registrations (instance, resource, key);
CREATE INDEX key_registrations_by_version  ON key_registrations (instance, key, version);

-- The names and aliases of keys, to be searched: the keys whose IDs begin with
-- the digits of a bucket are packed into one value, in the order of their IDs.
CREATE TABLE key_names (
    instance TEXT NOT NULL,
    bucket   TEXT NOT NULL,
    pack     BLOB NOT NULL,
    PRIMARY KEY (instance, bucket)
);

-- The sorts and filters for which no index was there yet. Properties that few
-- keys have are indexed for these alone.
CREATE INDEX keys_by_ring        ON keys (instance, ring, id, state, extractable, expires_at);
CREATE INDEX keys_by_extractable ON keys (instance, extractable, id, state, expires_at, ring);
CREATE INDEX keys_by_imported    ON keys (instance, imported, id, state, extractable, expires_at, ring);
CREATE INDEX keys_by_rotated     ON keys (instance, rotated_at, id, state, extractable, expires_at, ring) WHERE rotated_at IS NOT NULL;
CREATE INDEX keys_by_deleted     ON keys (instance, deleted_at, id, state, extractable, expires_at, ring) WHERE deleted_at IS NOT NULL;
CREATE INDEX keys_by_expires     ON keys (instance, expires_at, id, state, extractable, ring) WHERE expires_at IS NOT NULL;

-- The list in the order of IDs is also the one that is walked through for what has no index.
DROP INDEX keys_by_id;
CREATE INDEX keys_by_id ON keys (instance, id, state, extractable, expires_at, ring, imported, rotated_at, deleted_at, created_at, updated_at);
