//! Keys of the gateway's own section, `switchboard`. Every duration and size carries its unit in the name.

use super::Kind::{Count, Flag, Integer, List, Map, Secret, Text, Texts};
use super::{Key, honoured};

pub(super) const KEYS: &[Key] = &[
    honoured(
        "listen",
        Texts,
        "Addresses to listen on; `127.0.0.1:4000` unless `HOST` or `PORT` say otherwise, `0.0.0.0:4000` in a container if there is a master \
         key. `unix:/path` is a unix socket, to which its owner and its group may connect (mode 0660).",
    ),
    honoured("tls", Map, "Certificate of the gateway."),
    honoured("behind_tls_proxy", Flag, "Something in front of the gateway ends TLS."),
    honoured(
        "cors_origins",
        Texts,
        "Origins whose pages may call models and read the answers, `*` for any; what `LITELLM_CORS_ORIGINS` says unless said, else any \
         where a key is asked for and those of this machine where none is. LiteLLM's management API answers no page but the gateway's own.",
    ),
    honoured(
        "public_catalog",
        Flag,
        "Tell whoever asks in OpenRouter's manner (`/api/v1/models`, `…/endpoints`), without a key too, which models there are, who serves \
         them, with what limits and at what price; what was measured, and which models teams have to themselves, is told to nobody \
         without a key. False unless said.",
    ),
    honoured("workers", Count, "Threads that serve requests; one per processor unless said."),
    honoured("limits", Map, "Bounds on what clients may send."),
    honoured("timeouts", Map, "Bounds on how long clients may take."),
    honoured("upstream", Map, "Connections to providers."),
    honoured("reload", Map, "How changes of the configuration are noticed."),
    honoured("media", Map, "Images, documents and sound at URLs, fetched for providers that take only bytes."),
    honoured("queue", Map, "How requests wait where a limit or every deployment is used up, instead of being refused at once."),
    honoured("alerts", Map, "How webhooks are told; what is told, and to whom, say `alerting`, `alert_types` and `alerting_args`."),
    honoured("latency_goal_ms", Integer, "Wait that the strategy `switchboard` keeps to where it can; near the best unless said."),
    honoured("openrouter_routing_strategy", Text, "Strategy for requests in OpenRouter's manner; `switchboard` unless said."),
    honoured(
        "virtual_models",
        List,
        "Names that stand for several models, in TrueFoundry's form: `{name, slug, alias, routing_config: {type, sticky_routing, \
         classification_strategy, load_balance_targets}}`, or a manifest with `integrations`.",
    ),
    honoured(
        "auto",
        Map,
        "What `auto`, `switchboard/auto` and `openrouter/auto` stand for: `{models: {simple, standard, complex, reasoning}}`, each a \
         name, `{model, params}` or a list of them, by the prices of all models unless said; also `names`, `default_model`, \
         `allowed_models` and `excluded_models` (with `*`), `max_prompt_usd_per_million`, `max_completion_usd_per_million`, \
         `sticky_seconds` (3600 unless said, 0: none), `boundaries`, `weights`, `keyword_rules: [{keywords, tier}]`, `enabled`, \
         `reference_model` (what savings are counted against; the first choice for `reasoning` unless said), and `classifier`: \
         `{model, timeout_ms, instructions}` asks a model for the tier, `{embedding_model, timeout_ms, examples: {simple: [...], ...}, \
         threshold}` compares with examples; where no answer comes in time (800 ms unless said) the gateway tells by itself.",
    ),
    honoured(
        "presets",
        List,
        "Settings of requests that callers name by `@preset/slug`, in OpenRouter's way: `{slug, system_prompt, model, models, provider, \
         temperature, tools, ...}`. What a request says itself wins. Presets of the database come first.",
    ),
    honoured(
        "experiments",
        List,
        "Names that stand for several models, to find out which does best: `{name, model, arms: [{model, name, weight, params}]}`; also \
         `sticky_by` (`session`, `user`, `key`, `request`, `header:NAME`, or several of them; the first three unless said), `traffic` \
         (share of callers that take part), `adapt: {goal: {quality, cost, latency}, every_seconds, floor, max_step, min_samples, \
         confidence, tolerance, max_seconds, promote}` (shifts shares to the arm that does best; needs a database), `shadows: [{model, \
         share, judge, charge_caller, max_concurrent}]` (copies of requests whose answers reach nobody).",
    ),
    honoured(
        "content_rules",
        List,
        "Which content may go where: `[{classes, labels}]`. A request that holds one of the classes (`email`, `phone`, `credit_card`, \
         `iban`, `ssn`, `secret`, `medical`, `financial`, …, or `*`) goes only to deployments with one of the labels.",
    ),
    honoured(
        "data_dir",
        Text,
        "Directory for files that the gateway makes itself: its SQLite database, where `database_url` names no other, and the pepper of \
         its keys. `SWITCHBOARD_DATA_DIR` unless said; `switchboard serve` with a master key takes `$XDG_DATA_HOME/switchboard`.",
    ),
    honoured(
        "catalog",
        Text,
        "File with further model cards, as `switchboard catalog update` writes it; `SWITCHBOARD_CATALOG` unless said.",
    ),
    honoured(
        "budgets_without_database",
        Text,
        "What becomes of budgets that gateways share while PostgreSQL does not answer and what they leased is spent: `closed` (the \
         default: 503), an amount in US dollars that each gateway may spend beyond that in one outage, reckoned by what calls may \
         cost at most, or `open` (as much as was left when it last answered).",
    ),
    honoured(
        "limits_without_redis",
        Text,
        "What becomes of limits that gateways share while Redis does not answer: `local_share` (the default: each gateway keeps to its \
         part, by how many have met there or, where they share a PostgreSQL, are heard of in it), `closed` or `open`.",
    ),
    honoured(
        "limit_rules",
        List,
        "Limits and budgets by rule, in TrueFoundry's form: `{id, when: {subjects, models, metadata}, limit_to, unit, \
         rate_limit_applies_per}`, manifests with `rules`, or `{name, when, limits, applies_to, mode}`. Every rule that a request matches \
         holds for it.",
    ),
    honoured("metrics", Flag, "Count for Prometheus, and show it at `/metrics`; true unless said."),
    honoured(
        "metrics_max_label_sets",
        Count,
        "Most sets of labels that are counted apart; 10000 unless said. What has no room is counted together, with the label `other`.",
    ),
    honoured(
        "hedging",
        Flag,
        "Ask a second deployment when the first one is slower than 95 of 100 of its answers were, and take the first answer. Both may be \
         charged. A request's header `x-switchboard-hedge` says otherwise.",
    ),
    honoured(
        "hedge_after_ms",
        Integer,
        "Least time before a second deployment is asked; 50 unless said. If it is said, it also holds where nothing is known of the \
         first one, which else is waited for.",
    ),
    honoured(
        "early_headers_after_ms",
        Integer,
        "Send the headers of a stream after so long without content, and keep-alive comments; what fails after that is an error event. \
         Not at all unless said.",
    ),
    honoured(
        "continue_streams",
        Flag,
        "Let another deployment continue a plain text that breaks off. A request's header `x-switchboard-continue` says otherwise.",
    ),
    honoured(
        "answer_with_asked_model",
        Flag,
        "Name the model in answers as it was asked for, also where they would pass byte for byte with the provider's name for it.",
    ),
    honoured("stream_silence_timeout_ms", Integer, "For a stream to send nothing but keep-alives; 300000 unless said."),
    honoured(
        "coalesce_requests",
        Flag,
        "Let identical requests of one key that are under way at once share one request to the provider. A request's header \
         `x-switchboard-coalesce` says otherwise.",
    ),
    honoured(
        "idempotency_ttl_ms",
        Integer,
        "For answers to requests with an `Idempotency-Key` to be kept; 600000 unless said, 0: not at all.",
    ),
    honoured("idempotency_max_bytes", Integer, "Most bytes of such answers in memory; 67108864 unless said."),
    honoured(
        "idempotency_store",
        Text,
        "Where such answers are kept beside memory, sealed where there is a key to seal with: `memory` (nowhere else), `database`, `redis`, or `auto`: in Redis where \
         one is configured, else in the database where there is one.",
    ),
];

pub(super) const TLS: &[Key] = &[
    honoured("certificate_file", Text, "PEM file with the certificate chain."),
    honoured("private_key_file", Text, "PEM file with the private key."),
    honoured("client_ca_file", Text, "PEM file with the authorities of client certificates; with it, a client without one is refused."),
    honoured("client_certificate", Text, "`required`, or `optional`: a client without a certificate is let in; `required` unless said."),
];

pub(super) const LIMITS: &[Key] = &[
    honoured("max_body_bytes", Integer, "Largest request body; 33554432 unless said."),
    honoured(
        "max_body_bytes_in_flight",
        Integer,
        "Most bytes of all request bodies in memory at once; 536870912 unless said, but a quarter of `max_memory_bytes` at most. Further requests get 503.",
    ),
    honoured("max_header_bytes", Integer, "Largest request head; 65536 unless said."),
    honoured("max_headers", Count, "Most header lines; 100 unless said, and the fastest at that."),
    honoured(
        "max_connections",
        Count,
        "Most client connections at a time; 10000 unless said, and never all the descriptors there are. Those that ask for nothing give way to new ones.",
    ),
    honoured("max_requests_in_flight", Count, "Most requests served at a time; no limit unless said."),
    honoured(
        "max_memory_bytes",
        Integer,
        "Most memory of the whole process; no limit unless said. At 85 % of it idle connections are closed, at 92 % bodies above 64 KiB are refused, at 95 % all but a few calls at a time (503).",
    ),
];

pub(super) const TIMEOUTS: &[Key] = &[
    honoured("header_read_ms", Integer, "For the request head to arrive; 10000 unless said."),
    honoured("body_read_ms", Integer, "For the request body to arrive; 60000 unless said."),
    honoured("write_ms", Integer, "For a client to take the next bytes of an answer; 60000 unless said."),
    honoured("keep_alive_ms", Integer, "For an idle connection to stay open; 75000 unless said."),
    honoured("tls_handshake_ms", Integer, "For the TLS handshake; 10000 unless said."),
    honoured("drain_ms", Integer, "For requests to finish after a stop signal; 30000 unless said."),
];

pub(super) const UPSTREAM: &[Key] = &[
    honoured("connect_timeout_ms", Integer, "For a connection to a provider, TLS included; 5000 unless said."),
    honoured("stream_idle_timeout_ms", Integer, "For the next bytes of a streamed answer; 120000 unless said."),
    honoured("pool_idle_timeout_ms", Integer, "For an idle connection to a provider to be kept; 60000 unless said."),
    honoured("max_idle_connections_per_host", Count, "Idle connections kept per provider and worker; 64 unless said."),
    honoured("ca_file", Text, "PEM file with further authorities to trust."),
    honoured("client_certificate_file", Text, "PEM file with the certificate chain that is shown to providers that ask for one."),
    honoured("client_key_file", Text, "PEM file with its key; the same file unless said."),
    honoured("proxy_url", Secret, "Proxy for connections to providers; `HTTPS_PROXY` unless said."),
];

pub(super) const RELOAD: &[Key] = &[
    honoured("enabled", Flag, "Use a changed configuration without a restart; true unless said."),
    honoured("poll_interval_ms", Integer, "How often the files are looked at; 2000 unless said."),
];

pub(super) const QUEUE: &[Key] = &[
    honoured(
        "enabled",
        Flag,
        "`true`: every request waits; `false`: none does. Unless said, those that name a `priority` (0 to 255, lower first; in the body, \
         or as `x-litellm-priority`), and all of them with `router_settings.default_priority`.",
    ),
    honoured("max_wait_ms", Integer, "Longest wait; 30000 unless said, and never longer than the request's own `timeout`."),
    honoured("max_waiting", Integer, "Most requests that wait; 1000 unless said. The tenant with most of them gives way first."),
    honoured(
        "strict_priority",
        Flag,
        "Let priorities come before the turns of tenants (teams, and keys without one). Unless said, tenants take turns, and priorities \
         decide within a tenant.",
    ),
];

pub(super) const ALERTS: &[Key] = &[
    honoured(
        "webhook_secret",
        Secret,
        "Secret that webhooks are signed with, as `x-switchboard-signature: t=…,v1=…`; `SWITCHBOARD_WEBHOOK_SECRET` unless said.",
    ),
    honoured("private_hosts", Texts, "Hosts that may be told although their addresses are not public, as `name` or `.suffix`."),
    honoured("timeout_ms", Integer, "Longest time for one attempt to tell; 5000 unless said."),
    honoured("max_attempts", Count, "Most attempts to tell; 4 unless said, with growing pauses."),
    honoured("key_expiry_hours", Count, "How many hours before a key expires that is told; 24 unless said."),
    honoured("max_queued", Count, "Most alerts that wait to be told; 1000 unless said. What has no room is counted and dropped."),
];

pub(super) const MEDIA: &[Key] = &[
    honoured("fetch", Flag, "Whether media at URLs are fetched at all; true unless said. Providers that look up URLs get the URL."),
    honoured("hosts", Texts, "The only hosts that may be asked, as `name` or `.suffix`; any public one unless said."),
    honoured("private_hosts", Texts, "Hosts that may be asked although their addresses are not public, as `name` or `.suffix`."),
    honoured("ports", List, "Ports that may be asked; `[443]` unless said, and 80 with `allow_http`."),
    honoured("allow_http", Flag, "Whether plain `http` may be asked."),
    honoured("max_redirects", Count, "How many redirects are followed, each judged like the first URL; 3 unless said."),
    honoured("max_urls", Count, "Most URLs fetched for one request; 20 unless said."),
    honoured("max_bytes", Integer, "Most bytes of one of them; 20971520 unless said."),
    honoured("max_bytes_in_flight", Integer, "Most bytes of all media in memory at once; 268435456 unless said."),
    honoured("timeout_ms", Integer, "Longest time for one of them; 10000 unless said."),
];
