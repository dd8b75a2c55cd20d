//! Makes tokens, good ones and bad ones, and serves the keys of the good ones.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

/// For tests alone; it opens nothing.
const RSA_KEY: &[u8] = include_bytes!("../../../../../engine/tests/it/upstream/test_rsa_key.pem");

/// An issuer's keys, and an attacker's.
pub(super) struct Forge {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
    attacker: EcdsaKeyPair,
    random: SystemRandom,
}

pub(super) fn unix() -> u64 {
    crate::clock::unix_seconds()
}

pub(super) fn encode(value: &Value) -> String {
    encode_text(&value.to_string())
}

pub(super) fn encode_text(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub(super) fn short(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

fn ecdsa(random: &SystemRandom) -> EcdsaKeyPair {
    let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, random).expect("a key");
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), random).expect("a key")
}

fn point(key: &EcdsaKeyPair) -> (String, String) {
    let public = key.public_key().as_ref();
    (URL_SAFE_NO_PAD.encode(&public[1..33]), URL_SAFE_NO_PAD.encode(&public[33..]))
}

impl Forge {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let rsa = match PrivateKeyDer::from_pem_slice(RSA_KEY).expect("a key") {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => panic!("a key of another kind"),
        };
        let ed = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
        let ed = Ed25519KeyPair::from_pkcs8(ed.as_ref()).expect("a key");
        Self { rsa: rsa.expect("a key"), ec: ecdsa(&random), ed, attacker: ecdsa(&random), random }
    }

    /// The keys as their issuer shows them, with one of a kind that nobody knows.
    pub(super) fn keys(&self) -> Value {
        let parts: PublicKeyComponents<Vec<u8>> = self.rsa.public().into();
        let (n, e) = (URL_SAFE_NO_PAD.encode(parts.n), URL_SAFE_NO_PAD.encode(parts.e));
        let (x, y) = point(&self.ec);
        let ed = URL_SAFE_NO_PAD.encode(self.ed.public_key().as_ref());
        json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "use": "sig", "n": n, "e": e},
            {"kty": "RSA", "kid": "rsa-for-encryption", "use": "enc", "n": n, "e": e},
            {"kty": "RSA", "kid": "rsa-only-ps", "use": "sig", "alg": "PS256", "n": n, "e": e},
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": x, "y": y},
            {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": ed, "key_ops": ["verify"]},
            {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
            {"kty": "new", "kid": "from-the-future", "q": "1"},
        ]})
    }

    /// Texts that everybody may know and an attacker signs with.
    pub(super) fn public_texts(&self) -> Vec<(&'static str, Vec<u8>)> {
        let parts: PublicKeyComponents<Vec<u8>> = self.rsa.public().into();
        let der = self.rsa.public_key().as_ref().to_vec();
        let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", STANDARD.encode(&der));
        vec![
            ("the modulus", parts.n),
            ("the public key", der),
            ("its PEM", pem.into_bytes()),
            ("the point", self.ec.public_key().as_ref().to_vec()),
            ("the set of keys", self.keys().to_string().into_bytes()),
            ("nothing", Vec::new()),
            ("a word", b"secret".to_vec()),
        ]
    }

    pub(super) fn hmac(&self, alg: &str, kid: &str, claims: &Value, secret: &[u8]) -> String {
        let algorithm = match alg {
            "HS384" => hmac::HMAC_SHA384,
            "HS512" => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        let message = format!("{}.{}", encode(&json!({"alg": alg, "kid": kid})), encode(claims));
        let tag = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    pub(super) fn with_signature(&self, header: &Value, claims: &Value, signature: &str) -> String {
        format!("{}.{}.{signature}", encode(header), encode(claims))
    }

    /// Signed as its key does, whatever the header says.
    fn sign(&self, kid: &str, message: &str) -> Vec<u8> {
        let message = message.as_bytes();
        match kid {
            "ec" => self.ec.sign(&self.random, message).expect("signed").as_ref().to_vec(),
            "ed" => self.ed.sign(message).as_ref().to_vec(),
            "attacker" => self.attacker.sign(&self.random, message).expect("signed").as_ref().to_vec(),
            other => {
                let mut out = vec![0; self.rsa.public().modulus_len()];
                let padding: &dyn signature::RsaEncoding =
                    if other == "rsa-only-ps" { &signature::RSA_PSS_SHA256 } else { &signature::RSA_PKCS1_SHA256 };
                self.rsa.sign(padding, &self.random, message, &mut out).expect("signed");
                out
            }
        }
    }

    fn signed(&self, key: &str, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = self.sign(key, &message);
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(super) fn good(&self, kid: &str, claims: &Value) -> String {
        let alg = match kid {
            "ec" => "ES256",
            "ed" => "EdDSA",
            "rsa-only-ps" => "PS256",
            _ => "RS256",
        };
        self.signed(kid, &json!({"alg": alg, "typ": "JWT", "kid": kid}), claims)
    }

    /// With another word for the algorithm than the key's.
    pub(super) fn signed_as(&self, alg: &str, kid: &str, claims: &Value) -> String {
        self.signed(kid, &json!({"alg": alg, "kid": kid}), claims)
    }

    pub(super) fn with_header(&self, header: &Value, claims: &Value) -> String {
        self.signed("rsa", header, claims)
    }

    pub(super) fn by_attacker(&self, header: &Value, claims: &Value) -> String {
        self.signed("attacker", header, claims)
    }

    /// Headers that bring a key along, or say where one is.
    pub(super) fn bringing_keys(&self) -> Vec<Value> {
        let (x, y) = point(&self.attacker);
        let own = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "ec"});
        let mut all = vec![
            json!({"alg": "ES256", "jwk": own}),
            json!({"alg": "ES256", "kid": "ec", "jwk": own}),
            json!({"alg": "ES256", "kid": "attacker", "jwk": own}),
        ];
        for name in ["jku", "x5u", "url", "iss"] {
            all.push(json!({"alg": "ES256", "kid": "attacker", name: "https://attacker.example/keys"}));
            all.push(json!({"alg": "ES256", "kid": "ec", name: "http://127.0.0.1:1/keys"}));
        }
        all.push(json!({"alg": "ES256", "x5c": [STANDARD.encode("certificate")]}));
        all.push(json!({"alg": "ES256"}));
        all
    }
}

/// Signatures that are none, made from a good one.
pub(super) fn broken(good: &str) -> Vec<(&'static str, String)> {
    let bytes = URL_SAFE_NO_PAD.decode(good).expect("base64");
    let coded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    };
    let last = bytes.len() - 1;
    vec![
        ("a flipped first bit", coded(&flipped(0))),
        ("a flipped middle bit", coded(&flipped(last / 2))),
        ("a flipped last bit", coded(&flipped(last))),
        ("a shorter signature", coded(&bytes[..last])),
        ("a longer signature", coded(&[bytes.as_slice(), &[0]].concat())),
        ("half a signature", coded(&bytes[..last / 2])),
        ("a signature of zeros", coded(&vec![0; bytes.len()])),
        ("a signature of ones", coded(&vec![0xff; bytes.len()])),
        ("one zero", coded(&[0])),
        ("a signature twice", coded(&[bytes.as_slice(), &bytes].concat())),
        ("a signature backwards", coded(&bytes.iter().rev().copied().collect::<Vec<_>>())),
    ]
}

/// Serves keys until the process of the tests ends, and counts how often it is asked. `?once` answers only the first time.
pub(super) fn server(keys: Value) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, own) = (asked.clone(), address.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a clone")).lines().map_while(Result::ok);
            while let Some(first) = lines.next() {
                let before = counted.fetch_add(1, Ordering::SeqCst);
                let _: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
                let body = match &first {
                    first if first.contains("openid-configuration") => json!({"jwks_uri": format!("{own}/keys")}).to_string(),
                    first if first.contains("?once") && before > 0 => String::new(),
                    _ => keys.to_string(),
                };
                let status = if body.is_empty() { 503 } else { 200 };
                if write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).is_err() {
                    break;
                }
            }
        }
    });
    (address, asked)
}
