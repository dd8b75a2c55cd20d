//! Tokens that must not be believed, and those that must (A9).

mod forge;

use std::collections::HashSet;

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_engine::upstream::Transport;

use super::issuer::{Belief, Places};
use super::{TokenError, Verifier};
use crate::config::resolved::{ClaimFields, Issuer, Unmapped};
use forge::{Forge, server, unix};

const AUDIENCE: &str = "switchboard";
const ISSUER: &str = "https://issuer.example";

fn claims(subject: &str) -> Value {
    json!({"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "iat": unix(), "exp": unix() + 600})
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims("someone");
    change(&mut claims);
    claims
}

type Vectors = Vec<(String, String)>;

/// Everything an attacker may send, with what it is.
fn vectors(forge: &Forge) -> Vectors {
    let parts = [unsigned, shared, confused, broken, key_ids, brought, claimed, deformed];
    let good = claims("attacker");
    parts.into_iter().flat_map(|part: fn(&Forge, &Value) -> Vectors| part(forge, &good)).collect()
}

/// No signature at all, in every spelling.
fn unsigned(forge: &Forge, good: &Value) -> Vectors {
    let mut all = Vectors::new();
    for alg in ["none", "None", "NONE", "nOnE", "NonE", "", " ", "null", "HS256 ", "plain"] {
        for signature in ["AA", "e30", "none"] {
            all.push((format!("alg {alg:?}"), forge.with_signature(&json!({"alg": alg, "typ": "JWT", "kid": "rsa"}), good, signature)));
        }
    }
    all
}

/// A shared secret made of what everybody may know.
fn shared(forge: &Forge, good: &Value) -> Vectors {
    let mut all = Vectors::new();
    for alg in ["HS256", "HS384", "HS512"] {
        for (what, secret) in forge.public_texts() {
            for kid in ["rsa", "ec", "ed"] {
                all.push((format!("{alg} with {what} as {kid}"), forge.hmac(alg, kid, good, &secret)));
            }
        }
    }
    all
}

/// Another algorithm than the key's.
fn confused(forge: &Forge, good: &Value) -> Vectors {
    let mut all = Vectors::new();
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "ES256K"] {
        for (kid, own) in [("rsa", "RS256"), ("ec", "ES256"), ("ed", "EdDSA"), ("rsa-for-encryption", ""), ("rsa-only-ps", "PS256")] {
            // What was signed with the right key in the wrong way, and the other way round.
            if alg != own && !(kid == "rsa" && ["RS384", "RS512", "PS256", "PS384", "PS512"].contains(&alg)) {
                all.push((format!("{alg} with the key {kid}"), forge.signed_as(alg, kid, good)));
            }
        }
    }
    all
}

/// Broken signatures.
fn broken(forge: &Forge, good: &Value) -> Vectors {
    let mut all = Vectors::new();
    for kid in ["rsa", "ec", "ed"] {
        let token = forge.good(kid, good);
        let (head, signature) = token.rsplit_once('.').expect("a token");
        for (what, signature) in forge::broken(signature) {
            all.push((format!("{what} by {kid}"), format!("{head}.{signature}")));
        }
        let other = forge.good(kid, &claims("someone else"));
        all.push((format!("a signature of another token by {kid}"), format!("{head}.{}", other.rsplit_once('.').expect("a token").1)));
        let parts: Vec<&str> = token.split('.').collect();
        all.push((format!("another payload by {kid}"), format!("{}.{}.{}", parts[0], forge::encode(&claims("admin")), parts[2])));
    }
    all
}

/// Ids of keys that are something else.
fn key_ids(forge: &Forge, good: &Value) -> Vectors {
    let mut all = Vectors::new();
    for kid in [
        json!("../../../dev/null"),
        json!("' OR '1'='1"),
        json!("unknown"),
        json!(""),
        json!(0),
        json!(null),
        json!(["rsa"]),
        json!({}),
        json!("rsa\0"),
        json!("RSA"),
        json!("http://127.0.0.1/key"),
        json!("k".repeat(5000)),
        json!("/etc/passwd"),
        json!("| id"),
    ] {
        all.push((format!("kid {}", forge::short(&kid)), forge.by_attacker(&json!({"alg": "RS256", "kid": kid}), good)));
    }
    all
}

/// Keys that the token brings along.
fn brought(forge: &Forge, good: &Value) -> Vectors {
    let mut all = Vectors::new();
    for header in forge.bringing_keys() {
        all.push((format!("header {}", forge::short(&header)), forge.by_attacker(&header, good)));
    }
    for crit in [json!(["b64"]), json!([]), json!(["exp"]), json!("exp")] {
        all.push((format!("crit {crit}"), forge.with_header(&json!({"alg": "RS256", "kid": "rsa", "crit": crit, "b64": false}), good)));
    }
    all
}

/// Claims.
fn claimed(forge: &Forge, _: &Value) -> Vectors {
    let mut all = Vectors::new();
    let wrong: Vec<Value> = [
        json!("other"),
        json!("switchboard2"),
        json!("Switchboard"),
        json!("switch"),
        json!([]),
        json!(["other"]),
        json!(7),
        json!(null),
        json!({}),
        json!(" switchboard"),
    ]
    .into_iter()
    .map(|aud| with(|claims| claims["aud"] = aud))
    .chain(
        [
            json!("https://issuer.example/"),
            json!("https://issuer.example.evil"),
            json!("HTTPS://issuer.example"),
            json!("issuer.example"),
            json!(null),
            json!(7),
            json!(["https://other.example"]),
            json!("http://issuer.example"),
            json!(""),
        ]
        .into_iter()
        .map(|iss| with(|claims| claims["iss"] = iss)),
    )
    .chain(
        [
            json!(unix() - 120),
            json!(0),
            json!(-1),
            json!(null),
            json!("never"),
            json!("9999999999"),
            json!([9_999_999_999_u64]),
            json!(true),
            json!(1.5),
        ]
        .into_iter()
        .map(|exp| with(|claims| claims["exp"] = exp)),
    )
    .chain([json!(unix() + 120), json!(9_999_999_999_u64)].into_iter().map(|nbf| with(|claims| claims["nbf"] = nbf)))
    .chain([json!(unix() + 120), json!("tomorrow"), json!(1e300)].into_iter().map(|iat| with(|claims| claims["iat"] = iat)))
    .chain(["aud", "iss", "exp"].into_iter().map(|name| with(|claims| drop(claims.as_object_mut().expect("a map").remove(name)))))
    .collect();
    for claims in wrong {
        all.push((format!("claims {claims}"), forge.good("rsa", &claims)));
    }
    all
}

/// Things of another form.
fn deformed(forge: &Forge, good: &Value) -> Vectors {
    let mut all = Vectors::new();
    let token = forge.good("ec", good);
    let parts: Vec<&str> = token.split('.').collect();
    for odd in [
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{token}.{}", parts[2]),
        format!("{token}.{}.{}", parts[0], parts[2]),
        format!(".{}.{}", parts[1], parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}=", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}", forge::encode_text("not json"), parts[1], parts[2]),
        format!("{}.{}.{}", forge::encode_text("[]"), parts[1], parts[2]),
        "..".to_owned(),
        String::new(),
        format!("{}.{}.{}", "A".repeat(9000), "B".repeat(9000), parts[2]),
        forge.good("rsa", &json!([1, 2])),
        forge.good("rsa", &json!("text")),
    ] {
        all.push((format!("form {}", &odd.chars().take(40).collect::<String>()), odd));
    }
    all
}

fn issuer(url: String, names: &[&str], audiences: &[&str]) -> Issuer {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Issuer { key_url: url, names: texts(names), audiences: texts(audiences), fields: ClaimFields::default(), unmapped: Unmapped::default() }
}

fn trusting(issuers: Vec<Issuer>, ttl: u64) -> Verifier {
    let belief = Belief { ttl: Duration::from_secs(ttl), patience: Duration::from_secs(3600) };
    Verifier::of(issuers, &Places::default(), belief, Transport::default())
}

fn verifier(address: &str) -> Verifier {
    trusting(vec![issuer(format!("{address}/keys"), &[ISSUER], &[AUDIENCE])], 600)
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

#[test]
fn nothing_forged_is_believed() {
    let forge = Forge::new();
    let (address, asked) = server(forge.keys());
    let verifier = verifier(&address);
    block(async {
        let vectors = vectors(&forge);
        assert!(vectors.len() >= 150, "{}", vectors.len());
        for (what, token) in &vectors {
            let got = verifier.claims(token).await;
            assert!(got.is_err(), "believed: {what}: {got:?}");
            assert!(!matches!(got, Err(TokenError::Away(_))), "the issuer answers: {what}");
        }
        // Those between which the forged ones were made.
        for kid in ["rsa", "ec", "ed", "rsa-only-ps"] {
            let got = verifier.claims(&forge.good(kid, &claims("someone"))).await;
            assert_eq!(got.expect(kid).0["sub"], "someone", "{kid}");
        }
        let early = with(|claims| claims["nbf"] = json!(unix() + 30));
        assert!(verifier.claims(&forge.good("ec", &early)).await.is_ok(), "clocks may differ by a minute");
        let several = with(|claims| claims["aud"] = json!(["other", AUDIENCE]));
        assert!(verifier.claims(&forge.good("ec", &several)).await.is_ok());
    });
    assert!(asked.load(std::sync::atomic::Ordering::SeqCst) <= 2, "unknown ids of keys make nobody ask again and again");
}

#[test]
fn two_tokens_never_share_what_is_remembered() {
    let forge = Forge::new();
    let mut seen = HashSet::new();
    let mut heads = HashSet::new();
    for n in 0..1000 {
        let token = forge.good("ed", &claims(&format!("user-{n}")));
        heads.insert(token[..20].to_owned());
        assert!(seen.insert(crate::digest::sha256(token.as_bytes())), "{n}");
    }
    assert_eq!(heads.len(), 1, "all begin alike, as all tokens of one key do");
}

#[test]
fn keys_are_believed_while_their_place_is_away() {
    let forge = Forge::new();
    let (address, _) = server(forge.keys());
    let good = forge.good("ec", &claims("someone"));
    block(async {
        let away = verifier("http://127.0.0.1:1");
        assert!(matches!(away.claims(&good).await, Err(TokenError::Away(_))), "that is not the token's fault");
        let once = trusting(vec![issuer(format!("{address}/keys?once"), &[ISSUER], &[AUDIENCE])], 0);
        for _ in 0..3 {
            assert!(once.claims(&good).await.is_ok());
        }
        let discovered = trusting(vec![issuer(format!("{address}/.well-known/openid-configuration"), &[], &[])], 600);
        assert!(discovered.claims(&good).await.is_ok());
    });
}

#[test]
fn each_issuer_speaks_for_itself_alone() {
    let (one, other) = (Forge::new(), Forge::new());
    let (first, second) = (server(one.keys()).0, server(other.keys()).0);
    const OTHER: &str = "https://other.example";
    let both = |second: &str| {
        trusting(
            vec![issuer(format!("{first}/keys"), &[ISSUER], &[AUDIENCE]), issuer(format!("{second}/keys"), &[OTHER], &["elsewhere"])],
            600,
        )
    };
    let (mine, theirs) = (claims("me"), with(|claims| (claims["iss"], claims["aud"]) = (json!(OTHER), json!("elsewhere"))));
    let verifier = both(&second);
    block(async {
        assert!(verifier.claims(&one.good("ec", &mine)).await.is_ok());
        let (_, whose) = verifier.claims(&other.good("ec", &theirs)).await.expect("believed");
        assert_eq!(whose.names, [OTHER]);
        assert!(verifier.claims(&other.good("ec", &mine)).await.is_err(), "signed by the wrong one");
        assert!(verifier.claims(&one.good("ec", &theirs)).await.is_err());
        let crossed = with(|claims| claims["iss"] = json!(OTHER));
        assert!(verifier.claims(&other.good("ec", &crossed)).await.is_err(), "for the audience of the first");
        // The trouble of one is none of the other's.
        let half = both("http://127.0.0.1:1");
        assert!(half.claims(&one.good("ec", &mine)).await.is_ok());
        assert!(matches!(half.claims(&other.good("ec", &theirs)).await, Err(TokenError::Away(_))));
        let forged = with(|claims| claims["iss"] = json!("https://nobody.example"));
        assert!(matches!(half.claims(&other.good("ec", &forged)).await, Err(TokenError::Stranger)));
    });
}
