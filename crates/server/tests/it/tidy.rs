//! The sentences of `docs/ARCHITECTURE.md` that a machine can check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files that may be longer than 500 lines: tables, each with its reason.
const LONG: &[(&str, &str)] = &[];
/// The longest file that anyone would want to live in.
const LONGEST: usize = 500;

/// What no manifest of `wire` may name.
const IO_CRATES: &[&str] = &["tokio", "hyper", "reqwest", "axum", "sqlx", "redis", "mio", "async-std"];

/// Providers that are neither a dialect nor a cloud with its own way to sign.
const PROVIDERS: &[&str] = &[
    "groq",
    "together",
    "deepseek",
    "fireworks",
    "perplexity",
    "cerebras",
    "sambanova",
    "nebius",
    "novita",
    "deepinfra",
    "moonshot",
    "hyperbolic",
    "friendli",
    "baseten",
    "featherless",
    "openrouter.ai",
    "dashscope",
    "volcengine",
    "nscale",
    "voyage",
    "jina",
];

/// How families of models begin their names.
const FAMILIES: &[&str] = &[
    "claude",
    "gpt-",
    "chatgpt",
    "gemini-1",
    "gemini-2",
    "gemini-3",
    "gemma",
    "llama-",
    "mistral-",
    "mixtral",
    "nova-",
    "qwen",
    "command-r",
    "grok-",
    "phi-",
    "o1",
    "o3",
    "o4-",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file below `folder`, with its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("a text");
                found.push((path, text));
            }
        }
    }
    found
}

fn crates() -> Vec<(PathBuf, String)> {
    sources(&root().join("crates"))
}

fn is_test(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // `wire` declares what reads recorded traffic under `cfg(test)`.
    path.components().any(|part| part.as_os_str() == "tests") || name == "tests.rs" || name.starts_with("recorded")
}

/// The text above the file's own tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string().replace("crates/../../", "")
}

#[test]
fn no_file_is_too_long_to_live_in() {
    let mut long: Vec<String> = Vec::new();
    for (path, text) in crates().into_iter().chain(sources(&root().join("bench"))) {
        let lines = text.lines().count();
        let allowed = LONG.iter().any(|(name, _)| path.ends_with(name));
        if lines > LONGEST && !allowed {
            long.push(format!("{}: {lines} lines", shown(&path)));
        }
    }
    assert!(long.is_empty(), "longer than {LONGEST} lines:\n{}", long.join("\n"));
}

#[test]
fn wire_does_no_io_and_knows_no_time() {
    let manifest = std::fs::read_to_string(root().join("crates/wire/Cargo.toml")).expect("a manifest");
    let dependencies = manifest.split("[dev-dependencies]").next().expect("a first part");
    for name in IO_CRATES {
        assert!(!dependencies.contains(name), "wire depends on {name}");
    }
    for (path, text) in sources(&root().join("crates/wire/src")) {
        for word in ["std::net", "std::fs", "std::env", "Instant::now", "SystemTime", "async fn"] {
            assert!(is_test(&path) || !code(&text).contains(word), "{} uses {word}", shown(&path));
        }
    }
}

#[test]
fn crates_point_downwards_only() {
    let manifest = |name: &str| std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).expect("a manifest");
    assert!(!manifest("wire").contains("switchboard-engine"));
    assert!(!manifest("engine").contains("switchboard-server"));
    assert!(!manifest("server").contains("switchboard-wire"), "the server sees wire through the engine");
}

/// The modules of a crate, each with those of them that it names.
fn modules(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let folder = root().join("crates").join(name).join("src");
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources(&folder).into_iter().filter(|(path, _)| !is_test(path)) {
        let below = path.strip_prefix(&folder).expect("a path below");
        let module = below.iter().next().and_then(|first| first.to_str()).expect("a name").trim_end_matches(".rs").to_owned();
        let declared = text.replace("#[cfg(test)]\nmod tests;", "");
        let told: Vec<&str> = code(&declared).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let told = told.join("\n");
        let named = told.split("crate::").skip(1).flat_map(|path| match path.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').map(str::trim).collect(),
            None => vec![path],
        });
        let names = named.map(|path| path.split(|next: char| next != '_' && !next.is_ascii_alphanumeric()).next().unwrap_or_default());
        modules.entry(module).or_default().extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    // The root says what there is, and what of it others see.
    modules.remove("lib");
    let known: BTreeSet<String> = modules.keys().cloned().collect();
    for (module, named) in &mut modules {
        // What the root hands on is named where it is: a circle could hide there.
        assert!(named.is_subset(&known), "{module} of {name} names what is no module: {:?}", named.difference(&known));
        named.remove(module);
    }
    modules
}

#[test]
fn modules_point_downwards_only() {
    for name in ["wire", "engine", "store", "server"] {
        let mut left = modules(name);
        assert!(left.len() > 10, "{name} has modules");
        // What names nobody who is left stands lowest, and is taken away from below.
        while let Some(lowest) = left.iter().find(|(_, named)| named.is_empty()).map(|(module, _)| module.clone()) {
            left.remove(&lowest);
            for named in left.values_mut() {
                named.remove(&lowest);
            }
        }
        assert!(left.is_empty(), "modules of {name} name each other in a circle, or stand on one: {left:#?}");
    }
}

#[test]
fn only_the_registry_chooses_a_dialect() {
    for (path, text) in crates() {
        let chooses = code(&text).contains("Dialect::Cohere =>") && code(&text).contains("Dialect::Ollama =>");
        let allowed = path.ends_with("wire/src/registry.rs") || path.ends_with("wire/src/dialect.rs");
        assert!(!chooses || allowed || is_test(&path), "{} matches on every dialect", shown(&path));
    }
}

#[test]
fn providers_are_rows() {
    let mut named = Vec::new();
    for (path, text) in crates() {
        // The tables of settings hold LiteLLM's names, a provider's among them.
        let names_settings = shown(&path).contains("config/keys/");
        if is_test(&path) || names_settings || path.components().any(|part| part.as_os_str() == "catalog") {
            continue;
        }
        for line in code(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            for provider in PROVIDERS {
                let quoted = format!("\"{provider}");
                if line.to_ascii_lowercase().contains(&quoted) {
                    named.push(format!("{}: {}", shown(&path), line.trim()));
                }
            }
        }
    }
    assert!(named.is_empty(), "code names providers:\n{}", named.join("\n"));
}

#[test]
fn what_a_models_name_tells_is_in_the_catalog() {
    let mut named = Vec::new();
    for (path, text) in crates() {
        // Converse passes on what it has no words for in those of the model's family.
        let of_bedrock = path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("bedrock"));
        // What LiteLLM calls its settings is not for us to choose.
        let keys = path.components().any(|part| part.as_os_str() == "keys");
        let shipped = path.components().any(|part| part.as_os_str() == "src");
        if is_test(&path) || of_bedrock || keys || !shipped {
            continue;
        }
        for line in code(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            if FAMILIES.iter().any(|family| line.to_ascii_lowercase().contains(&format!("\"{family}"))) {
                named.push(format!("{}: {}", shown(&path), line.trim()));
            }
        }
    }
    assert!(named.is_empty(), "code names models:\n{}", named.join("\n"));
}

#[test]
fn only_the_configuration_reads_the_environment() {
    for (path, text) in crates() {
        let reads = ["env::var(", "env::var_os(", "env::vars("].iter().any(|call| code(&text).contains(call));
        // What builds the gateway is told there what it builds.
        let builds = path.file_name().is_some_and(|name| name == "build.rs");
        let allowed = builds || path.components().any(|part| part.as_os_str() == "config") || is_test(&path);
        assert!(!reads || allowed, "{} reads the environment", shown(&path));
    }
}

#[test]
fn only_the_upstream_dials() {
    for (path, text) in sources(&root().join("crates/engine/src")) {
        let dials = code(&text).contains("TcpStream::connect") || code(&text).contains("client::conn");
        let allowed = path.components().any(|part| part.as_os_str() == "upstream");
        assert!(!dials || allowed || is_test(&path), "{} dials", shown(&path));
    }
}

#[test]
fn the_meaning_is_not_serialised() {
    for name in ["chat.rs", "reply.rs", "event.rs"] {
        let text = std::fs::read_to_string(root().join("crates/wire/src").join(name)).expect("a text");
        assert!(!text.contains("Serialize"), "{name} serialises");
    }
}

#[test]
fn no_unsafe_anywhere() {
    for (path, text) in crates() {
        let uses = code(&text).lines().any(|line| line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl"));
        assert!(!uses || path.ends_with("tidy.rs"), "{} is unsafe", shown(&path));
    }
}

#[test]
fn every_test_file_is_part_of_its_binary() {
    for name in ["wire", "engine", "server"] {
        let folder = root().join("crates").join(name).join("tests/it");
        let main = std::fs::read_to_string(folder.join("main.rs")).expect("a main file");
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let module = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            assert!(module == "main" || main.contains(&format!("mod {module};")), "{} is not run", shown(&path));
        }
    }
}
