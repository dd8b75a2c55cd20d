//! AWS's shared files: keys, roles, sign-ins and programs, by profile.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::HeaderMap;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde::Deserialize;

use super::aws_credentials::{Endpoints, Found, Keys, SESSION, Source, ending, lasting};
use super::cached::Expiring;
use super::token::{get, read_file};
use super::{Lookup, Secret, SignError, encode, secret_value, time};
use crate::upstream::Upstream;

/// How long a program may take to give keys.
const PATIENCE: Duration = Duration::from_secs(30);
/// A program's answer is at most this long.
const LONGEST: u64 = 64 << 10;

/// AWS's shared files.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// `~/.aws/credentials`
    pub credentials_file: Option<PathBuf>,
    /// `~/.aws/config`
    pub config_file: Option<PathBuf>,
    /// `~/.aws/sso/cache`, where `aws sso login` leaves its tokens.
    pub sign_ins: Option<PathBuf>,
    /// The section; `None` means `default`.
    pub name: Option<String>,
}

/// What `aws sso login` leaves.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignIn {
    access_token: String,
    expires_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Portal {
    role_credentials: PortalKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortalKeys {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// In milliseconds.
    expiration: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: u64,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// The texts of the files, and what the profile's section is called in each.
type Sections = Vec<(String, String)>;

impl Profile {
    /// The role the section names, with the keys of its `source_profile`. The environment's own keys come first.
    pub(super) fn role(&self, environment: &Lookup, region: &str, endpoints: &Endpoints) -> Result<Option<Source>, SignError> {
        let web = environment("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
        if web || environment("AWS_ACCESS_KEY_ID").is_some() {
            return Ok(None);
        }
        for (text, section) in self.sections()? {
            let value = |key| entry(&text, &section, key).map(str::to_owned);
            let (Some(role), Some(source)) = (value("role_arn"), value("source_profile")) else {
                continue;
            };
            let named = Self { name: Some(source), ..self.clone() };
            return Ok(Some(Source::Role {
                base: Box::new(Source::Profile(named, endpoints.clone())),
                role,
                external_id: value("external_id"),
                session: value("role_session_name").unwrap_or_else(|| SESSION.to_owned()),
                region: region.to_owned(),
                endpoints: endpoints.clone(),
            }));
        }
        Ok(None)
    }

    /// The section's keys, or those of its sign-in or its program; `None` where no file says anything of it.
    pub(super) async fn fetch(&self, upstream: &Upstream, endpoints: &Endpoints, now: SystemTime) -> Result<Option<Found>, SignError> {
        let sections = self.sections()?;
        if let Some(found) = self.signed_in(upstream, endpoints, (&sections, now)).await? {
            return Ok(Some(found));
        }
        if let Some(keys) = keys(&sections) {
            return Ok(Some(lasting(keys)));
        }
        if let Some(command) = value(&sections, "credential_process") {
            return printed(command).await.map(Some);
        }
        match &self.name {
            Some(_) => Err(SignError::Missing("the AWS profile has no keys")),
            None => Ok(None),
        }
    }

    /// Keys of the role that the section's sign-in may take.
    async fn signed_in(
        &self,
        upstream: &Upstream,
        endpoints: &Endpoints,
        (sections, now): (&Sections, SystemTime),
    ) -> Result<Option<Found>, SignError> {
        let (Some(account), Some(role)) = (value(sections, "sso_account_id"), value(sections, "sso_role_name")) else {
            return Ok(None);
        };
        let (key, region) = match value(sections, "sso_session") {
            Some(session) => {
                let section = format!("sso-session {session}");
                let region = sections.iter().find_map(|(text, _)| entry(text, &section, "sso_region"));
                (session, region)
            }
            None => {
                let url = value(sections, "sso_start_url").ok_or(SignError::Missing("the AWS profile has no `sso_start_url`"))?;
                (url, value(sections, "sso_region"))
            }
        };
        let region = region.ok_or(SignError::Missing("nothing tells the `sso_region` of the AWS profile"))?;
        let token = self.sign_in(key, now)?;
        let portal = endpoints.portal.clone().unwrap_or_else(|| portal(region));
        let url = format!("{portal}/federation/credentials?role_name={}&account_id={}", encode::percent(role), encode::percent(account));
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-sso_bearer_token", secret_value(token.reveal())?);
        let answer: Portal = serde_json::from_slice(&get(upstream, &url, headers).await?).map_err(|_| SignError::Unreadable)?;
        let given = answer.role_credentials;
        let keys = Keys {
            access_key: given.access_key_id,
            secret_key: given.secret_access_key.into(),
            session_token: given.session_token.map(Secret::from),
        };
        let expires = given.expiration.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at)));
        Ok(Some(Expiring { value: keys, expires }))
    }

    /// The token of a sign-in: its file is named by the digest of the session's name, or of the start URL.
    fn sign_in(&self, key: &str, now: SystemTime) -> Result<Secret, SignError> {
        let again = SignError::Missing("the AWS sign-in is missing or over; run `aws sso login`");
        let folder = self.sign_ins.as_ref().ok_or_else(|| again.clone())?;
        let name = hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()).as_ref());
        let text = match read_file(&folder.join(format!("{name}.json"))) {
            Ok(text) => text,
            Err(SignError::File(error)) if error.kind() == std::io::ErrorKind::NotFound => return Err(again),
            Err(error) => return Err(error),
        };
        let kept: SignIn = serde_json::from_str(&text).map_err(|_| SignError::Malformed("the AWS sign-in's file cannot be read"))?;
        let ends = time::read_rfc3339(&kept.expires_at).ok_or(SignError::Malformed("the AWS sign-in's file cannot be read"))?;
        if ends <= now { Err(again) } else { Ok(kept.access_token.into()) }
    }

    /// The files' texts and what the profile's section is called in each.
    fn sections(&self) -> Result<Sections, SignError> {
        let name = self.name.as_deref().unwrap_or("default");
        let mut sections = Vec::new();
        let exists = |file: &&PathBuf| file.exists();
        if let Some(file) = self.credentials_file.as_ref().filter(exists) {
            sections.push((read_file(file)?, name.to_owned()));
        }
        if let Some(file) = self.config_file.as_ref().filter(exists) {
            let text = read_file(file)?;
            sections.push((text.clone(), format!("profile {name}")));
            sections.push((text, name.to_owned()));
        }
        Ok(sections)
    }
}

fn portal(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://portal.sso.{region}.{domain}")
}

fn value<'a>(sections: &'a Sections, key: &str) -> Option<&'a str> {
    sections.iter().find_map(|(text, section)| entry(text, section, key))
}

fn keys(sections: &Sections) -> Option<Keys> {
    sections.iter().find_map(|(text, section)| {
        let value = |key| entry(text, section, key);
        Some(Keys {
            access_key: value("aws_access_key_id")?.to_owned(),
            secret_key: value("aws_secret_access_key")?.into(),
            session_token: value("aws_session_token").map(Secret::from),
        })
    })
}

/// Keys that a program prints. It runs on a thread of its own, and not for long.
async fn printed(command: &str) -> Result<Found, SignError> {
    let words = words(command).ok_or(SignError::Malformed("the `credential_process` cannot be split into words"))?;
    let ran = tokio::task::spawn_blocking(move || run(&words)).await;
    let output = ran.map_err(|_| SignError::Unreadable)??;
    let printed: Printed = serde_json::from_slice(&output).map_err(|_| SignError::Unreadable)?;
    if printed.version != 1 {
        return Err(SignError::Malformed("the `credential_process` speaks another version than 1"));
    }
    let keys = Keys {
        access_key: printed.access_key_id,
        secret_key: printed.secret_access_key.into(),
        session_token: printed.session_token.map(Secret::from),
    };
    ending(keys, printed.expiration.as_deref())
}

fn run(words: &[String]) -> Result<Vec<u8>, SignError> {
    let failed = |error| SignError::File(Arc::new(error));
    let (program, arguments) = words.split_first().ok_or(SignError::Malformed("the `credential_process` is empty"))?;
    let mut command = Command::new(Path::new(program));
    let mut child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(failed)?;
    let output = child.stdout.take();
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map(|output| std::io::Read::read_to_end(&mut std::io::Read::take(output, LONGEST), &mut bytes));
        read.transpose().map(|_| bytes)
    });
    let ended = wait(&mut child).map_err(failed)?;
    let bytes = reading.join().map_err(|_| SignError::Unreadable)?.map_err(failed)?;
    if ended { Ok(bytes) } else { Err(SignError::Missing("the `credential_process` failed")) }
}

/// Whether the program succeeded in time. One that does not end is ended.
fn wait(child: &mut Child) -> std::io::Result<bool> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The words of a command line, with quotes and backslashes as in a shell, and nothing else of one.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (end, Some(begun)) if end == begun => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().push(letters.next()?),
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (space, None) if space.is_whitespace() => words.extend(word.take()),
            (other, _) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// One entry of one section of an INI file.
fn entry<'a>(text: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = name.trim() == section;
        } else if inside
            && let Some((found, value)) = line.split_once('=')
            && found.trim() == key
        {
            return Some(value.trim());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        let of = |line| words(line).unwrap();
        assert_eq!(of(r#"  "/opt/my tool" --a 'b "c"' d\ e "" "#), ["/opt/my tool", "--a", "b \"c\"", "d e", ""]);
        assert_eq!(of("$(rm) ; x | y"), ["$(rm)", ";", "x", "|", "y"], "it is no shell");
        assert_eq!(words("a 'b"), None);
    }

    #[test]
    fn sections_are_kept_apart() {
        let text = "[default]\na = 1\n# b = 3\n[profile other]\nb=2\n";
        assert_eq!(entry(text, "default", "a"), Some("1"));
        assert_eq!(entry(text, "default", "b"), None);
        assert_eq!(entry(text, "profile other", "b"), Some("2"));
    }
}
