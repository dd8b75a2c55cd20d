-- Experiments that were made over the API, and the state of all of them. What a configuration file says stands in the file.
CREATE TABLE experiments (
    name TEXT PRIMARY KEY,
    document TEXT,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- What each arm has come to. Role is live, shadow or judge. Counted in the transaction that adds the lines of the request log.
CREATE TABLE experiment_arms (
    experiment TEXT NOT NULL,
    arm TEXT NOT NULL,
    role TEXT NOT NULL,
    requests BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    spend BIGINT NOT NULL,
    spend_squares BIGINT NOT NULL,
    timed BIGINT NOT NULL,
    latency BIGINT NOT NULL,
    latency_squares BIGINT NOT NULL,
    PRIMARY KEY (experiment, arm, role)
);

-- What people, and models that judge, think of an answer. One of each author; the last one holds. A reward is in ten-thousandths.
CREATE TABLE feedback (
    request_id TEXT NOT NULL,
    author TEXT NOT NULL,
    source TEXT NOT NULL,
    reward BIGINT,
    score TEXT,
    thumbs TEXT,
    comment TEXT,
    experiment TEXT,
    arm TEXT,
    model TEXT NOT NULL,
    model_group TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (request_id, author)
);
CREATE INDEX feedback_arms ON feedback (experiment, arm);
CREATE INDEX feedback_created ON feedback (created_at);
