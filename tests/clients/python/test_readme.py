"""What the README shows, run as it is written: only the address and the key are those of the gateway that the test serves."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from harness.gateway import MASTER_KEY, ROOT, Gateway, binary

README = (ROOT / "README.md").read_text()
ADDRESS = "http://127.0.0.1:4000"
KEY = "sk-..."


def block(language, about):
    """The README's block in that language that holds the text."""
    found = [text for text in re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S) if about in text]
    assert len(found) == 1, (language, about, len(found))
    return found[0]


@pytest.fixture(scope="module")
def served():
    """The models that the README names, each the built-in one."""
    names = ["demo/echo", "anthropic/claude-sonnet-5-5", "gemini/gemini-2.5-flash", "gpt-4o-mini"]
    models = [{"model_name": name, "litellm_params": {"model": "demo/echo"}} for name in names]
    with Gateway({"model_list": models}) as running:
        yield running


def adapted(text, served):
    assert ADDRESS in text
    return text.replace(ADDRESS, served.url).replace(KEY, MASTER_KEY)


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_curl(served):
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    # The README's gateway has no master key; this one has.
    text = adapted(block("sh", "curl -N"), served).replace("curl -N", f"curl -sSN -H 'authorization: Bearer {MASTER_KEY}'")
    said = run(["bash", "-euc", text])
    chunks = [json.loads(line[6:]) for line in said.splitlines() if line.startswith("data: {")]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == "You said: Hello, Switchboard!" and said.rstrip().endswith("data: [DONE]")


def test_key_by_curl(served):
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    text = adapted(block("sh", "/key/generate"), served).replace("curl ", "curl -sS ", 1)
    made = json.loads(run(["bash", "-euc", text], env=os.environ | {"SWITCHBOARD_MASTER_KEY": MASTER_KEY}))
    assert made["key"].startswith("sk-") and made["max_budget"] == 5.0 and made["rpm_limit"] == 60


def test_python(served):
    assert run([sys.executable, "-c", adapted(block("python", "OpenAI("), served)]).strip() == "You said: Hello!"


def test_typescript(served, tmp_path):
    node = shutil.which("node")
    places = [ROOT / "tests/clients/node/node_modules", ROOT / ".local/node/node_modules"]
    modules = next((place for place in places if (place / "@anthropic-ai/sdk").is_dir()), None)
    if not node or not modules:
        pytest.skip("there is no Node.js, or Anthropic's SDK is not installed for it")
    (tmp_path / "node_modules").symlink_to(modules)
    # It is JavaScript as well; what it got is told behind it.
    (tmp_path / "readme.mjs").write_text(adapted(block("ts", "new Anthropic"), served) + "\nconsole.log(JSON.stringify(answer));\n")
    answer = json.loads(run([node, str(tmp_path / "readme.mjs")]))
    assert answer["content"] == [{"type": "text", "text": "You said: Hello!"}] and answer["stop_reason"] == "end_turn"


def test_rust(served):
    example = binary().parent / "examples" / "readme"
    if not example.is_file() or example.stat().st_mtime < (ROOT / "crates/engine/examples/readme.rs").stat().st_mtime:
        cargo = shutil.which(os.environ.get("CARGO", "cargo"))
        if not cargo:
            pytest.skip("the example is not built and there is no cargo")
        subprocess.run([cargo, "build", "--locked", "-q", "-p", "switchboard-engine", "--example", "readme"], cwd=ROOT, check=True)
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
        example = target / "debug" / "examples" / "readme"
    # Its key is the README's, so the gateway it asks must take any: the one without a master key.
    with Gateway({"model_list": [{"model_name": "gpt-4o-mini", "litellm_params": {"model": "demo/echo"}}],
                  "general_settings": {"master_key": KEY}}) as lenient:
        answer = json.loads(run([str(example), f"{lenient.url}/v1"]))
    assert answer["type"] == "message" and answer["content"] == [{"type": "text", "text": "You said: Hello!"}]


def test_configuration(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(block("yaml", "model_list"))
    keys = {name: "sk-test-key-for-the-readme" for name in ("GROQ_API_KEY", "AZURE_API_KEY", "ANTHROPIC_API_KEY", "SWITCHBOARD_MASTER_KEY")}
    said = run([str(binary()), "check", str(path)], env={"PATH": os.environ["PATH"]} | keys)
    assert "fast" in said
