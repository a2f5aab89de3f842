-- +goose Up

-- Generations of masters, numbered over all modules. escrow is the seal master
-- under the recovery key, and empty where there is none or it was given up.
-- The row of the first generation has no MAC while it is being made: the key
-- of the MACs is under these masters.
CREATE TABLE master_generations (
    generation   BIGINT PRIMARY KEY,
    module       TEXT    NOT NULL,
    state        TEXT    NOT NULL, -- making, current, leaving, retired or lost
    recovery_set TEXT    NOT NULL, -- names the recovery key, or is empty
    threshold    INTEGER NOT NULL, -- how many shares of the recovery key open it
    shares       INTEGER NOT NULL, -- and how many were made
    escrow       BLOB    NOT NULL,
    created_at   BIGINT  NOT NULL,
    retired_at   BIGINT  NOT NULL, -- also when the masters were lost; zero before
    disposed_at  BIGINT  NOT NULL, -- when the operator said that the shares are destroyed; zero before
    in_file      BOOLEAN NOT NULL, -- the masters are in a master file, which has copies
    unsealed_at  BIGINT  NOT NULL, -- when the operator said that what sealed it is destroyed; zero before
    mac          BLOB    NOT NULL
);
CREATE UNIQUE INDEX master_generations_current ON master_generations (state) WHERE state = 'current';

-- What is to be moved when masters are left. Standard keys have generation 0:
-- they are sealed by the key of the instance alone, and stay.
CREATE INDEX key_versions_by_generation ON key_versions (generation, instance, key, number) WHERE generation > 0;

-- Keys that were purged, and instances whose key was destroyed (key is empty):
-- copies of them, in older backups, open until the masters that have wrapped
-- them are retired. generation is the newest of these.
CREATE TABLE purged_keys (
    instance   TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    account    TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    purged_at  BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    mac        BLOB   NOT NULL,
    PRIMARY KEY (instance, key)
);
CREATE INDEX purged_keys_by_age ON purged_keys (purged_at, instance, key);
