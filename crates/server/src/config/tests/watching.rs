//! Changes of files.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use super::environment;
use crate::config::{Loader, Reload, Source, Watch};

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("switchboard-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn watch(&self, name: &str) -> Watch {
        let loader = Loader::new(Source::File(self.0.join(name)), environment());
        let loaded = loader.load();
        Watch::new(loader, &loaded)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn retries(outcome: Option<Reload>) -> Option<u32> {
    match outcome {
        Some(Reload::Changed(config)) => config.router.num_retries,
        Some(Reload::Refused(_)) | None => None,
    }
}

#[test]
fn a_change_is_seen_once() {
    let folder = Folder::new("once");
    folder.write("c.yaml", "router_settings: {num_retries: 1}");
    let mut watch = folder.watch("c.yaml");
    assert!(watch.check().is_none());
    folder.write("c.yaml", "router_settings: {num_retries: 22}");
    assert_eq!(retries(watch.check()), Some(22));
    assert!(watch.check().is_none());
}

#[test]
fn a_broken_change_is_refused_and_a_repaired_one_taken() {
    let folder = Folder::new("broken");
    folder.write("c.yaml", "router_settings: {num_retries: 1}");
    let mut watch = folder.watch("c.yaml");
    folder.write("c.yaml", "router_settings: {num_retries: ");
    let Some(Reload::Refused(found)) = watch.check() else { panic!("not refused") };
    assert!(found.has_errors());
    assert!(watch.check().is_none(), "told twice");
    folder.write("c.yaml", "router_settings: {num_retries: 333}");
    assert_eq!(retries(watch.check()), Some(333));
}

#[test]
fn a_change_that_breaks_one_model_is_refused_and_one_beside_a_broken_model_taken() {
    let folder = Folder::new("faults");
    let text = |base: &str, retries: u32| {
        format!(
            "model_list: [{{model_name: m, litellm_params: {{model: openai/m, api_base: '{base}'}}}}]\nrouter_settings: {{num_retries: {retries}}}"
        )
    };
    folder.write("c.yaml", &text("http://127.0.0.1:1/v1", 1));
    let mut watch = folder.watch("c.yaml");
    folder.write("c.yaml", &text("nowhere", 22));
    let Some(Reload::Refused(found)) = watch.check() else { panic!("not refused") };
    assert!(!found.has_errors() && found.faults().next().is_some(), "{found}");
    // A start leaves the model out; what changes beside it then takes effect.
    let mut watch = folder.watch("c.yaml");
    folder.write("c.yaml", &text("nowhere", 333));
    assert_eq!(retries(watch.check()), Some(333));
}

/// In a container a gateway with a key serves everybody's addresses, and one without would serve its own: but not before a restart.
#[test]
fn a_change_never_takes_the_key_from_a_gateway_that_others_reach() {
    let folder = Folder::new("keyless");
    folder.write("c.yaml", "general_settings: {master_key: sk-0123456789abcdef0123456789abcdef}");
    let mut loader = Loader::new(Source::File(folder.0.join("c.yaml")), environment());
    loader.overrides.contained = true;
    let loaded = loader.load();
    assert!(loaded.config.as_ref().unwrap().switchboard.listen[0].address.is_exposed());
    let mut watch = Watch::new(loader, &loaded);
    for keyless in ["router_settings: {num_retries: 1}", "", "# nothing yet\n"] {
        folder.write("c.yaml", keyless);
        let Some(Reload::Refused(found)) = watch.check() else { panic!("not refused: {keyless}") };
        assert!(found.to_string().contains("no master key is set, and other machines can reach 0.0.0.0:4000"), "{found}");
    }
    folder.write("c.yaml", "general_settings: {master_key: sk-0123456789abcdef0123456789abcdef}\nrouter_settings: {num_retries: 7}");
    assert_eq!(retries(watch.check()), Some(7));
}

#[test]
fn a_file_that_says_nothing_any_more_is_refused() {
    let folder = Folder::new("emptied");
    folder.write("c.yaml", "router_settings: {num_retries: 1}");
    let mut watch = folder.watch("c.yaml");
    for nothing in ["", "\n# to be written\n"] {
        folder.write("c.yaml", nothing);
        assert!(matches!(watch.check(), Some(Reload::Refused(_))), "{nothing:?}");
    }
}

#[test]
fn a_removed_file_is_refused_and_its_return_is_seen() {
    let folder = Folder::new("removed");
    let path = folder.write("c.yaml", "router_settings: {num_retries: 1}");
    let mut watch = folder.watch("c.yaml");
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(watch.check(), Some(Reload::Refused(_))));
    folder.write("c.yaml", "router_settings: {num_retries: 4}");
    assert_eq!(retries(watch.check()), Some(4));
}

#[test]
fn included_files_are_watched_too() {
    let folder = Folder::new("included");
    folder.write("c.yaml", "include: [more.yaml]");
    folder.write("more.yaml", "router_settings: {num_retries: 1}");
    let mut watch = folder.watch("c.yaml");
    folder.write("more.yaml", "router_settings: {num_retries: 55}");
    assert_eq!(retries(watch.check()), Some(55));
}

#[test]
fn the_thread_reloads_when_asked_and_ends_when_dropped() {
    let folder = Folder::new("thread");
    folder.write("c.yaml", "router_settings: {num_retries: 1}");
    let (send, outcomes) = mpsc::channel();
    let thread = folder.watch("c.yaml").spawn(Duration::from_secs(3600), move |outcome| send.send(outcome).unwrap());
    let thread = thread.unwrap();
    thread.reload_now();
    assert_eq!(retries(outcomes.recv().ok()), Some(1));
    drop(thread);
    assert!(outcomes.recv().is_err(), "the callback outlived the thread");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 40, failure_persistence: None, ..proptest::prelude::ProptestConfig::default()
    })]

    /// Whatever is written, what is in force is always the latest usable text.
    #[test]
    fn the_last_good_one_stays(texts in proptest::collection::vec("[a-z:{} \\n\\[\\]-]{0,30}", 1..6)) {
        let folder = Folder::new("laws");
        folder.write("c.yaml", "router_settings: {num_retries: 77}");
        let mut watch = folder.watch("c.yaml");
        let mut in_force = 77;
        for text in texts {
            folder.write("c.yaml", &text);
            let usable = Loader::new(Source::File(folder.0.join("c.yaml")), environment()).load().config;
            match watch.reload() {
                Reload::Changed(config) => {
                    in_force = config.router.num_retries.unwrap_or_default();
                    proptest::prop_assert!(usable.is_some());
                }
                Reload::Refused(found) => {
                    // A start may find nothing; a change may not.
                    let is_nothing = found.to_string().contains("the file says nothing");
                    proptest::prop_assert!(found.has_errors() == (usable.is_none() || is_nothing), "{text:?}: {found}");
                }
            }
        }
        proptest::prop_assert!(in_force == 77 || in_force == 0);
    }
}
