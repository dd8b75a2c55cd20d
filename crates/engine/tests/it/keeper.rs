//! Secret managers on loopback, as strict as their documents say they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::HeaderName;
use serde_json::{Value, json};
use switchboard_engine::keeper::{
    Engine, HashiCorp, Keeper, KeeperError, KeyVault, Login, Reference, SecretManager, SecretsManager, Settings,
};
use switchboard_engine::sign::token::{Source, Tokens};
use switchboard_engine::sign::{Auth, Clock, Kept, Shape, Signer, aws, system_clock};
use tokio::io::AsyncWriteExt;

use crate::upstream::server::{Server, header, read_request};
use crate::upstream::{client, get, plain, soon};

/// What a scripted service answers: status and body.
type Reply = (u16, Value);

async fn service(answer: impl Fn(&str, &str, &str, &Value) -> Reply + Send + Sync + 'static) -> Server {
    let answer = Arc::new(answer);
    Server::start(move |mut stream, _| {
        let answer = Arc::clone(&answer);
        async move {
            while let Some((head, body)) = read_request(&mut stream).await {
                let mut words = head.split(' ');
                let (method, path) = (words.next().unwrap(), words.next().unwrap());
                let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
                let (status, body) = answer(method, path, &head, &body);
                let body = if body.is_null() { String::new() } else { body.to_string() };
                let reply =
                    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        }
    })
    .await
}

/// A Vault: tokens that end, one namespace, both engines. Every header it documents is insisted on.
struct FakeVault {
    secrets: Mutex<HashMap<String, Value>>,
    tokens: Mutex<Vec<String>>,
    issued: Mutex<u32>,
}

impl FakeVault {
    fn new(token: &str) -> Arc<Self> {
        Arc::new(Self { secrets: Mutex::default(), tokens: Mutex::new(vec![token.to_owned()]), issued: Mutex::default() })
    }

    fn answer(&self, method: &str, path: &str, head: &str, body: &Value) -> Reply {
        let refused = |status: u16, why: &str| (status, json!({"errors": [why]}));
        if header(head, "x-vault-request") != Some("true") {
            return refused(412, "missing request header");
        }
        if header(head, "x-vault-namespace") != Some("team-a") {
            return refused(404, "no handler for route");
        }
        let login = match path {
            "/v1/auth/approle/login" => Some(body["role_id"] == "role" && body["secret_id"] == "secret"),
            "/v1/auth/kubernetes/login" => Some(body["role"] == "gateway" && body["jwt"] == "jwt-of-the-pod"),
            _ => None,
        };
        if let Some(good) = login {
            if !good || method != "POST" {
                return refused(400, "invalid role or secret ID");
            }
            let mut issued = self.issued.lock().unwrap();
            *issued += 1;
            let token = format!("hvs.{issued}");
            *self.tokens.lock().unwrap() = vec![token.clone()];
            return (200, json!({"auth": {"client_token": token, "lease_duration": 3600, "renewable": true}}));
        }
        let token = header(head, "x-vault-token").unwrap_or_default().to_owned();
        if !self.tokens.lock().unwrap().contains(&token) {
            return refused(403, "permission denied");
        }
        let mut secrets = self.secrets.lock().unwrap();
        match method {
            "GET" => match secrets.get(path) {
                Some(held) if path.contains("/data/") => {
                    (200, json!({"data": {"data": held, "metadata": {"version": 1}}, "lease_duration": 0}))
                }
                Some(held) => (200, json!({"data": held, "lease_duration": 2764800})),
                None => refused(404, ""),
            },
            "POST" if path.contains("/data/") => {
                secrets.insert(path.to_owned(), body["data"].clone());
                (200, json!({"data": {"version": 1}}))
            }
            "POST" => {
                secrets.insert(path.to_owned(), body.clone());
                (204, Value::Null)
            }
            "DELETE" => {
                secrets.remove(&path.replace("/metadata/", "/data/"));
                (204, Value::Null)
            }
            _ => refused(405, "unsupported operation"),
        }
    }
}

fn settings(server: &Server, engine: Engine, login: Login) -> Settings {
    Settings {
        address: format!("http://{}", server.address),
        namespace: Some("team-a".to_owned()),
        mount: "kv".to_owned(),
        prefix: Some("switchboard".to_owned()),
        engine,
        login,
        transport: None,
    }
}

async fn started(vault: &Arc<FakeVault>) -> Server {
    let vault = Arc::clone(vault);
    service(move |method, path, head, body| vault.answer(method, path, head, body)).await
}

fn keeper(settings: Settings) -> Keeper {
    Keeper::HashiCorp(HashiCorp::new(settings, system_clock()).unwrap())
}

async fn reads(keeper: &Keeper, name: &str) -> Option<String> {
    soon(keeper.read(&client(), name)).await.unwrap().map(|secret| secret.reveal().to_owned())
}

#[tokio::test]
async fn vault_keeps_reads_and_forgets() {
    for (engine, path) in [(Engine::V1, "/v1/kv/switchboard/OPENAI_API_KEY"), (Engine::V2, "/v1/kv/data/switchboard/OPENAI_API_KEY")] {
        let vault = FakeVault::new("root");
        let server = started(&vault).await;
        let keeper = keeper(settings(&server, engine, Login::Token("root".into())));
        assert_eq!(reads(&keeper, "OPENAI_API_KEY").await, None);
        soon(keeper.write(&client(), "OPENAI_API_KEY", &"sk-kept".into())).await.unwrap();
        assert_eq!(vault.secrets.lock().unwrap()[path], json!({"key": "sk-kept"}), "where LiteLLM looks for it");
        assert_eq!(reads(&keeper, "OPENAI_API_KEY").await.as_deref(), Some("sk-kept"));
        vault.secrets.lock().unwrap().insert(path.replace("OPENAI_API_KEY", "team/db"), json!({"user": "me", "password": "hush"}));
        assert_eq!(reads(&keeper, "team/db#password").await.as_deref(), Some("hush"));
        assert_eq!(reads(&keeper, "team/db#other").await, None);
        assert_eq!(reads(&keeper, "team/db").await, None, "nobody knows which field is meant");
        soon(keeper.remove(&client(), "OPENAI_API_KEY")).await.unwrap();
        soon(keeper.remove(&client(), "OPENAI_API_KEY")).await.unwrap();
        assert_eq!(reads(&keeper, "OPENAI_API_KEY").await, None);
        let error = soon(keeper.read(&client(), "../../sys/seal")).await.unwrap_err();
        assert!(matches!(error, KeeperError::Name(_)), "{error}");
    }
}

#[tokio::test]
async fn vault_gives_tokens_to_roles_and_new_ones_when_they_end() {
    let folder = std::env::temp_dir().join(format!("switchboard-keeper-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("token");
    std::fs::write(&file, "jwt-of-the-pod\n").unwrap();
    let app_role = Login::AppRole { mount: "approle".into(), role_id: "role".into(), secret_id: "secret".into() };
    let kubernetes = Login::Kubernetes { mount: "kubernetes".into(), role: "gateway".into(), file };
    for login in [app_role, kubernetes] {
        let vault = FakeVault::new("nobody has this");
        let server = started(&vault).await;
        vault.secrets.lock().unwrap().insert("/v1/kv/data/switchboard/A".into(), json!({"key": "one"}));
        let keeper = keeper(settings(&server, Engine::V2, login));
        assert_eq!(reads(&keeper, "A").await.as_deref(), Some("one"));
        assert_eq!(reads(&keeper, "A").await.as_deref(), Some("one"));
        assert_eq!(*vault.issued.lock().unwrap(), 1, "one login serves many");
        vault.tokens.lock().unwrap().clear();
        assert_eq!(reads(&keeper, "A").await.as_deref(), Some("one"), "a token that ended is replaced");
        assert_eq!(*vault.issued.lock().unwrap(), 2);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let vault = FakeVault::new("root");
    let server = started(&vault).await;
    let wrong = keeper(settings(&server, Engine::V2, Login::Token("hvs.canary".into())));
    let error = soon(wrong.read(&client(), "A")).await.unwrap_err();
    assert!(matches!(error, KeeperError::Refused(403)), "{error}");
    assert!(!format!("{error} {error:?} {wrong:?}").contains("canary"));
}

#[tokio::test]
async fn aws_is_asked_with_a_signature() {
    let secrets: Arc<Mutex<HashMap<String, String>>> = Arc::default();
    let held = Arc::clone(&secrets);
    let server = service(move |method, path, head, body| {
        assert_eq!((method, path), ("POST", "/"));
        let authorization = header(head, "authorization").unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
        assert!(authorization.contains("/eu-west-1/secretsmanager/aws4_request") && authorization.contains("x-amz-target"));
        assert_eq!(header(head, "content-type"), Some("application/x-amz-json-1.1"));
        let missing = (400, json!({"__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find the specified secret."}));
        let mut held = held.lock().unwrap();
        let id = body["SecretId"].as_str().or(body["Name"].as_str()).unwrap().to_owned();
        match header(head, "x-amz-target").unwrap().strip_prefix("secretsmanager.").unwrap() {
            "GetSecretValue" => held.get(&id).map_or(missing, |text| (200, json!({"ARN": "arn:…", "Name": id, "SecretString": text}))),
            "PutSecretValue" if !held.contains_key(&id) => missing,
            "PutSecretValue" | "CreateSecret" => {
                held.insert(id, body["SecretString"].as_str().unwrap().to_owned());
                (200, json!({}))
            }
            "DeleteSecret" => held.remove(&id).map_or(missing, |_| (200, json!({}))),
            other => panic!("{other}"),
        }
    })
    .await;
    let keys = aws::Keys { access_key: "AKIDEXAMPLE".into(), secret_key: "hush".into(), session_token: None };
    let endpoint = format!("http://{}", server.address);
    let keeper = SecretsManager::new("eu-west-1", Some(&endpoint), aws::Source::Static(keys), system_clock()).unwrap();
    holds_and_forgets(&Keeper::Aws(keeper)).await;
}

/// What every keeper does.
async fn holds_and_forgets(keeper: &Keeper) {
    assert_eq!(reads(keeper, "OPENAI_KEY").await, None);
    soon(keeper.write(&client(), "OPENAI_KEY", &"sk-one".into())).await.unwrap();
    soon(keeper.write(&client(), "OPENAI_KEY", &r#"{"a": "sk-two"}"#.into())).await.unwrap();
    assert_eq!(reads(keeper, "OPENAI_KEY#a").await.as_deref(), Some("sk-two"));
    soon(keeper.remove(&client(), "OPENAI_KEY")).await.unwrap();
    soon(keeper.remove(&client(), "OPENAI_KEY")).await.unwrap();
    assert_eq!(reads(keeper, "OPENAI_KEY").await, None);
}

/// Tokens as a cloud's endpoint issues them.
async fn tokens() -> (Server, Tokens) {
    let server = service(|_, _, _, _| (200, json!({"access_token": "ya29.token", "expires_in": 3600}))).await;
    let url = format!("http://{}/metadata/token", server.address);
    (server, Tokens::new(Source::Get { url, headers: http::HeaderMap::new() }, system_clock()))
}

#[tokio::test]
async fn google_is_asked_with_a_token() {
    let held: Arc<Mutex<HashMap<String, Option<String>>>> = Arc::default();
    let server = service(move |method, path, head, body| {
        assert_eq!(header(head, "authorization"), Some("Bearer ya29.token"));
        let missing = (404, json!({"error": {"code": 404, "status": "NOT_FOUND"}}));
        let rest = path.strip_prefix("/v1/projects/my-project/secrets").expect("the project");
        let mut held = held.lock().unwrap();
        match (method, rest) {
            ("POST", "?secretId=OPENAI_KEY") => {
                assert_eq!(body["replication"]["automatic"], json!({}));
                held.insert("OPENAI_KEY".into(), None);
                (200, json!({}))
            }
            ("POST", "/OPENAI_KEY:addVersion") if held.contains_key("OPENAI_KEY") => {
                held.insert("OPENAI_KEY".into(), Some(body["payload"]["data"].as_str().unwrap().to_owned()));
                (200, json!({}))
            }
            ("GET", "/OPENAI_KEY/versions/latest:access") => match held.get("OPENAI_KEY") {
                Some(Some(data)) => {
                    (200, json!({"name": "projects/1/secrets/OPENAI_KEY/versions/1", "payload": {"data": data, "dataCrc32c": "1"}}))
                }
                _ => missing,
            },
            ("DELETE", "/OPENAI_KEY") => held.remove("OPENAI_KEY").map_or(missing, |_| (200, json!({}))),
            ("POST", "/OPENAI_KEY:addVersion") => missing,
            other => panic!("{other:?}"),
        }
    })
    .await;
    let (_tokens_server, tokens) = tokens().await;
    let keeper = SecretManager::new("my-project", Some(&format!("http://{}", server.address)), tokens).unwrap();
    holds_and_forgets(&Keeper::Gcp(keeper)).await;
}

#[tokio::test]
async fn azure_is_asked_with_a_token_and_names_without_underscores() {
    let held: Arc<Mutex<Option<String>>> = Arc::default();
    let server = service(move |method, path, head, body| {
        assert_eq!(header(head, "authorization"), Some("Bearer ya29.token"));
        assert_eq!(path, "/secrets/OPENAI-KEY?api-version=7.4");
        let missing = (404, json!({"error": {"code": "SecretNotFound"}}));
        let mut held = held.lock().unwrap();
        match method {
            "PUT" => {
                *held = Some(body["value"].as_str().unwrap().to_owned());
                (200, json!({"value": *held, "id": "https://…"}))
            }
            "GET" => held.as_ref().map_or(missing, |text| (200, json!({"value": text, "id": "https://…"}))),
            "DELETE" => held.take().map_or(missing, |_| (200, json!({}))),
            other => panic!("{other}"),
        }
    })
    .await;
    let (_tokens_server, tokens) = tokens().await;
    let keeper = KeyVault::new(&format!("http://{}", server.address), tokens).unwrap();
    holds_and_forgets(&Keeper::Azure(keeper)).await;
}

/// Row 24 of the failures: after a 401 the source of the key is read again, and not more often than it can bear.
#[tokio::test]
async fn a_key_that_is_refused_is_read_again() {
    let vault = FakeVault::new("root");
    let server = started(&vault).await;
    let put = |text: &str| vault.secrets.lock().unwrap().insert("/v1/kv/data/switchboard/A".into(), json!({"key": text}));
    put("sk-first");
    let keeper = Arc::new(keeper(settings(&server, Engine::V2, Login::Token("root".into()))));
    let reference = Reference::Kept(keeper, "A".into());
    let now = Arc::new(Mutex::new(SystemTime::now()));
    let shown = Arc::clone(&now);
    let clock: Clock = Arc::new(move || *shown.lock().unwrap());
    let first = soon(reference.read(&client())).await.unwrap();
    let provider = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let signer = Signer::new(plain(provider.address), Auth::Kept(Kept::new(Shape::Scheme("Bearer".into()), first, reference, clock)));
    let shows = async || {
        let mut request = get(provider.address);
        soon(signer.sign(&client(), &mut request)).await.unwrap();
        let mut headers = http::HeaderMap::new();
        request.credential.unwrap().attach(&request.origin, &mut headers).unwrap();
        headers["authorization"].to_str().unwrap().to_owned()
    };
    assert_eq!(shows().await, "Bearer sk-first");
    put("sk-second");
    assert_eq!(shows().await, "Bearer sk-first", "nobody has refused it");
    signer.forget();
    assert_eq!(shows().await, "Bearer sk-second");
    put("sk-third");
    signer.forget();
    assert_eq!(shows().await, "Bearer sk-second", "it was read a moment ago");
    *now.lock().unwrap() += Duration::from_secs(11);
    assert_eq!(shows().await, "Bearer sk-third");
    // Where the source is away, the key at hand goes on being shown.
    vault.tokens.lock().unwrap().clear();
    signer.forget();
    *now.lock().unwrap() += Duration::from_secs(11);
    assert_eq!(shows().await, "Bearer sk-third");
}

#[tokio::test]
async fn a_key_in_a_file_is_read_again_too() {
    let file = std::env::temp_dir().join(format!("switchboard-kept-{}", std::process::id()));
    std::fs::write(&file, "sk-first\n").unwrap();
    let reference = Reference::File(file.clone());
    let first = soon(reference.read(&client())).await.unwrap();
    assert_eq!(first.reveal(), "sk-first");
    let provider = Server::answering("").await;
    let shape = Shape::Header(HeaderName::from_static("x-api-key"));
    let signer = Signer::new(plain(provider.address), Auth::Kept(Kept::new(shape, first, reference, system_clock())));
    std::fs::write(&file, "sk-second\n").unwrap();
    signer.forget();
    let mut request = get(provider.address);
    soon(signer.sign(&client(), &mut request)).await.unwrap();
    let mut headers = http::HeaderMap::new();
    request.credential.unwrap().attach(&request.origin, &mut headers).unwrap();
    assert_eq!(headers["x-api-key"], "sk-second");
    assert!(!format!("{signer:?}").contains("sk-"));
    std::fs::remove_file(&file).unwrap();
}
