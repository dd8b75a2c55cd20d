//! Paths at which providers hand out credentials for their accounts.

use super::outlet::{Outlet, decoded};
use super::{Catalog, Provider};

impl Outlet<'_> {
    /// Whether a credential for an account is handed out at that path, as some row says.
    ///
    /// A row that comes with the gateway says it of every provider and for good: many speak a neighbour's API, at whatever address, and
    /// what an operator's row says instead of it takes nothing back. It may add to it.
    pub fn lends(&self, rest: &str) -> bool {
        let path = decoded(rest.split('?').next().unwrap_or_default()).to_lowercase();
        // What begins a part is what it is: `auth_tokens:create`.
        let bare = path.split('/').filter(|part| !part.is_empty()).map(|part| part.split(':').next().unwrap_or_default());
        let parts: Vec<&str> = bare.collect();
        let is_there = |lent: &String| {
            let lent: Vec<&str> = lent.split('/').collect();
            parts.windows(lent.len()).any(|window| window == lent)
        };
        let lends = |provider: &Provider| provider.pass.lends.iter().any(is_there);
        Catalog::embedded().providers().chain(self.catalog.providers()).any(lends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_their_paths() {
        let outlet = Catalog::embedded().outlet("openai").expect("a provider");
        for path in [
            "v1/realtime/client_secrets",
            "v1//realtime/client_secrets/",
            "v1%2Frealtime%2Fclient_secrets",
            "v1/%72ealtime/Sessions?x=y",
            "openai/v1/realtime/calls",
            "v1/chatkit/sessions",
            "v1alpha/auth_tokens",
            "v1beta/authTokens:create",
            "v1/auth/grant",
            "v1/single-use-token/realtime_scribe",
            "v1/convai/conversation/get-signed-url",
            "v3/token",
            "oauth/token",
        ] {
            assert!(outlet.lends(path), "{path}");
        }
        for path in ["v1/files", "v1/chat/completions", "v1/responses/realtime_1", "v1/models/token", "v1/auth/whoami"] {
            assert!(!outlet.lends(path), "{path}");
        }
    }

    #[test]
    fn an_operators_row_may_add_paths_and_take_none_away() {
        let row = "[openai]\nname = \"Mine\"\nbase = \"https://mine.example\"\nauth = \"bearer\"\n";
        for (pass, adds) in [("", false), ("pass = { lends = [] }\n", false), ("pass = { lends = [\"keys/new\"] }\n", true)] {
            let catalog = Catalog::embedded().clone().with_providers(Provider::parse_rows(&format!("{row}{pass}")).expect("a row"));
            for name in ["openai", "anthropic"] {
                let outlet = catalog.outlet(name).expect("a provider");
                assert!(outlet.lends("v1/realtime/client_secrets"), "{name} {pass}");
                assert_eq!(outlet.lends("v1/keys/new"), adds, "{name} {pass}");
            }
        }
    }

    #[test]
    fn what_is_lent_is_written_as_paths_are_compared() {
        for provider in Catalog::embedded().providers() {
            for lent in &provider.pass.lends {
                assert!(!lent.split('/').any(str::is_empty) && *lent == lent.to_lowercase(), "{}: {lent}", provider.id);
            }
        }
    }
}
