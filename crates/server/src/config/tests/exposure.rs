//! Who may reach the gateway, and with which key.

use super::load_text_in;
use crate::config::Environment;

fn findings(text: &str, variables: &[(&str, &str)]) -> String {
    load_text_in(text, Environment::from_iter(variables.iter().copied())).diagnostics.to_string()
}

const STRONG: &str = "general_settings: {master_key: sk-9f2c4e81b7d05a63}";

#[test]
fn no_key_on_this_machine_is_a_warning() {
    let found = findings("", &[]);
    assert!(found.contains("warning: no master key is set: anyone on this machine"), "{found}");
    assert!(!found.contains("error"), "{found}");
}

#[test]
fn no_key_on_the_network_is_refused_with_what_to_do() {
    let found = findings("", &[("HOST", "0.0.0.0")]);
    assert!(found.contains("error: no master key is set, and other machines can reach 0.0.0.0:4000"), "{found}");
    assert!(found.contains("set SWITCHBOARD_MASTER_KEY"), "{found}");
}

#[test]
fn a_key_whose_variable_is_unset_is_never_no_key() {
    let found = findings("general_settings: {master_key: os.environ/ABSENT}", &[]);
    assert!(found.contains("error: `general_settings.master_key` needs the environment variable `ABSENT`"), "{found}");
}

#[test]
fn one_exposed_address_among_many_counts() {
    let found = findings("switchboard: {listen: ['127.0.0.1:1', '192.0.2.1:2']}", &[]);
    assert!(found.contains("other machines can reach 192.0.2.1:2"), "{found}");
}

#[test]
fn the_refusal_can_be_lifted_on_purpose() {
    let text = "general_settings: {dangerously_permit_weak_or_unset_master_key: true}";
    assert!(!findings(text, &[("HOST", "::")]).contains("error"));
}

#[test]
fn weak_keys_are_named_but_work() {
    for key in ["sk-1234", "sk-12345678", "short", "aaaaaaaaaaaaaaaa", "changeme"] {
        let found = findings("", &[("LITELLM_MASTER_KEY", key), ("HOST", "0.0.0.0")]);
        assert!(found.contains("warning: the master key is easy to guess"), "{key}: {found}");
        assert!(!found.contains("error"), "{key}: {found}");
    }
    assert!(!findings(STRONG, &[]).contains("master key"));
}

#[test]
fn plain_http_on_the_network_is_a_warning_unless_a_proxy_is_there() {
    let exposed = [("HOST", "0.0.0.0")];
    assert!(findings(STRONG, &exposed).contains("unencrypted"));
    assert!(!findings(&format!("{STRONG}\nswitchboard: {{behind_tls_proxy: true}}"), &exposed).contains("unencrypted"));
    assert!(!findings(STRONG, &[]).contains("unencrypted"));
}

#[test]
fn the_file_wins_then_our_variable_then_theirs() {
    let key = |text: &str, variables: &[(&str, &str)]| {
        let config = load_text_in(text, Environment::from_iter(variables.iter().copied())).config.unwrap();
        config.general.master_key.unwrap().expose().to_owned()
    };
    let both = [("LITELLM_MASTER_KEY", "theirs"), ("SWITCHBOARD_MASTER_KEY", "ours")];
    assert_eq!(key("general_settings: {master_key: file}", &both), "file");
    assert_eq!(key("general_settings: {master_key: null}", &both), "ours");
    assert_eq!(key("", &both[..1]), "theirs");
}
