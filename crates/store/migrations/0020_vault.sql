-- Keys under which secrets are sealed, themselves sealed by the master key, which is never here. A tenant has its own.
CREATE TABLE data_keys (
    tenant TEXT NOT NULL,
    version BIGINT NOT NULL,
    master TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, version)
);

-- Which master keys have been in force: a fingerprint each, from which nobody finds the key.
CREATE TABLE master_keys (
    fingerprint TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);

-- Secrets, sealed: whose, for which field of which object, and towards which origin they may go.
CREATE TABLE secrets (
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    field TEXT NOT NULL,
    tenant TEXT NOT NULL,
    origin TEXT NOT NULL,
    key_version BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    sealed BLOB NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (kind, object, field)
);
CREATE INDEX secrets_tenant ON secrets (tenant, key_version);

-- Rotations of keys, to go on with one that was broken off.
CREATE TABLE key_rotations (
    started_at BIGINT PRIMARY KEY,
    finished_at BIGINT
);
