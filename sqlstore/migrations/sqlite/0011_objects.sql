-- +goose Up

-- Buckets of the object store. config is the JSON document of what their owner has set.
CREATE TABLE buckets (
    id           TEXT    PRIMARY KEY,
    name         TEXT    NOT NULL,
    instance     TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    location     TEXT    NOT NULL,
    profile      TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    key          TEXT    NOT NULL, -- seals new objects: one of bucket_keys
    opaque_etags BOOLEAN NOT NULL,
    config       TEXT    NOT NULL,
    revision     BIGINT  NOT NULL,
    mac          BLOB    NOT NULL
);
CREATE UNIQUE INDEX buckets_by_name ON buckets (name);
CREATE INDEX buckets_by_instance ON buckets (instance, name);

-- The keys of buckets, wrapped by root keys.
CREATE TABLE bucket_keys (
    bucket       TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    root         TEXT    NOT NULL, -- CRN, or empty for the provider's
    ciphertext   TEXT    NOT NULL,
    root_version TEXT    NOT NULL,
    alias        TEXT    NOT NULL,
    fresh        BOOLEAN NOT NULL,
    pending      BOOLEAN NOT NULL,
    created_at   BIGINT  NOT NULL,
    revision     BIGINT  NOT NULL,
    mac          BLOB    NOT NULL,
    PRIMARY KEY (bucket, id)
);

-- What is sealed by each key of a bucket; key is empty for what is not sealed. The usage of a
-- bucket is the sum of its rows. old_ counts versions that are not the newest of their key, and is
-- part of objects and bytes. upload_bytes are those of parts of open uploads.
CREATE TABLE bucket_usage (
    bucket       TEXT   NOT NULL,
    key          TEXT   NOT NULL,
    objects      BIGINT NOT NULL,
    bytes        BIGINT NOT NULL,
    old_objects  BIGINT NOT NULL,
    old_bytes    BIGINT NOT NULL,
    markers      BIGINT NOT NULL,
    uploads      BIGINT NOT NULL,
    upload_bytes BIGINT NOT NULL,
    PRIMARY KEY (bucket, key)
);

-- Versions of objects. key is the name of the object, in binary order. seq is never used again and
-- orders the versions of a key. attributes is the JSON document of ACL, lock, retention and archive,
-- and empty where there is none of them.
CREATE TABLE objects (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket      TEXT    NOT NULL,
    key         BLOB    NOT NULL,
    version     TEXT    NOT NULL,
    latest      BOOLEAN NOT NULL,
    marker      BOOLEAN NOT NULL,
    size        BIGINT  NOT NULL,
    modified_at BIGINT  NOT NULL,
    opaque      TEXT    NOT NULL,
    write       TEXT    NOT NULL,
    sealed_by   TEXT    NOT NULL, -- one of bucket_keys; empty for markers
    data_key    BLOB    NOT NULL,
    record      BLOB    NOT NULL,
    parts       INTEGER NOT NULL,
    attributes  TEXT    NOT NULL,
    customer    BOOLEAN NOT NULL,
    revision    BIGINT  NOT NULL,
    mac         BLOB    NOT NULL
);
-- The newest version of a key is the first of these.
CREATE UNIQUE INDEX objects_by_key ON objects (bucket, key, seq DESC);
CREATE UNIQUE INDEX objects_by_version ON objects (bucket, key, version);
-- What lists of objects walk along: neither older versions nor markers are in their way.
CREATE UNIQUE INDEX objects_listed ON objects (bucket, key) WHERE latest AND NOT marker;

-- The parts of a version, and the blobs that have their bytes.
CREATE TABLE object_parts (
    object      BIGINT  NOT NULL, -- seq of objects
    number      INTEGER NOT NULL,
    size        BIGINT  NOT NULL,
    write       TEXT    NOT NULL,
    blob        BLOB    NOT NULL,
    modified_at BIGINT  NOT NULL,
    record      BLOB    NOT NULL,
    PRIMARY KEY (object, number)
);

-- Uploads in parts. completed is the version that an upload has become, and empty while it is open.
CREATE TABLE uploads (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT    NOT NULL,
    bucket       TEXT    NOT NULL,
    key          BLOB    NOT NULL,
    initiator    TEXT    NOT NULL,
    started_at   BIGINT  NOT NULL,
    algorithm    TEXT    NOT NULL,
    composite    BOOLEAN NOT NULL,
    customer_md5 TEXT    NOT NULL,
    write        TEXT    NOT NULL,
    sealed_by    TEXT    NOT NULL,
    data_key     BLOB    NOT NULL,
    record       BLOB    NOT NULL,
    attributes   TEXT    NOT NULL,
    customer     BOOLEAN NOT NULL,
    completed    TEXT    NOT NULL,
    completed_at BIGINT  NOT NULL,
    revision     BIGINT  NOT NULL,
    mac          BLOB    NOT NULL
);
CREATE UNIQUE INDEX uploads_by_id ON uploads (bucket, id);
CREATE INDEX uploads_open ON uploads (bucket, key, started_at, id) WHERE completed = '';
CREATE INDEX uploads_completed ON uploads (completed_at) WHERE completed <> '';

CREATE TABLE upload_parts (
    upload      BIGINT  NOT NULL, -- seq of uploads
    number      INTEGER NOT NULL,
    size        BIGINT  NOT NULL,
    write       TEXT    NOT NULL,
    blob        BLOB    NOT NULL,
    modified_at BIGINT  NOT NULL,
    record      BLOB    NOT NULL,
    PRIMARY KEY (upload, number)
);

-- Blobs that are dispersed over nodes. nodes lists the node of each slice, separated by commas; bit
-- i of missing is set while slice i is not good; spare is how many more slices may be lost before
-- the blob is.
CREATE TABLE blobs (
    id             BLOB    PRIMARY KEY,
    state          INTEGER NOT NULL, -- 0 is being written, 1 live, 2 dead
    profile        TEXT    NOT NULL,
    data           INTEGER NOT NULL,
    total          INTEGER NOT NULL,
    all_or_nothing BOOLEAN NOT NULL,
    segment        BIGINT  NOT NULL,
    size           BIGINT  NOT NULL,
    nodes          TEXT    NOT NULL,
    missing        BIGINT  NOT NULL,
    spare          INTEGER NOT NULL,
    server         TEXT    NOT NULL,
    created_at     BIGINT  NOT NULL,
    revision       BIGINT  NOT NULL
);
CREATE INDEX blobs_by_state ON blobs (state, id, size);
CREATE INDEX blobs_written ON blobs (server) WHERE state = 0;
CREATE INDEX blobs_incomplete ON blobs (spare, id) WHERE state = 1 AND missing <> 0;

-- Blobs that are kept here instead, sealed like the others. Such a blob lives as long as its row.
CREATE TABLE blob_content (
    id             BLOB    PRIMARY KEY,
    profile        TEXT    NOT NULL,
    data           INTEGER NOT NULL,
    total          INTEGER NOT NULL,
    all_or_nothing BOOLEAN NOT NULL,
    segment        BIGINT  NOT NULL,
    created_at     BIGINT  NOT NULL,
    content        BLOB    NOT NULL
);

-- Storage nodes.
CREATE TABLE nodes (
    id               TEXT   PRIMARY KEY,
    name             TEXT   NOT NULL,
    site             TEXT   NOT NULL,
    url              TEXT   NOT NULL,
    credentials_file TEXT   NOT NULL,
    state            TEXT   NOT NULL,
    created_at       BIGINT NOT NULL,
    revision         BIGINT NOT NULL,
    mac              BLOB   NOT NULL
);
CREATE UNIQUE INDEX nodes_by_name ON nodes (name) WHERE state <> 'removed' AND state <> 'lost';

-- Background jobs on buckets. body is the whole job as JSON.
CREATE TABLE object_jobs (
    id         TEXT   PRIMARY KEY,
    bucket     TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    body       TEXT   NOT NULL,
    revision   BIGINT NOT NULL,
    mac        BLOB   NOT NULL
);
CREATE INDEX object_jobs_by_bucket ON object_jobs (bucket, created_at, id);
CREATE INDEX object_jobs_running ON object_jobs (id) WHERE state = 'running';
-- Two jobs that change the keys of a bucket would undo each other.
CREATE UNIQUE INDEX object_jobs_on_keys ON object_jobs (bucket)
    WHERE state = 'running' AND (kind = 'rewrap' OR kind = 'rekey');
