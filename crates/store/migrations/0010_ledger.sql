-- Whoever money is counted for: the caller's side (keys, users, teams, ...) and, as level `owed`, the providers.
-- The id is made of level, name and model, so that every gateway finds the same one without asking.
CREATE TABLE ledger_accounts (
    id BIGINT PRIMARY KEY,
    level TEXT NOT NULL,
    name TEXT NOT NULL,
    model TEXT NOT NULL
);

-- What happened to money. Rows are added and never changed or removed; a mistake is put right by a row that says so.
-- A row is a set of balanced transfers: `amount` is debited to each account of `debits` and credited to `credit`, once for each
-- level. `debits` is a JSON list of [account, [[span, start], ...]]: the windows in which it counts beside the lifetime.
CREATE TABLE ledger (
    attempt TEXT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    call TEXT NOT NULL,
    amount BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    debits TEXT NOT NULL,
    credit BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reason TEXT,
    actor TEXT,
    instance TEXT NOT NULL,
    PRIMARY KEY (attempt, kind)
);

-- What each account has spent in each window; a new window is a new row. `leased` is held by gateways and not spent yet.
CREATE TABLE ledger_windows (
    account BIGINT NOT NULL,
    span TEXT NOT NULL,
    start BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    leased BIGINT NOT NULL,
    PRIMARY KEY (account, span, start)
);

-- How far each gateway's journal has been carried here.
CREATE TABLE ledger_positions (
    instance TEXT PRIMARY KEY,
    segment BIGINT NOT NULL,
    place BIGINT NOT NULL
);

-- One line for each request, as LiteLLM's LiteLLM_SpendLogs has it. May be purged; the ledger may not.
CREATE TABLE spend_logs (
    request_id TEXT PRIMARY KEY,
    call_type TEXT NOT NULL,
    status TEXT NOT NULL,
    spend BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    first_content_at BIGINT,
    api_key TEXT,
    model TEXT NOT NULL,
    model_id TEXT,
    model_group TEXT NOT NULL,
    provider TEXT,
    api_base TEXT,
    user_id TEXT,
    team_id TEXT,
    organization_id TEXT,
    project_id TEXT,
    end_user TEXT,
    tags TEXT NOT NULL,
    session_id TEXT,
    metadata TEXT NOT NULL
);
CREATE INDEX spend_logs_started ON spend_logs (started_at);
CREATE INDEX spend_logs_key ON spend_logs (api_key, started_at);

-- What was spent each day: by entity (user, team, organization, end user, tag, or the whole), model, provider and key.
CREATE TABLE daily_spend (
    day TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity TEXT NOT NULL,
    api_key TEXT NOT NULL,
    model TEXT NOT NULL,
    model_group TEXT NOT NULL,
    provider TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    spend BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    PRIMARY KEY (day, entity_type, entity, api_key, model, model_group, provider, endpoint)
);
