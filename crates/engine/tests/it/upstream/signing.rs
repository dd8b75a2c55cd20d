//! Credentials against token endpoints on loopback.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rsa::KeyPair as RsaKeyPair;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use switchboard_engine::sign::aws::{Aws, Endpoints, Profile, Source as AwsSource};
use switchboard_engine::sign::azure::{Application, managed_identity};
use switchboard_engine::sign::oci::Oci;
use switchboard_engine::sign::token::{Source, Tokens, databricks, watsonx};
use switchboard_engine::sign::{Auth, Clock, Lookup, Secret, SignError, Signer, gcp};
use switchboard_engine::upstream::{Credential, DialFault, Phase, Upstream};
use tokio::io::AsyncWriteExt;

use super::server::{Server, header, ok, read_request};
use super::{client, get, plain, post, soon};

/// For tests alone; it opens nothing.
const RSA_KEY: &str = include_str!("test_rsa_key.pem");

/// Requests an endpoint has seen, head and body.
pub(crate) type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// An endpoint that answers every path in `answers` and remembers what it was asked.
pub(crate) async fn endpoint(answers: &[(&'static str, &str)]) -> (Server, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let answers: HashMap<_, _> = answers.iter().map(|(path, body)| (*path, ok(body))).collect();
    let answers = Arc::new(answers);
    let server = Server::start(move |mut stream, _| {
        let (seen, answers) = (Arc::clone(&noted), Arc::clone(&answers));
        async move {
            while let Some((head, body)) = read_request(&mut stream).await {
                let path = head.split(' ').nth(1).unwrap().to_owned();
                let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned();
                let answer = answers.get(path.as_str()).unwrap_or(&missing).clone();
                seen.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (server, seen)
}

/// An endpoint that issues `t0`, `t1`, … each good for an hour.
async fn issuer() -> (Server, Arc<AtomicUsize>) {
    let issued = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&issued);
    let server = Server::start(move |mut stream, _| {
        let issued = Arc::clone(&counted);
        async move {
            while read_request(&mut stream).await.is_some() {
                let number = issued.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                let body = format!(r#"{{"access_token":"t{number}","expires_in":3600}}"#);
                stream.write_all(ok(&body).as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (server, issued)
}

/// A clock that stands at `seconds` since 1970, and its hand.
pub(crate) fn clock(seconds: u64) -> (Clock, Arc<AtomicU64>) {
    let hand = Arc::new(AtomicU64::new(seconds));
    let shown = Arc::clone(&hand);
    let clock: Clock = Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(shown.load(Ordering::SeqCst)));
    (clock, hand)
}

/// What a signer puts into the header `name` of a POST.
pub(crate) async fn signed(auth: Auth, name: &str) -> Result<String, SignError> {
    let server = Server::answering(ok("")).await;
    let signer = Signer::new(plain(server.address), auth);
    signed_by(&signer, &client(), name).await
}

async fn signed_by(signer: &Signer, upstream: &Upstream, name: &str) -> Result<String, SignError> {
    let mut request = post("127.0.0.1:1".parse().unwrap());
    request.origin = signer.origin().clone();
    soon(signer.sign(upstream, &mut request)).await?;
    if let Some(credential) = &request.credential {
        credential.attach(&request.origin, &mut request.headers).unwrap();
    }
    let value = request.headers.get(name).unwrap();
    Ok(value.to_str().unwrap().to_owned())
}

fn service_account(token_url: &str) -> String {
    serde_json::json!({
        "type": "service_account",
        "client_email": "robot@project.example",
        "private_key": RSA_KEY,
        "private_key_id": "k1",
        "token_uri": token_url,
    })
    .to_string()
}

fn verify_rsa(message: &str, signature: &[u8]) {
    let der = PrivatePkcs8KeyDer::from_pem_slice(RSA_KEY.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref()).verify(message.as_bytes(), signature).unwrap();
}

#[tokio::test]
async fn static_keys_become_headers_and_parameters() {
    let key = Secret::from("k ey");
    let bearer = signed(Auth::bearer(&key).unwrap(), "authorization").await;
    assert_eq!(bearer.unwrap(), "Bearer k ey");
    let header = signed(Auth::header("x-api-key", &key).unwrap(), "x-api-key").await;
    assert_eq!(header.unwrap(), "k ey");
    let scheme = signed(Auth::scheme("Token", &key).unwrap(), "authorization").await;
    assert_eq!(scheme.unwrap(), "Token k ey");
    let mut request = get("127.0.0.1:1".parse().unwrap());
    let signer = Signer::new(request.origin.clone(), Auth::query("key", key));
    signer.sign(&client(), &mut request).await.unwrap();
    assert_eq!(request.path_and_query, "/?key=k%20ey");
    assert!(Auth::bearer(&Secret::from("line\nbreak")).is_err());
}

#[tokio::test]
async fn a_credential_goes_only_to_its_origin() {
    let (server, seen) = endpoint(&[("/", "here")]).await;
    let signer = Signer::new(plain("127.0.0.1:1".parse().unwrap()), Auth::bearer(&"hidden".into()).unwrap());
    let mut request = get(server.address);
    let refused = signer.sign(&client(), &mut request).await;
    assert!(matches!(refused, Err(SignError::WrongOrigin)));
    // Nor does the client send one that was put there by other means.
    let mut own = get("127.0.0.1:1".parse().unwrap());
    signer.sign(&client(), &mut own).await.unwrap();
    let credential: Option<Credential> = own.credential;
    request.credential = credential;
    let error = soon(client().send(request)).await.err().unwrap();
    assert_eq!((error.phase(), error.fault()), (Phase::Send, DialFault::Policy));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_service_account_signs_for_its_token() {
    let answer = r#"{"access_token":"ya29","expires_in":3599,"token_type":"Bearer"}"#;
    let (server, seen) = endpoint(&[("/token", answer)]).await;
    let url = format!("http://{}/token", server.address);
    let tokens = gcp::from_file(&service_account(&url), &environment(&[]), clock(1_000_000).0).unwrap();
    let value = signed(Auth::Token(tokens), "authorization").await.unwrap();
    assert_eq!(value, "Bearer ya29");
    let seen = seen.lock().unwrap();
    let [(_, body)] = &seen[..] else { unreachable!("one request") };
    let assertion = body.strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=").unwrap();
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    verify_rsa(message, &URL_SAFE_NO_PAD.decode(signature).unwrap());
    let (head, claims) = message.split_once('.').unwrap();
    let read = |part: &str| -> serde_json::Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    assert_eq!(read(head)["kid"], "k1");
    let claims = read(claims);
    assert_eq!(claims["iss"], "robot@project.example");
    assert_eq!(claims["aud"], url);
    assert_eq!(claims["iat"], 1_000_000);
    assert_eq!(claims["exp"], 1_003_600);
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_before_it_ends() {
    let (server, issued) = issuer().await;
    let url = format!("http://{}/token", server.address);
    let (clock, hand) = clock(1_000_000);
    let tokens = gcp::from_file(&service_account(&url), &environment(&[]), clock).unwrap();
    let origin = plain("127.0.0.1:1".parse().unwrap());
    let signer = Arc::new(Signer::new(origin, Auth::Token(tokens)));
    let upstream = Arc::new(client());
    let ask = || async { signed_by(&signer, &upstream, "authorization").await.unwrap() };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (signer, upstream) = (Arc::clone(&signer), Arc::clone(&upstream));
        tasks.spawn(async move { signed_by(&signer, &upstream, "authorization").await.unwrap() });
    }
    let values = soon(tasks.join_all()).await;
    assert!(values.iter().all(|value| value == "Bearer t0"), "{values:?}");
    assert_eq!(issued.load(Ordering::SeqCst), 1);
    hand.fetch_add(3200, Ordering::SeqCst);
    assert_eq!(ask().await, "Bearer t0");
    // Inside the margin it is renewed.
    hand.fetch_add(200, Ordering::SeqCst);
    assert_eq!(ask().await, "Bearer t1");
    signer.forget();
    assert_eq!(ask().await, "Bearer t2");
    // When the endpoint is gone, the ageing token still serves, and an ended one does not.
    drop(server);
    hand.fetch_add(3400, Ordering::SeqCst);
    assert_eq!(ask().await, "Bearer t2");
    hand.fetch_add(300, Ordering::SeqCst);
    let error = signed_by(&signer, &upstream, "authorization").await.unwrap_err();
    assert!(matches!(error, SignError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn googles_other_sources_are_asked_their_way() {
    let answer = r#"{"access_token":"ya29","expires_in":3599}"#;
    let (server, seen) = endpoint(&[("/token", answer), ("/metadata", answer)]).await;
    let base = format!("http://{}", server.address);
    let user = serde_json::json!({
        "type": "authorized_user", "client_id": "c", "client_secret": "s",
        "refresh_token": "r", "token_uri": format!("{base}/token"), "quota_project_id": "p",
    });
    let clock = clock(0).0;
    let tokens = gcp::from_file(&user.to_string(), &environment(&[]), Arc::clone(&clock)).unwrap();
    let project = signed(Auth::Token(tokens), "x-goog-user-project").await.unwrap();
    assert_eq!(project, "p");
    let tokens = gcp::from_metadata(&format!("{base}/metadata"), clock);
    let value = signed(Auth::Token(tokens), "authorization").await.unwrap();
    assert_eq!(value, "Bearer ya29");
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].1, "grant_type=refresh_token&client_id=c&client_secret=s&refresh_token=r");
    assert_eq!(header(&seen[1].0, "metadata-flavor"), Some("Google"));
}

#[tokio::test]
async fn other_tokens_are_asked_their_way() {
    let number = r#"{"access_token":"at","expires_in":3599}"#;
    let text = r#"{"access_token":"at","expires_in":"3599"}"#;
    let managed = "/msi?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=u";
    let (server, seen) =
        endpoint(&[("/tenant/oauth2/v2.0/token", number), ("/identity/token", number), ("/oidc/v1/token", number), (managed, text)]).await;
    let base = format!("http://{}", server.address);
    let application = Application {
        authority: base.clone(),
        tenant: "tenant".into(),
        client_id: "c".into(),
        scope: "https://cognitiveservices.azure.com/.default".into(),
    };
    let federated = write_file("azure", " jwt\n");
    let sources: Vec<Source> = vec![
        application.with_secret("s".into()),
        application.with_federated_token(federated),
        managed_identity(&format!("{base}/msi"), &application.scope, Some("u")),
        watsonx(&format!("{base}/identity/token"), "k".into()),
        databricks(&format!("{base}/oidc/v1/token"), "c", "s".into()),
    ];
    for source in sources {
        let tokens = Tokens::new(source, clock(0).0);
        let value = signed(Auth::Token(tokens), "authorization").await.unwrap();
        assert_eq!(value, "Bearer at");
    }
    let seen = seen.lock().unwrap();
    let scope = "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default";
    let start = format!("grant_type=client_credentials&client_id=c&{scope}");
    assert_eq!(seen[0].1, format!("{start}&client_secret=s"));
    assert!(seen[1].1.ends_with("jwt-bearer&client_assertion=jwt"), "{}", seen[1].1);
    assert_eq!(header(&seen[2].0, "metadata"), Some("true"));
    assert!(seen[3].1.ends_with("grant-type%3Aapikey&apikey=k"), "{}", seen[3].1);
    let basic = format!("Basic {}", STANDARD.encode("c:s"));
    assert_eq!(header(&seen[4].0, "authorization"), Some(basic.as_str()));
}

#[tokio::test]
async fn a_refusing_token_endpoint_is_named() {
    let (server, _) = endpoint(&[("/odd", "no json")]).await;
    let base = format!("http://{}", server.address);
    let ask = async |path: &str| {
        let tokens = Tokens::new(watsonx(&format!("{base}{path}"), "k".into()), clock(0).0);
        signed(Auth::Token(tokens), "authorization").await.unwrap_err()
    };
    assert!(matches!(ask("/missing").await, SignError::Refused(404)));
    assert!(matches!(ask("/odd").await, SignError::Unreadable));
}

pub(crate) fn write_file(name: &str, text: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("switchboard-{}-{name}", std::process::id()));
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn an_oracle_signature_covers_the_body() {
    let oci = Oci::new("ten", "usr", "fp", RSA_KEY, clock(0).0).unwrap();
    let origin = plain("127.0.0.1:1".parse().unwrap());
    let signer = Signer::new(origin, Auth::Oci(oci));
    let value = signed_by(&signer, &client(), "authorization").await.unwrap();
    assert!(value.starts_with(r#"Signature version="1",keyId="ten/usr/fp",algorithm="rsa-sha256""#));
    let hash = ring::digest::digest(&ring::digest::SHA256, b"one two");
    let text = format!(
        "date: Thu, 01 Jan 1970 00:00:00 GMT\n(request-target): post /\nhost: 127.0.0.1:1\n\
         content-length: 7\ncontent-type: application/json\nx-content-sha256: {}",
        STANDARD.encode(hash)
    );
    let (_, signature) = value.trim_end_matches('"').rsplit_once("signature=\"").unwrap();
    verify_rsa(&text, &STANDARD.decode(signature).unwrap());
}

pub(crate) fn environment(variables: &[(&'static str, String)]) -> Lookup {
    let variables: HashMap<_, _> = variables.iter().cloned().collect();
    Arc::new(move |name| variables.get(name).cloned())
}

/// The engine is a library for multi-threaded programs too.
#[test]
fn futures_may_cross_threads() {
    fn crosses<T: Send>(_: &T) {}
    fn shared<T: Send + Sync>(_: &T) {}
    let upstream = client();
    shared(&upstream);
    let mut request = get("127.0.0.1:1".parse().unwrap());
    crosses(&upstream.send(request.clone()));
    let aws = Aws::new(
        "r",
        "s",
        AwsSource::Chain { environment: environment(&[]), profile: Profile::default(), endpoints: Endpoints::of_region("r") },
        clock(0).0,
    );
    let signer = Signer::new(request.origin.clone(), Auth::Aws(aws));
    shared(&signer);
    crosses(&signer.sign(&upstream, &mut request));
}
