//! The binary, run as people run it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::app::{Folder, TestApp};

/// The binary in an environment of its own.
pub(crate) fn switchboard(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(arguments).env_clear().env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    switchboard(arguments).output().expect("it runs")
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn help_tells_how() {
    for (arguments, words) in [
        (&["--help"][..], &["Usage: ", "Examples:", "serve", "catalog"][..]),
        (&["serve", "--help"], &["--config", "SWITCHBOARD_MASTER_KEY", "Examples:", "SIGHUP"]),
        (&["check", "--help"], &["Examples:"]),
        (&["models", "--help"], &["--supports", "per million tokens"]),
        (&["chat", "--help"], &["SWITCHBOARD_API_KEY", "Ctrl-C"]),
        (&["catalog", "update", "--help"], &["--check", "SWITCHBOARD_CATALOG"]),
    ] {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}");
        for word in words {
            assert!(out(&output).contains(word), "{word} in {}", out(&output));
        }
    }
    assert!(out(&run(&["version"])).starts_with("switchboard 0."));
    assert!(out(&run(&["completions", "bash"])).contains("complete -F"));
}

#[test]
fn check_reports_and_counts_what_is_wrong() {
    let folder = Folder::new("check");
    let good = folder.write(
        "good.yaml",
        "model_list:\n  - {model_name: echo, litellm_params: {model: demo/echo, api_key: sk-provider-key-77}}\ngeneral_settings: {master_key: sk-9f2c4e81b7d05a63}\n",
    );
    let output = run(&["check", path(&good)]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("- echo -> demo/echo"), "{}", out(&output));
    let all = format!("{}{}", out(&output), err(&output));
    assert!(!all.contains("sk-provider-key-77") && !all.contains("9f2c4e81"), "{all}");
    let unusable = folder.write(
        "unusable.yaml",
        "model_list:\n  - model_name: mine\n    litellm_params: {model: openai/gpt-4o}\n  - model_name: odd\n    litellm_params: {model: x, custom_llm_provider: nobody}\n",
    );
    let output = run(&["check", "--config", path(&unusable)]);
    assert_eq!(output.status.code(), Some(64), "{}", err(&output));
    assert!(err(&output).contains("`mine` cannot be used") && err(&output).contains("OPENAI_API_KEY"), "{}", err(&output));
    assert!(err(&output).contains("unusable.yaml:2:5") && err(&output).contains("`nobody`"), "{}", err(&output));
    assert!(err(&output).contains("2 errors"), "{}", err(&output));
    let leaking = folder.write(
        "leaking.yaml",
        "model_list:\n  - {model_name: mine, litellm_params: {model: openai/x, api_key: k, api_base: \"https://me:PASSWORD@host/v1?key=QUERY\"}}\n",
    );
    let output = run(&["check", path(&leaking)]);
    assert!(err(&output).contains("`mine` cannot be used"), "{}", err(&output));
    for private in ["PASSWORD", "QUERY"] {
        assert!(!out(&output).contains(private) && !err(&output).contains(private), "{}{}", out(&output), err(&output));
    }
    let broken = folder.write("broken.yaml", "model_list: 7\n");
    let output = run(&["check", "-q", path(&broken)]);
    assert_eq!((output.status.code(), out(&output)), (Some(64), ""), "{}", err(&output));
    assert_eq!(run(&["check", "/nonexistent/config.yaml"]).status.code(), Some(64));
}

#[test]
fn check_warns_of_what_is_hardly_meant() {
    let folder = Folder::new("hardly-meant");
    let unserved = folder.write(
        "unserved.yaml",
        "model_list:\n  - {model_name: mine, litellm_params: {model: openai/gpt-4o}}\n  - {model_name: echo, litellm_params: {model: demo/echo}}\n\
         switchboard:\n  virtual_models:\n    - name: best\n      routing_config:\n        type: weight-based-routing\n        \
         load_balance_targets: [{target: echo}, {target: mine}]\n",
    );
    let output = run(&["check", path(&unserved)]);
    let told = "the virtual model `best` never goes to its target `mine`, of which no deployment can be used\n  --> ";
    assert!(err(&output).contains(told) && err(&output).contains("unserved.yaml:9:"), "{}", err(&output));
    let mistaken = folder.write(
        "mistaken.yaml",
        "model_list:\n  - {model_name: mini, litellm_params: {model: openai/gpt-4o-mini, api_key: k, input_cost_per_token: 0.15}}\n",
    );
    let output = run(&["check", path(&mistaken)]);
    assert!(err(&output).contains("warning: of `mini`, `input_cost_per_token` is 0.15, more than a hundred times"), "{}", err(&output));
    assert!(err(&output).contains("mistaken.yaml:2:5"), "{}", err(&output));
}

#[test]
fn models_are_listed_and_shown() {
    let list = run(&["models", "--provider", "anthropic", "--mode", "chat", "--supports", "vision"]);
    assert!(out(&list).starts_with("MODEL") && out(&list).contains("anthropic/claude-sonnet-4-5"), "{}", out(&list));
    let card = run(&["models", "anthropic/claude-sonnet-4-5"]);
    assert!(out(&card).contains("per million") && out(&card).contains("context"), "{}", out(&card));
    let json: Value = serde_json::from_str(out(&run(&["models", "openai/gpt-4o", "--json"]))).expect("JSON");
    assert_eq!((&json["provider"], &json["mode"]), (&json!("openai"), &json!("chat")));
    let input = json["prices"].as_array().expect("prices").iter().find(|price| price["component"] == "input").expect("a price");
    assert_eq!((&input["usd"], &input["per"]), (&json!("2.5"), &json!("million tokens")));
    assert!(out(&run(&["models", "--providers"])).contains("GROQ_API_KEY"));
    let none = run(&["models", "--provider", "nobody"]);
    assert_eq!(none.status.code(), Some(64));
    assert!(err(&none).contains("there is no provider `nobody`"), "{}", err(&none));
    let mistyped = run(&["models", "--provider", "antropic"]);
    assert!(err(&mistyped).contains("did you mean `anthropic`?"), "{}", err(&mistyped));
}

#[test]
fn a_price_list_becomes_model_cards() {
    let folder = Folder::new("catalog");
    let list = json!({
        "openai/new-model": {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 1000, "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "a_new_field": 7},
        "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 9e-6},
    });
    let list = folder.write("prices.json", &list.to_string());
    let target = folder.path("cards/models.txt");
    let dry = run(&["catalog", "update", path(&list), "--check", "--output", path(&target)]);
    assert!(dry.status.success() && !target.exists(), "{}", err(&dry));
    assert!(out(&dry).contains("2 cards: 1 new, 1 changed"), "{}", out(&dry));
    assert!(out(&dry).contains("not understood: `a_new_field`"), "{}", out(&dry));
    let update = run(&["catalog", "update", path(&list), "-o", path(&target)]);
    assert!(update.status.success() && target.exists(), "{}", err(&update));
    let card = switchboard(&["models", "openai/new-model"]).env("SWITCHBOARD_CATALOG", &target).output().expect("it runs");
    assert!(out(&card).contains("openai/new-model") && out(&card).contains("2 per million"), "{}", out(&card));
    assert!(!run(&["catalog", "update", "/nonexistent.json"]).status.success());
}

#[test]
fn chat_reaches_a_running_gateway() {
    let app = TestApp::of("general_settings: {master_key: sk-9f2c4e81b7d05a63}");
    // Also as clients of OpenAI's have it.
    for url in [app.url(), format!("{}/v1", app.url())] {
        chat_at(&url);
    }
}

fn chat_at(url: &str) {
    let ask = |key: &str, arguments: &[&str]| {
        let mut words = vec!["chat", "--url", url, "-m", "demo/echo"];
        words.extend(arguments);
        switchboard(&words).env("SWITCHBOARD_API_KEY", key).output().expect("it runs")
    };
    for arguments in [&["Hello", "there"][..], &["--no-stream", "Hello there"]] {
        let output = ask("sk-9f2c4e81b7d05a63", arguments);
        assert_eq!((output.status.code(), out(&output)), (Some(0), "You said: Hello there\n"), "{}", err(&output));
    }
    let refused = ask("sk-wrong", &["Hello"]);
    assert!(!refused.status.success() && err(&refused).contains("401"), "{}", err(&refused));
}

#[test]
fn chat_needs_no_gateway() {
    let folder = Folder::new("chat");
    let config = folder.write("config.yaml", "model_list:\n  - {model_name: mine, litellm_params: {model: demo/echo}}\n");
    let mut child = switchboard(&["chat", "--config", path(&config)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("a pipe").write_all(b"from a pipe\n").expect("written");
    let output = child.wait_with_output().expect("ended");
    assert_eq!((output.status.code(), out(&output)), (Some(0), "You said: from a pipe\n"), "{}", err(&output));
}

/// A gateway in a process of its own; ended by its id.
pub(crate) struct Served {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Served {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = switchboard(arguments).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    /// The next line that says so.
    pub(crate) fn until(&mut self, words: &str) -> Value {
        for line in self.lines.by_ref() {
            let line = line.expect("a line");
            if line.contains(words) {
                return serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
        panic!("never said: {words}");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself, as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serve_says_where_it_is_reloads_on_a_signal_and_drains() {
    let folder = Folder::new("serve");
    let text = |name: &str| {
        format!(
            "model_list:\n  - {{model_name: {name}, litellm_params: {{model: demo/echo}}}}\nswitchboard: {{reload: {{enabled: false}}}}\n"
        )
    };
    let config = folder.write("config.yaml", &text("one"));
    let mut served = Served::start(&["--config", path(&config), "--port", "0", "--num_workers", "1", "--run_gunicorn"]);
    assert_eq!(served.until("switchboard 0.")["deployments"], 1);
    let listening = served.until("listening on");
    let address = listening["message"].as_str().and_then(|said| said.strip_prefix("listening on ")).expect("an address").to_owned();
    folder.write("config.yaml", &text("two"));
    served.signal("-HUP");
    served.until("the configuration is reloaded");
    folder.write("config.yaml", "model_list: {}{\n");
    served.signal("-HUP");
    served.until("the last good one stays in force");
    let output = run(&["chat", "--url", &address, "-m", "two", "Hello"]);
    assert_eq!(out(&output), "You said: Hello\n", "{}", err(&output));
    served.signal("-TERM");
    served.until("stopped");
    assert_eq!(served.child.wait().expect("ended").code(), Some(0));
    let mut log = String::new();
    served.child.stdout.take().expect("a pipe").read_to_string(&mut log).expect("text");
    assert!(log.contains("\"model\":\"two\"") && !log.contains("Hello"), "{log}");
}

/// Whoever is told that it listens may stop it: however early, it drains.
#[test]
fn serve_drains_from_its_first_word_on() {
    let folder = Folder::new("early-stop");
    let data = folder.path("data");
    let config = folder.write("config.yaml", &format!("switchboard: {{data_dir: {}}}\n", data.display()));
    for _ in 0..5 {
        let mut served = Served::start(&["serve", "--config", path(&config), "--port", "0", "--num_workers", "1"]);
        served.until("switchboard 0.");
        served.signal("-TERM");
        served.until("stopped");
        assert_eq!(served.child.wait().expect("ended").code(), Some(0));
    }
}

#[test]
fn serve_refuses_what_it_cannot_do() {
    let folder = Folder::new("refuse");
    let config = folder.write("config.yaml", "model_list: 7\n");
    let output = run(&["serve", "--config", path(&config)]);
    assert_eq!(output.status.code(), Some(64), "{}", err(&output));
    let line: Value = serde_json::from_str(err(&output).lines().next().expect("a line")).expect("JSON where nobody watches");
    assert!(line["at"].as_str().is_some_and(|at| at.ends_with("config.yaml:1:13")), "{line}");
    let output = run(&["--max_budget", "5"]);
    assert_eq!((output.status.code(), err(&output).contains("budgets belong to keys")), (Some(2), true), "{}", err(&output));
    let output = run(&["serve", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(output.status.code(), Some(64), "an open gateway on the network");
}
