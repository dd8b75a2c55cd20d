use std::time::Duration;

use switchboard_engine::route::Names;
use switchboard_engine::settings::Settings;
use switchboard_wire::Dialect;

use super::numbered;
use crate::exchange::rig::{Rig, ask};
use crate::exchange::upstream::{Scripted, flood};
use crate::exchange::words::{clean_end, content, opening, text_of_stream};

/// Pings keep a stream open, but not for ever: a provider that sends nothing else has stalled.
#[tokio::test]
async fn a_stream_of_pings_alone_has_stalled() {
    let pings = [
        (Dialect::OpenAiChat, ": still here\n\n"),
        (Dialect::Anthropic, "event: ping\ndata: {\"type\":\"ping\"}\n\n"),
        (Dialect::Anthropic, ": still here\n\n"),
        (Dialect::Gemini, ": still here\r\n\r\n"),
        (Dialect::OpenAiResponses, ": still here\n\n"),
    ];
    for (provider, ping) in pings {
        for client in [provider, Dialect::OpenAiChat, Dialect::Anthropic] {
            let begun = format!("{}{}", opening(provider), content(provider, "Hello"));
            let upstream = Scripted::start(vec![flood(&begun, ping)]).await;
            let settings = Settings { silence: Some(Duration::from_millis(150)), ..Settings::default() };
            let rig = Rig::trying(vec![numbered(0, provider, &upstream)], Names::default(), settings);
            let told = rig.ask(&ask(client, true)).await;
            assert!(text_of_stream(client, &told.body.replace(": still here", "")).starts_with("Hello"), "{provider} for {client}");
            assert!(told.body.contains("error") && !told.body.contains(clean_end(client)), "{provider} for {client}");
            upstream.left().await;
            assert_eq!(rig.record().error.as_deref(), Some("upstream_stall"), "{provider} for {client}");
        }
    }
}
