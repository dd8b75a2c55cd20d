//! `switchboard`: the gateway's own settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use switchboard_engine::guidance::Strategy;
use switchboard_engine::route::virtual_model::VirtualModel;

use super::alerting::AlertSettings;
use super::general::General;
use super::limits::LimitSettings;
use super::media::MediaSettings;
use super::metrics::OwnMetrics;
use super::queue::QueueSettings;
use super::resilience::Recovery;
use super::virtual_model::TargetPlace;
use super::{experiment, preset, routing, smart, virtual_model};
use crate::config::diagnostic::Location;
use crate::config::environment::Environment;
use crate::config::fields::{Fields, Reader};
use crate::config::keys::{Kind, Section};
use crate::config::load::Overrides;
use crate::config::secret::Secret;
use crate::config::yaml::Node;
use crate::edge::Address;

/// The gateway's own settings.
#[derive(Clone, Debug, PartialEq)]
pub struct SwitchboardSettings {
    /// Addresses to listen on; at least one.
    pub listen: Vec<Listen>,
    /// Certificate of the gateway. `None`: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Something in front of the gateway ends TLS.
    pub behind_tls_proxy: bool,
    /// Origins whose pages may call models; `*` is any. None: any where a key is asked for, else those of this machine.
    pub cors_origins: Vec<String>,
    /// Threads that serve requests; at least one.
    pub workers: u32,
    /// Whether to listen beside a gateway of the same user that is about to end. Said on the command line alone.
    pub takeover: bool,
    /// Bounds on what clients may send.
    pub limits: ClientLimits,
    /// Bounds on how long clients may take.
    pub timeouts: ClientTimeouts,
    /// Connections to providers.
    pub upstream: UpstreamSettings,
    /// Whether OpenRouter's catalogue is told to whoever asks.
    pub public_catalog: bool,
    /// How changes are noticed.
    pub reload: ReloadSettings,
    /// How requests wait where there is no capacity.
    pub queue: QueueSettings,
    /// How alerts are told.
    pub alerts: AlertSettings,
    /// Media at URLs.
    pub media: MediaSettings,
    /// Further model cards, laid over the embedded ones. `None`: only those.
    pub catalog: Option<PathBuf>,
    /// Where files are kept that the gateway makes itself. `None`: it makes none, and remembers nothing.
    pub data_dir: Option<PathBuf>,
    /// What is done about slow and broken answers.
    pub recovery: Recovery,
    /// Strategy for requests in OpenRouter's manner. `None`: the engine's own.
    pub openrouter_strategy: Option<Strategy>,
    /// Wait that is good enough. `None`: near the best.
    pub latency_goal: Option<Duration>,
    /// Names that stand for several models.
    pub virtual_models: Vec<VirtualModel>,
    /// Where their targets stand.
    pub virtual_targets: Vec<TargetPlace>,
    /// What limits there are beside those of keys and teams.
    pub limit_rules: LimitSettings,
    /// What is counted for Prometheus.
    pub metrics: OwnMetrics,
    /// Routing by what requests say.
    pub smart: switchboard_engine::smart::Settings,
    /// Settings that requests may name.
    pub presets: Vec<crate::preset::Preset>,
    /// Names that stand for several models, to find out which does best.
    pub experiments: Vec<std::sync::Arc<switchboard_engine::experiment::Experiment>>,
}

/// An address to listen on, and where it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: Address,
    /// Where it was chosen.
    pub at: Location,
}

/// Files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file with the certificate chain.
    pub certificate_file: PathBuf,
    /// PEM file with the private key.
    pub private_key_file: PathBuf,
    /// PEM file with the authorities of client certificates. `None`: none is asked for.
    pub client_ca_file: Option<PathBuf>,
    /// Whether a client may have no certificate where authorities are named.
    pub client_optional: bool,
}

/// Bounds on what clients may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Largest request body.
    pub max_body_bytes: u64,
    /// Most bytes of all request bodies in memory at once.
    pub max_body_bytes_in_flight: u64,
    /// Largest request head.
    pub max_header_bytes: u64,
    /// Most header lines.
    pub max_headers: u32,
    /// Most connections at a time.
    pub max_connections: u32,
    /// Most requests at a time. `None`: no limit.
    pub max_requests_in_flight: Option<u32>,
    /// Most memory of the whole process. `None`: no limit.
    pub max_memory_bytes: Option<u64>,
}

/// Bounds on how long clients may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// For the request head to arrive.
    pub header_read: Duration,
    /// For the request body to arrive.
    pub body_read: Duration,
    /// For a client to take the next bytes of an answer.
    pub write: Duration,
    /// For an idle connection to stay open.
    pub keep_alive: Duration,
    /// For the TLS handshake.
    pub tls_handshake: Duration,
    /// For requests to finish after a stop signal.
    pub drain: Duration,
}

/// Connections to providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// For a connection, TLS included.
    pub connect_timeout: Duration,
    /// For the next bytes of a streamed answer.
    pub stream_idle_timeout: Duration,
    /// For an idle connection to be kept.
    pub pool_idle_timeout: Duration,
    /// Idle connections kept per provider and worker.
    pub max_idle_connections_per_host: u32,
    /// Further authorities to trust. `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// The certificate chain that is shown. `None`: none.
    pub client_certificate_file: Option<PathBuf>,
    /// Its key. `None`: it stands in the same file.
    pub client_key_file: Option<PathBuf>,
    /// Proxy to use, perhaps with a password in it. `None`: none.
    pub proxy_url: Option<Secret>,
}

/// How changes of the configuration are noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadSettings {
    /// Whether they are.
    pub enabled: bool,
    /// How often the files are looked at.
    pub poll_interval: Duration,
}

const DEFAULT_PORT: u16 = 4000;

impl SwitchboardSettings {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        node: Option<&Node>,
        general: &General,
        environment: &Environment,
        overrides: &Overrides,
    ) -> SwitchboardSettings {
        let fields = reader.section(Section::Switchboard, node);
        let from_environment = environment.get_non_empty("NUM_WORKERS").and_then(|text| text.trim().parse().ok());
        let workers = overrides.workers.or_else(|| fields.count("workers")).or(from_environment).filter(|count| *count > 0);
        let (virtual_models, virtual_targets) = virtual_model::read_all(reader, fields.list("virtual_models"));
        SwitchboardSettings {
            listen: listen(reader, &fields, environment, (overrides, general)),
            tls: overrides.tls.clone().or_else(|| tls(reader, fields.node("tls"))),
            behind_tls_proxy: fields.flag("behind_tls_proxy").unwrap_or(false),
            cors_origins: origins(fields.texts("cors_origins"), environment),
            public_catalog: fields.flag("public_catalog").unwrap_or(false),
            workers: workers.unwrap_or_else(processors),
            takeover: overrides.takeover,
            limits: ClientLimits::read(reader, fields.node("limits"), general),
            timeouts: ClientTimeouts::read(reader, fields.node("timeouts")),
            upstream: UpstreamSettings::read(reader, fields.node("upstream"), environment),
            reload: ReloadSettings::read(reader, fields.node("reload")),
            alerts: AlertSettings::read(reader, fields.node("alerts"), environment),
            queue: QueueSettings::read(reader, fields.node("queue")),
            media: MediaSettings::read(reader, fields.node("media")),
            data_dir: fields
                .text("data_dir")
                .or_else(|| environment.get_non_empty("SWITCHBOARD_DATA_DIR").map(str::to_owned))
                .map(PathBuf::from)
                .or_else(|| overrides.data_dir.clone().filter(|_| general.master_key.is_some())),
            recovery: Recovery::read(reader, &fields),
            catalog: fields
                .text("catalog")
                .or_else(|| environment.get_non_empty("SWITCHBOARD_CATALOG").map(str::to_owned))
                .map(PathBuf::from),
            openrouter_strategy: routing::openrouter_strategy(reader, &fields),
            latency_goal: fields.milliseconds("latency_goal_ms"),
            virtual_models,
            virtual_targets,
            limit_rules: LimitSettings::read(reader, &fields, general),
            metrics: OwnMetrics::read(&fields),
            smart: smart::read(reader, &fields),
            presets: preset::read_all(reader, fields.list("presets")),
            experiments: experiment::read_all(reader, fields.list("experiments")),
        }
    }
}

/// Those of the file, or else of the environment.
fn origins(said: Vec<String>, environment: &Environment) -> Vec<String> {
    if !said.is_empty() {
        return said;
    }
    let said = environment.get_non_empty("LITELLM_CORS_ORIGINS").unwrap_or_default();
    said.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(str::to_owned).collect()
}

fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

/// Command line, then file, then `HOST` and `PORT`, then port 4000 of this machine only; in a container, where nobody could reach that,
/// of all its addresses, if a master key says who may ask.
fn listen(
    reader: &mut Reader<'_>,
    fields: &Fields,
    environment: &Environment,
    (overrides, general): (&Overrides, &General),
) -> Vec<Listen> {
    let at = Location::environment();
    if let Some(path) = &overrides.uds {
        return vec![Listen { address: Address::Unix(path.clone()), at }];
    }
    let overridden = overrides.host.is_some() || overrides.port.is_some();
    let written = fields.node("listen").filter(|_| !overridden);
    if let Some(node) = written {
        let single = std::slice::from_ref(node);
        let items = node.as_list().unwrap_or(single);
        let listen: Vec<Listen> = items.iter().filter_map(|item| listen_on(reader, item)).collect();
        if listen.is_empty() && items.is_empty() {
            reader.found.error(&node.at, "`switchboard.listen` is empty", "write `listen: 127.0.0.1:4000`");
        }
        if !listen.is_empty() {
            return listen;
        }
    }
    let usual = if overrides.contained && general.master_key.is_some() { "0.0.0.0" } else { "127.0.0.1" };
    let host = overrides.host.as_deref().or_else(|| environment.get_non_empty("HOST")).unwrap_or(usual);
    let ip = host_address(host).unwrap_or_else(|| {
        let message = format!("`{host}` is not an address to listen on");
        let (at, setting) = match overrides.host {
            Some(_) => (Location::whole("command line"), "write `--host` with"),
            None => (at.clone(), "set HOST to"),
        };
        reader.found.error(&at, message, format!("{setting} `127.0.0.1`, `0.0.0.0` or `::`"));
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    });
    let port = overrides.port.or_else(|| {
        let text = environment.get_non_empty("PORT")?;
        let port = text.trim().parse().ok();
        if port.is_none() {
            reader.found.error(&at, "`PORT` must be a number from 0 to 65535", "set PORT to `4000`");
        }
        port
    });
    vec![Listen { address: Address::Tcp(SocketAddr::new(ip, port.unwrap_or(DEFAULT_PORT))), at }]
}

fn listen_on(reader: &mut Reader<'_>, node: &Node) -> Option<Listen> {
    let text = crate::config::keys::text(node).unwrap_or_default().trim();
    let address = text.parse().ok().or_else(|| {
        let (host, port) = text.rsplit_once(':')?;
        Some(Address::Tcp(SocketAddr::new(host_address(host)?, port.parse().ok()?)))
    });
    if address.is_none() {
        let hint = "write an address and a port, such as `127.0.0.1:4000` or `\"[::]:4000\"`, or `unix:/path`";
        reader.found.error(&node.at, "`switchboard.listen` is not an address", hint);
    }
    Some(Listen { address: address?, at: node.at.clone() })
}

fn host_address(host: &str) -> Option<IpAddr> {
    match host.trim() {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        host => host.trim_matches(['[', ']']).parse().ok(),
    }
}

fn tls(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<TlsFiles> {
    let node = node?;
    let fields = reader.section(Section::Tls, Some(node));
    let client_ca_file = fields.text("client_ca_file").map(PathBuf::from);
    let client_optional = match fields.text("client_certificate").as_deref() {
        None | Some("required") => false,
        Some("optional") => true,
        Some(_) => {
            let hint = "write `client_certificate: required` or `client_certificate: optional`";
            reader.found.error(&node.at, "`switchboard.tls.client_certificate` is neither `required` nor `optional`", hint);
            false
        }
    };
    match (fields.text("certificate_file"), fields.text("private_key_file")) {
        (Some(certificate), Some(key)) => {
            Some(TlsFiles { certificate_file: certificate.into(), private_key_file: key.into(), client_ca_file, client_optional })
        }
        (None, None) if node.as_map().is_none_or(|map| map.entries.is_empty()) => None,
        _ => {
            let hint = "set both `certificate_file` and `private_key_file`";
            reader.found.error(&node.at, "`switchboard.tls` is incomplete", hint);
            None
        }
    }
}

/// A value that must not be zero.
fn positive<T: PartialEq + Default>(reader: &mut Reader<'_>, fields: &Fields, name: &str, value: Option<T>, default: T) -> T {
    match value {
        Some(value) if value == T::default() => {
            if let Some(node) = fields.node(name) {
                reader.found.error(&node.at, format!("`{name}` must be more than 0"), Kind::Count.example(name));
            }
            default
        }
        Some(value) => value,
        None => default,
    }
}

fn millis(reader: &mut Reader<'_>, fields: &Fields, name: &str, default: u64) -> Duration {
    positive(reader, fields, name, fields.milliseconds(name), Duration::from_millis(default))
}

impl ClientLimits {
    /// Most requests at a time.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.max_requests_in_flight.map_or(usize::MAX, |bound| bound as usize)
    }

    fn read(reader: &mut Reader<'_>, node: Option<&Node>, general: &General) -> ClientLimits {
        let fields = reader.section(Section::Limits, node);
        let body = general.max_request_bytes.unwrap_or(32 << 20);
        let memory = fields.integer("max_memory_bytes").filter(|bytes| *bytes > 0);
        let bodies = memory.map_or(512 << 20, |memory| (memory / 4).min(512 << 20));
        ClientLimits {
            max_body_bytes: positive(reader, &fields, "max_body_bytes", fields.integer("max_body_bytes"), body),
            max_body_bytes_in_flight: positive(
                reader,
                &fields,
                "max_body_bytes_in_flight",
                fields.integer("max_body_bytes_in_flight"),
                bodies,
            ),
            max_header_bytes: positive(reader, &fields, "max_header_bytes", fields.integer("max_header_bytes"), 64 << 10),
            max_headers: positive(reader, &fields, "max_headers", fields.count("max_headers"), 100),
            max_connections: positive(reader, &fields, "max_connections", fields.count("max_connections"), 10_000),
            max_requests_in_flight: fields.count("max_requests_in_flight").filter(|count| *count > 0),
            max_memory_bytes: memory,
        }
    }
}

impl ClientTimeouts {
    fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> ClientTimeouts {
        let fields = reader.section(Section::Timeouts, node);
        ClientTimeouts {
            header_read: millis(reader, &fields, "header_read_ms", 10_000),
            body_read: millis(reader, &fields, "body_read_ms", 60_000),
            write: millis(reader, &fields, "write_ms", 60_000),
            keep_alive: millis(reader, &fields, "keep_alive_ms", 75_000),
            tls_handshake: millis(reader, &fields, "tls_handshake_ms", 10_000),
            drain: fields.milliseconds("drain_ms").unwrap_or(Duration::from_secs(30)),
        }
    }
}

impl UpstreamSettings {
    fn read(reader: &mut Reader<'_>, node: Option<&Node>, environment: &Environment) -> UpstreamSettings {
        let fields = reader.section(Section::Upstream, node);
        let proxy = ["HTTPS_PROXY", "https_proxy"].into_iter().find_map(|name| environment.get_non_empty(name));
        UpstreamSettings {
            connect_timeout: millis(reader, &fields, "connect_timeout_ms", 5_000),
            stream_idle_timeout: millis(reader, &fields, "stream_idle_timeout_ms", 120_000),
            pool_idle_timeout: millis(reader, &fields, "pool_idle_timeout_ms", 60_000),
            max_idle_connections_per_host: fields.count("max_idle_connections_per_host").unwrap_or(64),
            ca_file: fields.text("ca_file").map(PathBuf::from),
            client_certificate_file: fields.text("client_certificate_file").map(PathBuf::from),
            client_key_file: fields.text("client_key_file").map(PathBuf::from),
            proxy_url: fields.secret("proxy_url").or_else(|| proxy.map(Secret::new)),
        }
    }
}

impl ReloadSettings {
    fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> ReloadSettings {
        let fields = reader.section(Section::Reload, node);
        ReloadSettings {
            enabled: fields.flag("enabled").unwrap_or(true),
            poll_interval: millis(reader, &fields, "poll_interval_ms", 2_000),
        }
    }
}
