//! An identity provider on loopback: its keys, its tokens, and who its people are.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

pub(crate) const CLIENT: &str = "switchboard";
pub(crate) const SECRET: &str = "a secret: 100 % / &";

/// What the provider does and knows.
#[derive(Default)]
pub(crate) struct State {
    /// Asked for keys so often.
    pub(crate) key_asks: usize,
    /// Answers nothing.
    pub(crate) down: bool,
    /// Codes that may be redeemed: the challenge they were asked with, and what the tokens say.
    pub(crate) codes: HashMap<String, (String, Value)>,
    /// What is told of the holder of each access token.
    people: HashMap<String, Value>,
}

pub(crate) struct Provider {
    pub(crate) url: String,
    pub(crate) state: Arc<Mutex<State>>,
    signer: Arc<Signer>,
}

struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

pub(crate) fn unix() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs()
}

fn coded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).expect("a key");
        Self { key, random }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", coded(header), coded(claims));
        let signature = self.key.sign(&self.random, message.as_bytes()).expect("signed");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn keys(&self) -> Value {
        let public = self.key.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&public[1..33]), URL_SAFE_NO_PAD.encode(&public[33..]));
        json!({"keys": [{"kty": "EC", "kid": "one", "use": "sig", "alg": "ES256", "crv": "P-256", "x": x, "y": y}]})
    }
}

impl Provider {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (state, signer) = (Arc::<Mutex<State>>::default(), Arc::new(Signer::new()));
        let (shared, own, base) = (state.clone(), signer.clone(), url.clone());
        // It ends with the process of the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &shared, &own, &base);
            }
        });
        Self { url, state, signer }
    }

    pub(crate) fn keys_url(&self) -> String {
        format!("{}/keys", self.url)
    }

    /// A token with those claims beside the usual ones.
    pub(crate) fn token(&self, more: &Value) -> String {
        self.signed(&json!({"alg": "ES256", "kid": "one"}), &self.claims(more))
    }

    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        self.signer.token(header, claims)
    }

    pub(crate) fn claims(&self, more: &Value) -> Value {
        let mut claims = json!({"iss": self.url, "aud": CLIENT, "iat": unix(), "exp": unix() + 600});
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        claims
    }

    /// What everybody may know of its key.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.signer.key.public_key().as_ref().to_vec()
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.state.lock().expect("lock").down = down;
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, signer: &Signer, base: &str) {
    let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
    let (mut first, mut length, mut authorization) = (String::new(), 0, String::new());
    if reader.read_line(&mut first).is_err() || state.lock().expect("lock").down {
        return;
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.trim().split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => authorization = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let (status, answer) = answer(&first, &authorization, &body, (state, signer, base));
    let answer = answer.to_string();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    let _ = stream.write_all(format!("{head}{answer}").as_bytes());
}

fn answer(first: &str, authorization: &str, body: &[u8], (state, signer, base): (&Mutex<State>, &Signer, &str)) -> (u16, Value) {
    let mut state = state.lock().expect("lock");
    let path = first.split(' ').nth(1).unwrap_or_default();
    match path {
        "/keys" => {
            state.key_asks += 1;
            (200, signer.keys())
        }
        "/.well-known/openid-configuration" => (200, json!({"issuer": base, "jwks_uri": format!("{base}/keys")})),
        "/token" => redeem(&mut state, signer, authorization, body),
        "/userinfo" => match authorization.strip_prefix("Bearer ").and_then(|token| state.people.get(token)) {
            Some(person) => (200, person.clone()),
            None => (401, json!({"error": "invalid_token"})),
        },
        _ => (404, json!({})),
    }
}

/// A code becomes tokens, if whoever has it is our client and began with that challenge.
fn redeem(state: &mut State, signer: &Signer, authorization: &str, body: &[u8]) -> (u16, Value) {
    let form: HashMap<String, String> = pairs(std::str::from_utf8(body).expect("text")).into_iter().collect();
    let login = authorization.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let login = String::from_utf8(login).expect("text");
    let (client, secret) = login.split_once(':').unwrap_or_default();
    let Some((challenge, said)) = state.codes.remove(form.get("code").map_or("", String::as_str)) else {
        return (400, json!({"error": "invalid_grant"}));
    };
    let digest = ring::digest::digest(&ring::digest::SHA256, form["code_verifier"].as_bytes());
    let proven = URL_SAFE_NO_PAD.encode(digest.as_ref()) == challenge;
    if !proven || decoded(client) != CLIENT || decoded(secret) != SECRET || form["grant_type"] != "authorization_code" {
        return (400, json!({"error": "invalid_client"}));
    }
    let access = format!("access-{}", state.people.len());
    state.people.insert(access.clone(), said["userinfo"].clone());
    let mut tokens = json!({"access_token": access, "token_type": "Bearer", "expires_in": 300});
    if said["id_token"].is_object() {
        tokens["id_token"] = signer.token(&json!({"alg": "ES256", "kid": "one"}), &said["id_token"]).into();
    }
    (200, tokens)
}

/// Names and values of a query or a form.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(letter) = rest.chars().next() {
        match letter {
            '%' => {
                bytes.push(u8::from_str_radix(&rest[1..3], 16).expect("hex"));
                rest = &rest[3..];
            }
            letter => {
                bytes.extend(letter.to_string().into_bytes());
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    String::from_utf8(bytes).expect("text")
}
