//! Media at URLs, fetched for providers that take only bytes.

use std::time::Duration;

use crate::config::fields::Reader;
use crate::config::keys::{Kind, Section};
use crate::config::yaml::Node;

/// How media at URLs are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSettings {
    /// Whether they are.
    pub fetch: bool,
    /// The only hosts that may be asked. `None`: any public one.
    pub hosts: Option<Vec<String>>,
    /// Hosts that may be asked although their addresses are not public.
    pub private_hosts: Vec<String>,
    /// Ports that may be asked.
    pub ports: Vec<u16>,
    /// Whether plain `http` may be.
    pub allow_http: bool,
    /// How many redirects are followed.
    pub max_redirects: u8,
    /// Most URLs of one request.
    pub max_urls: usize,
    /// Most bytes of one.
    pub max_bytes: u64,
    /// Most bytes of all in memory at once.
    pub max_bytes_in_flight: u64,
    /// Longest time for one.
    pub timeout: Duration,
}

impl MediaSettings {
    pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> Self {
        let fields = reader.section(Section::Media, node);
        let allow_http = fields.flag("allow_http").unwrap_or(false);
        let mut ports = Vec::new();
        for item in fields.list("ports") {
            match crate::config::keys::text(item).and_then(|text| text.trim().parse().ok()) {
                Some(port) => ports.push(port),
                None => reader.found.error(&item.at, "`ports` holds what is no port", Kind::List.example("ports")),
            }
        }
        if fields.list("ports").is_empty() {
            ports = if allow_http { vec![443, 80] } else { vec![443] };
        }
        Self {
            fetch: fields.flag("fetch").unwrap_or(true),
            hosts: fields.node("hosts").map(|_| fields.texts("hosts")),
            private_hosts: fields.texts("private_hosts"),
            ports,
            allow_http,
            max_redirects: fields.count("max_redirects").map_or(3, |count| u8::try_from(count).unwrap_or(u8::MAX)),
            max_urls: fields.count("max_urls").unwrap_or(20) as usize,
            max_bytes: fields.integer("max_bytes").unwrap_or(20 << 20),
            max_bytes_in_flight: fields.integer("max_bytes_in_flight").unwrap_or(256 << 20),
            timeout: fields.milliseconds("timeout_ms").unwrap_or(Duration::from_secs(10)),
        }
    }
}
