-- +goose Up

-- What the life of a key needs beyond its state. policies is a JSON object, or
-- empty for a key that has none. rotates_at is when its rotation policy next
-- rotates it: made of the other columns, and only good for finding the key.
ALTER TABLE keys ADD COLUMN suspended_at BIGINT;
ALTER TABLE keys ADD COLUMN notified_at BIGINT;
ALTER TABLE keys ADD COLUMN policies TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN rotates_at BIGINT;

-- What the clock has to do is found without looking at any other key.
CREATE INDEX keys_expiring ON keys (expires_at, instance, id) WHERE state = 1 AND expires_at IS NOT NULL;
CREATE INDEX keys_rotating ON keys (rotates_at, instance, id) WHERE rotates_at IS NOT NULL;
CREATE INDEX keys_deleted  ON keys (deleted_at, instance, id) WHERE deleted_at IS NOT NULL;

-- The policies of instances, all of one instance in a row: a JSON list.
CREATE TABLE instance_policies (
    instance TEXT   PRIMARY KEY,
    policies TEXT   NOT NULL,
    revision BIGINT NOT NULL,
    mac      BLOB   NOT NULL
);

-- Which server does what only one of them may do at a time, and until when it
-- has said that it will.
CREATE TABLE jobs (
    name       TEXT   PRIMARY KEY,
    holder     TEXT   NOT NULL,
    held_until BIGINT NOT NULL
);
