//! One call through the engine, without a server.

use std::sync::Arc;

use http_body_util::BodyExt;
use switchboard_engine::catalog::{Auth as Shown, Catalog};
use switchboard_engine::deployment::{Deployment, Spec};
use switchboard_engine::route::{Fleet, Names};
use switchboard_engine::sign::{Auth, Secret, Signer};
use switchboard_engine::upstream::{Origin, Timeouts, Upstream};
use switchboard_engine::wire::Dialect;
use switchboard_engine::{admit::Admission, call::Call, gateway::Gateway, settings::Settings, worker::Worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base = std::env::args().nth(1); // without one, the provider's own
    let spec = Spec { group: "fast".into(), provider: "openai".into(), model: "gpt-4o-mini".into(), base, ..Spec::default() };
    let signer = |_: &Shown, origin: &Origin| {
        let auth = Auth::bearer(&Secret::from("sk-...")).map_err(|error| error.to_string())?;
        Ok(Arc::new(Signer::new(origin.clone(), auth)))
    };
    let deployment = Deployment::build(spec, Catalog::embedded(), &|_| None, &signer)?;
    let fleet = Fleet::new(vec![deployment], Names::default(), Box::new(|_, _| None));
    let gateway = Gateway::new(fleet, Admission::new(1_000), Arc::new(()), Settings::default());
    let worker = Worker { upstream: Upstream::new(Default::default()), timeouts: Timeouts::default() };

    // A request in Anthropic's format, to a provider that speaks OpenAI's.
    let body = r#"{"model": "fast", "max_tokens": 256, "messages": [{"role": "user", "content": "Hello!"}]}"#;
    let answer = gateway.call(&Call::chat(Dialect::Anthropic, body)?, &worker).await?;
    println!("{}", String::from_utf8_lossy(&answer.body.collect().await?.to_bytes()));
    Ok(())
}
