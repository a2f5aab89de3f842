-- +goose Up

-- Policies. The document holds what is evaluated; the columns beside it are
-- what policies are found and listed by. Rows in state 'deleted' are kept for a
-- while, to be read and restored.
CREATE TABLE policies (
    id            TEXT PRIMARY KEY,
    account       TEXT   NOT NULL,
    type          TEXT   NOT NULL,  -- 'access' or 'authorization'
    subject       TEXT   NOT NULL,  -- IAM ID or access group; '' for an authorization
    service       TEXT   NOT NULL,  -- serviceName, where the policy names one literally
    service_type  TEXT   NOT NULL,
    service_group TEXT   NOT NULL,
    state         TEXT   NOT NULL,  -- 'active' or 'deleted'
    fingerprint   TEXT   NOT NULL,  -- '' where equal policies are allowed
    document      BLOB   NOT NULL,
    revision      BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT   NOT NULL,
    modified_at   BIGINT NOT NULL,
    modified_by   TEXT   NOT NULL,
    mac           BLOB   NOT NULL
);
-- What a decision loads.
CREATE INDEX policies_by_subject ON policies (account, subject, state);
-- The usual order of lists.
CREATE INDEX policies_by_age ON policies (account, state, created_at, id);
-- Two active policies that say the same are refused.
CREATE UNIQUE INDEX policies_alike ON policies (account, fingerprint)
    WHERE state = 'active' AND fingerprint <> '';

-- Access tags that policies name, to list policies by.
CREATE TABLE policy_tags (
    policy TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (policy, name, value)
);

-- Roles that accounts made.
CREATE TABLE custom_roles (
    id           TEXT PRIMARY KEY,
    account      TEXT   NOT NULL,
    service      TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    display_name TEXT   NOT NULL,
    description  TEXT   NOT NULL,
    actions      TEXT   NOT NULL,  -- separated by spaces
    revision     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    created_by   TEXT   NOT NULL,
    modified_at  BIGINT NOT NULL,
    modified_by  TEXT   NOT NULL,
    mac          BLOB   NOT NULL,
    UNIQUE (account, name),
    UNIQUE (account, display_name)
);

-- Which policies, active or deleted, name which of them.
CREATE TABLE policy_roles (
    policy TEXT NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    role   TEXT NOT NULL,  -- CRN
    PRIMARY KEY (policy, role)
);
CREATE INDEX policy_roles_by_role ON policy_roles (role);

CREATE TABLE access_groups (
    id          TEXT PRIMARY KEY,
    account     TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    folded_name TEXT   NOT NULL,  -- in lower case: names differ by more than case
    description TEXT   NOT NULL,
    revision    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT   NOT NULL,
    modified_at BIGINT NOT NULL,
    modified_by TEXT   NOT NULL,
    UNIQUE (account, folded_name)
);

CREATE TABLE access_group_members (
    group_id TEXT   NOT NULL REFERENCES access_groups (id) ON DELETE CASCADE,
    iam_id   TEXT   NOT NULL,
    account  TEXT   NOT NULL,
    kind     TEXT   NOT NULL,
    added_at BIGINT NOT NULL,
    added_by TEXT   NOT NULL,
    mac      BLOB   NOT NULL,
    PRIMARY KEY (group_id, iam_id)
);
-- What a decision loads.
CREATE INDEX access_group_members_by_identity ON access_group_members (account, iam_id);
