//! A gateway in this process, and a client that asks it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use switchboard_server::config::{Environment, Loaded, Loader, Overrides, Source, Watch};
use switchboard_server::live::Applied;
use switchboard_server::log::RequestLog;
use switchboard_server::reload::Reload;
use switchboard_server::serve::{Gate, loader};

/// A running gateway. Dropped, it stops; [`TestApp::stop`] also gives its log.
pub(crate) struct TestApp {
    gate: Option<Gate>,
    address: SocketAddr,
    log: Written,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request to be made.
pub(crate) struct Ask<'a> {
    app: &'a TestApp,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl TestApp {
    /// Of that configuration.
    pub(crate) fn of(yaml: &str) -> Self {
        Self::with(yaml, &[])
    }

    /// Of that configuration, in that environment.
    pub(crate) fn with(yaml: &str, variables: &[(&str, &str)]) -> Self {
        Self::start(Source::Text { name: "config.yaml".to_owned(), text: yaml.to_owned() }, variables)
    }

    /// Of that file, in its present state.
    pub(crate) fn of_file(path: &Path) -> Self {
        Self::start(Source::File(path.to_owned()), &[])
    }

    /// Of that configuration, on so many threads.
    pub(crate) fn on_threads(yaml: &str, workers: u32) -> Self {
        let source = Source::Text { name: "config.yaml".to_owned(), text: yaml.to_owned() };
        let overrides = Overrides { host: Some("127.0.0.1".to_owned()), port: Some(0), workers: Some(workers), ..Overrides::default() };
        Self::loaded(loader(source, overrides, Environment::from_iter(std::iter::empty::<(&str, &str)>())).load())
    }

    /// Of that configuration, at that port.
    pub(crate) fn at_port(yaml: &str, port: u16) -> Self {
        let source = Source::Text { name: "config.yaml".to_owned(), text: yaml.to_owned() };
        let overrides = Overrides { host: Some("127.0.0.1".to_owned()), port: Some(port), workers: Some(1), ..Overrides::default() };
        Self::loaded(loader(source, overrides, Environment::from_iter(std::iter::empty::<(&str, &str)>())).load())
    }

    fn start(source: Source, variables: &[(&str, &str)]) -> Self {
        Self::loaded(loader_of(source, variables).load())
    }

    fn loaded(loaded: Loaded) -> Self {
        let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics));
        let log = Written::default();
        let (recorder, writer) = RequestLog::start(log.clone()).expect("a log");
        let gate = Gate::start(config, Arc::new(recorder), Some(writer)).expect("the gateway starts");
        let address = gate.addresses().first().expect("an address").rsplit_once("//").expect("a URL").1.parse().expect("an address");
        Self { gate: Some(gate), address, log }
    }

    /// Follows that file from now on.
    pub(crate) fn follow(&mut self, path: &Path, tell: impl Fn(&Reload, Option<&Applied>) + Send + 'static) {
        let loader = loader_of(Source::File(path.to_owned()), &[]);
        let loaded = loader.load();
        let watch = Watch::new(loader, &loaded);
        let tell = move |outcome: &Reload, applied: Option<Result<Applied, _>>| tell(outcome, applied.and_then(Result::ok).as_ref());
        self.gate.as_mut().expect("running").follow(watch, tell).expect("followed");
    }

    pub(crate) fn gate(&self) -> &Gate {
        self.gate.as_ref().expect("running")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        let method = method.parse().expect("a method");
        Ask { app: self, method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path).send()
    }

    /// Stops, and gives what was written to the log.
    pub(crate) fn stop(mut self) -> String {
        self.gate.take().expect("running").stop().expect("stopped");
        let written = self.log.0.lock().expect("lock");
        String::from_utf8(written.clone()).expect("text")
    }
}

/// What loading that configuration says.
pub(crate) fn load(yaml: &str) -> Loaded {
    loader_of(Source::Text { name: "config.yaml".to_owned(), text: yaml.to_owned() }, &[]).load()
}

fn loader_of(source: Source, variables: &[(&str, &str)]) -> Loader {
    let overrides = Overrides { host: Some("127.0.0.1".to_owned()), port: Some(0), workers: Some(1), ..Overrides::default() };
    loader(source, overrides, Environment::from_iter(variables.iter().copied()))
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.stop().expect("stopped");
        }
    }
}

impl Ask<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn send(self) -> Reply {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answered = async {
            let stream = tokio::net::TcpStream::connect(self.app.address).await.expect("connected");
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
            let driver = tokio::spawn(connection);
            let mut request = Request::builder().method(self.method).uri(self.path);
            if !self.headers.iter().any(|(name, _)| name == "host") {
                request = request.header("host", self.app.address.to_string());
            }
            for (name, value) in self.headers {
                request = request.header(name, value);
            }
            let request = request.body(Full::new(self.body)).expect("a request");
            let (parts, body) = sender.send_request(request).await.expect("an answer").into_parts();
            let body = body.collect().await.expect("a whole answer").to_bytes();
            drop(sender);
            // The server may close first; what it said is read.
            let _ = driver.await;
            Reply { status: parts.status, headers: parts.headers, body }
        };
        // Nothing a gateway does takes so long: what hangs fails, and does not keep everybody waiting.
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), answered).await.expect("an answer in time") })
    }
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// What was written, shared with who writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A folder of its own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("switchboard-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes beside and renames, as careful editors do.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, beside) = (self.path(name), self.path(&format!("{name}.new")));
        std::fs::write(&beside, text).expect("written");
        std::fs::rename(&beside, &path).expect("renamed");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("removed");
    }
}

/// Waits until that holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
