//! From the configuration as meant to how the engine tries calls.

use std::collections::HashMap;
use std::sync::Arc;

use switchboard_engine::egress::Policy;
use switchboard_engine::health::{ByClass, Failure};
use switchboard_engine::media::Media;
use switchboard_engine::settings::{Cooldown, Hedging, Service, Settings};

use crate::config::Config;
use crate::config::resolved::{Counts, Deployment, Recovery};

/// How calls are to be tried.
pub fn of(config: &Config) -> Settings {
    let (router, own) = (&config.router, &config.switchboard.recovery);
    let resilience = &router.resilience;
    let groups = resilience.model_group_retry_policy.iter().map(|(group, counts)| (group.clone(), by_class(counts)));
    Settings {
        num_retries: router.num_retries,
        retry_policy: by_class(&resilience.retry_policy),
        group_retry_policy: groups.collect(),
        retry_after: router.retry_after,
        cooldown: Cooldown {
            disabled: router.disable_cooldowns,
            time: router.cooldown_time,
            allowed_fails: router.allowed_fails,
            allowed_fails_policy: by_class(&resilience.allowed_fails_policy),
        },
        hedging: own.hedging.then(|| hedging(own)),
        early_headers_after: own.early_headers_after,
        media: media(config),
        continue_streams: own.continue_streams,
        asked_names: own.asked_names,
        tells_failures: config.general.manners.fallback_errors,
        refuses_mocks: !config.general.manners.mocks,
        told_cost: config.litellm.told_cost,
        silence: own.stream_silence_timeout,
        queue: config.switchboard.queue.with(router),
        service: Service {
            coalesce: own.coalesce_requests,
            idempotency_ttl: own.idempotency_ttl,
            idempotency_bytes: own.idempotency_max_bytes,
        },
        repairs: config.litellm.repairs,
        forwarding: Some(&config.general.forwarding).filter(|said| !said.is_idle()).cloned().map(Arc::new),
    }
}

/// Whether that deployment has no breaker: where the operator says how much it bears, or that it never rests.
pub(super) fn unbroken(named: &Deployment, config: &Config) -> bool {
    let (limits, router) = (&named.limits, &config.router);
    let policies = [&limits.allowed_fails_policy, &router.resilience.allowed_fails_policy];
    router.disable_cooldowns
        || limits.cooldown_time.or(router.cooldown_time).is_some_and(|time| time.is_zero())
        || limits.allowed_fails.or(router.allowed_fails).is_some()
        || policies.into_iter().any(|policy| by_class(policy).get(Failure::Server).is_some())
}

/// How media at URLs are fetched, with the authorities that are trusted for providers.
fn media(config: &Config) -> Option<Media> {
    let own = Some(&config.switchboard.media).filter(|own| own.fetch)?;
    let policy = Policy {
        only: own.hosts.clone(),
        ports: own.ports.clone(),
        plain: own.allow_http,
        internal: own.private_hosts.clone(),
        redirects: own.max_redirects,
        bytes: own.max_bytes,
        time: own.timeout,
        // A file that cannot be read has stopped the start.
        extra_roots: config.switchboard.upstream.ca_file.as_deref().and_then(|file| std::fs::read(file).ok()),
        hosts: HashMap::new(),
    };
    Some(Media::new(policy, own.max_urls, own.max_bytes_in_flight))
}

fn hedging(own: &Recovery) -> Hedging {
    let default = Hedging::default();
    Hedging { least: own.hedge_after.unwrap_or(default.least), unknown: own.hedge_after }
}

pub(super) fn by_class(counts: &Counts) -> ByClass {
    let mut numbers = ByClass::default();
    for (stem, number) in counts {
        // The configuration knows the same classes; a stem that is none was reported when it was read.
        numbers.set(stem, *number);
    }
    numbers
}
