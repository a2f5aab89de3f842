-- +goose Up

-- Transport keys for import tokens that were made ahead, each taken once. sealed
-- is the private half, under the masters of a generation. There is no MAC: the
-- seal binds the public half, so that a changed row does not open, and a row is
-- gone before it is used.
CREATE TABLE ready_transport_keys (
    id         TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    public_key BLOB   NOT NULL,
    sealed     BLOB   NOT NULL,
    made_at    BIGINT NOT NULL
);
CREATE INDEX ready_transport_keys_by_age ON ready_transport_keys (generation, made_at);
