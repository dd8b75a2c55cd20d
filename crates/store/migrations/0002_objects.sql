-- What administrators make: keys, users, teams and the rest. What is looked for stands in columns, the rest in the document.
CREATE TABLE objects (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT,
    user_id TEXT,
    team_id TEXT,
    organization_id TEXT,
    project_id TEXT,
    created_by TEXT,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    form BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX objects_name ON objects (kind, name);
CREATE INDEX objects_user ON objects (user_id, kind);
CREATE INDEX objects_team ON objects (team_id, kind);
CREATE INDEX objects_organization ON objects (organization_id, kind);
CREATE INDEX objects_project ON objects (project_id, kind);
CREATE INDEX objects_created ON objects (kind, created_at);

-- What was deleted, as it was then.
CREATE TABLE deleted_objects (
    deletion BIGINT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    deleted_by TEXT,
    deleted_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (deletion, kind, id)
);
CREATE INDEX deleted_objects_id ON deleted_objects (kind, id);

-- What changed, in the order in which it was committed: other gateways read on from where they were.
CREATE TABLE changes (
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (seq, kind, id)
);

-- One row. Whoever writes objects takes it first, so that those writes happen one after another and are numbered so.
CREATE TABLE change_counter (
    one BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL
);
INSERT INTO change_counter (one, seq) VALUES (1, 0);
