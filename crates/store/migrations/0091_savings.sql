-- What requests whose model was chosen for them cost, and what the reference model would have cost, each day.
CREATE TABLE daily_savings (
    day TEXT NOT NULL,
    api_key TEXT NOT NULL,
    team_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    model_group TEXT NOT NULL,
    model TEXT NOT NULL,
    reference TEXT NOT NULL,
    requests BIGINT NOT NULL,
    spend BIGINT NOT NULL,
    reference_spend BIGINT NOT NULL,
    PRIMARY KEY (day, api_key, team_id, user_id, model_group, model, reference)
);
