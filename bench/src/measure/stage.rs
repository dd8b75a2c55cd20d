//! What stands on the machine during a run: the mock, the two subjects, a folder for their files.

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::Options;
use super::child::{Child, pinned};
use crate::Outcome;

/// The key every client sends; the gateway's master key, long enough to pass for one.
pub(super) const KEY: &str = "sk-bench-3f7c1a95e2d84b60a1c9d7e5f3b28460";

/// A key with budgets and limits that are never used up.
pub(super) const BUDGETED: &str = "sk-bench-b7d05a639f2c4e81d4c3b2a190f8e7d6";

const READY_PATIENCE: Duration = Duration::from_secs(60);

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Bare,
    Gateway,
    /// The gateway without keys, and so without books.
    Open,
    /// The gateway with books, there.
    Keeping(Books),
}

/// Where a gateway keeps its books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Books {
    /// In a file of its own.
    File,
    /// In the PostgreSQL of the options, and limits in its Redis.
    Servers,
}

/// What a subject runs under.
#[derive(Debug, Clone)]
pub(super) enum Wrap {
    Plain,
    /// Callgrind, which writes its count to this file at the end.
    Callgrind(PathBuf),
}

/// A subject that answers.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
    /// From before its start to its first answer.
    pub(super) started_in: Duration,
}

/// The mock and the folder, for the length of a run.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) options: &'a Options,
    pub(super) own: PathBuf,
    pub(super) folder: PathBuf,
    mock: SocketAddr,
    models: RefCell<Vec<&'static str>>,
    secure: RefCell<Option<Secure>>,
    _mock: Child,
}

/// A mock that is asked over HTTP/2, for one model.
#[derive(Debug)]
struct Secure {
    model: &'static str,
    mock: SocketAddr,
    certificate: PathBuf,
    _child: Child,
}

impl<'a> Stage<'a> {
    /// Starts the mock and makes the folder.
    pub(super) fn open(options: &'a Options) -> Outcome<Self> {
        if options.gateway != "bare" && !Path::new(&options.gateway).is_file() {
            return Err(format!("no gateway at `{}`: build it first, or pass `bare`", options.gateway).into());
        }
        let own = std::env::current_exe()?;
        let folder = std::env::temp_dir().join(format!("switchboard-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (child, mock) = Child::start_server(pinned(options.load_core, &own).arg("mockup"))?;
        Ok(Self { options, own, folder, mock, models: RefCell::default(), secure: RefCell::default(), _mock: child })
    }

    /// Makes models known before a subject starts.
    pub(super) fn add_models(&self, models: &[&'static str]) {
        self.models.borrow_mut().extend(models);
    }

    /// Makes one more model known, which is asked over HTTP/2.
    pub(super) fn add_over_http2(&self, model: &'static str) -> Outcome<()> {
        let certificate = self.folder.join("mock.pem");
        let mut command = pinned(self.options.load_core, &self.own);
        let (child, mock) = Child::start_server(command.arg("mockup").arg("--certificate").arg(&certificate))?;
        self.secure.replace(Some(Secure { model, mock, certificate, _child: child }));
        Ok(())
    }

    /// Starts a subject and waits for its first answer to a chat request.
    pub(super) fn start(&self, subject: Subject, wrap: &Wrap) -> Outcome<Running> {
        let port = free_port()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = self.command(subject, wrap, port)?;
        command.current_dir(&self.folder);
        let began = Instant::now();
        let log = self.folder.join("subject.log");
        let mut child = Child::start(&mut command, &log)?;
        while let Err(reason) = first_answer(address) {
            if child.has_ended()? || began.elapsed() > READY_PATIENCE {
                let log = fs::read_to_string(&log).unwrap_or_default();
                let what = format!("{subject:?} does not answer ({reason}); its output:\n{log}");
                return Err(what.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Running { child, address, started_in: began.elapsed() })
    }

    fn command(&self, subject: Subject, wrap: &Wrap, port: u16) -> Outcome<Command> {
        let stand_in = subject == Subject::Bare || self.options.gateway == "bare";
        let program = if stand_in { self.own.clone() } else { fs::canonicalize(&self.options.gateway)? };
        let core = self.options.subject_core;
        let mut command = match wrap {
            Wrap::Plain => pinned(core, &program),
            Wrap::Callgrind(file) => {
                let mut command = pinned(core, Path::new("valgrind"));
                command.args(["--tool=callgrind", &format!("--callgrind-out-file={}", file.display())]).arg(&program);
                command
            }
        };
        if stand_in {
            command.args(["bare", "--port", &port.to_string(), "--upstream", &self.mock.to_string()]);
        } else {
            let config = self.write_config(subject)?;
            command.arg("serve").arg("--config").arg(config).args(["--port", &port.to_string(), "--workers", "1"]);
        }
        Ok(command)
    }

    fn write_config(&self, subject: Subject) -> Outcome<PathBuf> {
        let path = self.folder.join("config.yaml");
        let secure = self.secure.borrow();
        fs::write(&path, config(&self.models.borrow(), self.mock, secure.as_ref()) + &self.settings(subject))?;
        Ok(path)
    }

    fn settings(&self, subject: Subject) -> String {
        let own = format!("switchboard:\n  limits:\n    max_connections: {MOST_CONNECTIONS}\n");
        let general = format!("general_settings:\n  master_key: {KEY}\n");
        let Options { database_url, redis_url, .. } = self.options;
        match subject {
            Subject::Bare | Subject::Gateway => general + &own,
            Subject::Open => own,
            Subject::Keeping(Books::File) => format!("{general}{own}  data_dir: {}\n", self.folder.join("data").display()),
            Subject::Keeping(Books::Servers) => {
                let [database, redis] = [database_url, redis_url].map(|url| url.as_deref().unwrap_or_default());
                format!(
                    "{general}  database_url: '{database}'\nrouter_settings:\n  redis_url: '{redis}'\n{own}  data_dir: {}\n",
                    self.folder.join("servers").display()
                )
            }
        }
    }

    /// Makes the key with budgets and limits, of somebody in a team who have theirs too.
    pub(super) fn make_key(running: &Running) -> Outcome<()> {
        const TERMS: &str = "\"max_budget\":1000000,\"budget_duration\":\"30d\",\"rpm_limit\":100000000,\"tpm_limit\":100000000000";
        let team = format!("bench-{}", std::process::id());
        let wanted = [
            ("/team/new", format!("{{\"team_id\":\"{team}\",{TERMS}}}")),
            ("/user/new", format!("{{\"user_id\":\"{team}\",\"auto_create_key\":false,{TERMS}}}")),
            (
                "/key/generate",
                format!(
                    "{{\"key\":\"{BUDGETED}\",\"team_id\":\"{team}\",\"user_id\":\"{team}\",\"max_parallel_requests\":100000,{TERMS}}}"
                ),
            ),
        ];
        for (path, body) in wanted {
            succeeded(&post(running.address, path, &body)?)?;
        }
        Ok(())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// More than any measure opens.
const MOST_CONNECTIONS: u32 = 16_000;

/// The model every start is tried with.
const PROBE: &str = "mock";

fn config(models: &[&str], mock: SocketAddr, secure: Option<&Secure>) -> String {
    let mut seen = vec![PROBE];
    seen.extend(models);
    seen.sort_unstable();
    seen.dedup();
    let mut text = String::from("model_list:\n");
    for model in seen {
        // The vendors' own clients put `/v1` into the base of one and into the path of the other.
        let (provider, base) = if model.starts_with("claude") { ("anthropic", "") } else { ("openai", "/v1") };
        text.push_str(&format!(
            "  - model_name: {model}\n    litellm_params:\n      model: {provider}/{model}\n      api_base: http://{mock}{base}\n\
             \x20     api_key: sk-mock-upstream\n    model_info:\n      input_cost_per_token: 0.000001\n\
             \x20     output_cost_per_token: 0.000002\n"
        ));
    }
    if let Some(Secure { model, mock, certificate, .. }) = secure {
        text.push_str(&format!(
            "  - model_name: {model}\n    litellm_params:\n      model: openai/{model}\n      api_base: https://{mock}/v1\n\
             \x20     api_key: sk-mock-upstream\n      ssl_verify: {}\n    model_info:\n      input_cost_per_token: 0.000001\n\
             \x20     output_cost_per_token: 0.000002\n",
            certificate.display()
        ));
    }
    text
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn first_answer(address: SocketAddr) -> Result<(), String> {
    let body = format!("{{\"model\":\"{PROBE}\",\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}");
    succeeded(&post(address, "/v1/chat/completions", &body).map_err(|error| error.to_string())?)
}

fn succeeded(answer: &[u8]) -> Result<(), String> {
    if answer.starts_with(b"HTTP/1.1 200") {
        return Ok(());
    }
    Err(String::from_utf8_lossy(answer).into_owned())
}

fn post(address: SocketAddr, path: &str, body: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(100))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::config;

    #[test]
    fn the_config_names_each_model_once() {
        let text = config(&["mock-2x260", "claude-mock", "mock-2x260"], ([127, 0, 0, 1], 9).into(), None);
        assert_eq!(text.matches("model_name: mock-2x260").count(), 1);
        assert!(text.contains("model: anthropic/claude-mock\n      api_base: http://127.0.0.1:9\n"));
        assert!(text.contains("model: openai/mock\n      api_base: http://127.0.0.1:9/v1\n"));
    }
}
