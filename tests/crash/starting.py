"""A11, L3: configurations that are not safe, not possible, or not whole."""

import asyncio
import copy
import json
import os
import pathlib
import random
import signal
import subprocess
import time

from crash.stage import Found, Gateway, Line, binary, chat

GOOD = "sk-0123456789abcdef0123456789abcdef"
ECHO = {"model_name": "m", "litellm_params": {"model": "demo/echo"}}
BASE = {"model_list": [ECHO], "general_settings": {"master_key": GOOD}}


def base(**sections):
    made = copy.deepcopy(BASE)
    for name, keys in sections.items():
        made[name] = made.get(name, {}) | keys if isinstance(keys, dict) else keys
    return made


def setups():
    """Set-ups that must not start: a name, the file, arguments, variables, and files beside it with their modes."""
    open_ = {"model_list": [ECHO]}
    long = "0123456789abcdef0123456789abcdef"
    return [
        ("0.0.0.0 without a key", open_, ["--host", "0.0.0.0"], {}, {}),
        (":: without a key", open_, ["--host", "::"], {}, {}),
        ("0.0.0.0 with an empty key", base(general_settings={"master_key": ""}), ["--host", "0.0.0.0"], {}, {}),
        ("HOST from the environment without a key", open_, [], {"HOST": "0.0.0.0"}, {}),
        ("a key from a variable that is not there", base(general_settings={"master_key": "os.environ/NOT_THERE"}), [], {}, {}),
        ("a key that is a list", base(general_settings={"master_key": ["sk-x"]}), [], {}, {}),
        ("a sealing key that others can read", BASE, [], {"SWITCHBOARD_SEALING_KEY_FILE": "DIR/k"}, {"k": (long, 0o644)}),
        ("a sealing key that the group can read", BASE, [], {"SWITCHBOARD_SEALING_KEY_FILE": "DIR/k"}, {"k": (long, 0o640)}),
        ("a sealing key that is not there", BASE, [], {"SWITCHBOARD_SEALING_KEY_FILE": "DIR/none"}, {}),
        ("a sealing key in a file that is too short", BASE, [], {"SWITCHBOARD_SEALING_KEY_FILE": "DIR/k"}, {"k": ("short", 0o600)}),
        ("a sealing key that is too short", BASE, [], {"SWITCHBOARD_SEALING_KEY": "short"}, {}),
        ("a pepper that is too short", BASE, [], {"SWITCHBOARD_KEY_PEPPER": "short"}, {}),
        ("a database of another kind", base(general_settings={"database_url": "mysql://root@127.0.0.1/x"}), [], {}, {}),
        ("a database without a name", base(general_settings={"database_url": "postgres"}), [], {}, {}),
        ("a Redis that is none", base(router_settings={"redis_url": "http://127.0.0.1"}), [], {}, {}),
        ("tokens without keys", base(general_settings={"enable_jwt_auth": True}), [], {}, {}),
        ("tokens with keys from a file", base(general_settings={"enable_jwt_auth": True}), [], {"JWT_PUBLIC_KEY_URL": "file:///etc/passwd"}, {}),
        ("addresses that are none", base(general_settings={"allowed_ips": ["everywhere"]}), [], {}, {}),
        ("a network that is too narrow", base(general_settings={"allowed_ips": ["10.0.0.0/33"]}), [], {}, {}),
        ("a budget below nothing", base(litellm_settings={"max_budget": -1}), [], {}, {}),
        ("a budget that is no number", base(litellm_settings={"max_budget": "much"}), [], {}, {}),
        ("half of TLS", base(switchboard={"tls": {"certificate_file": "DIR/c.pem"}}), [], {}, {}),
        ("TLS without its files", base(switchboard={"tls": {"certificate_file": "DIR/c.pem", "private_key_file": "DIR/k.pem"}}), [], {}, {}),
        ("TLS with a key that is none", base(switchboard={"tls": {"certificate_file": "DIR/c.pem", "private_key_file": "DIR/k.pem"}}), [], {},
         {"c.pem": ("x", 0o600), "k.pem": ("y", 0o600)}),
        ("a data directory that cannot be", base(switchboard={"data_dir": "/proc/nope"}), [], {}, {}),
        ("an include that is not there", base(include=["nowhere.yaml"]), [], {}, {}),
        ("an include of itself", base(include=["config.yaml"]), [], {}, {}),
        ("no YAML", "{{{{", [], {}, {}),
        ("a list", "- a\n- b\n", [], {}, {}),
        ("models that are a word", base(model_list="many"), [], {}, {}),
        ("an address that is none", BASE, ["--host", "not an address"], {}, {}),
    ]


async def a11(folder, _count, timed):
    """Set-ups that are not safe: each ends by itself, with a code and a hint, and has answered nobody."""
    wrong, all_of_them = Found(), setups()
    for at, (name, config, arguments, variables, files) in enumerate(all_of_them):
        place = pathlib.Path(folder) / str(at)
        place.mkdir()
        put = lambda text: text.replace("DIR", str(place))
        (place / "config.yaml").write_text(put(config if isinstance(config, str) else json.dumps(config)))
        for file, (text, mode) in files.items():
            (place / file).write_text(text)
            (place / file).chmod(mode)
        environment = {"PATH": os.environ["PATH"], "HOME": str(place), "SWITCHBOARD_DATA_DIR": str(place / "data")}
        environment |= {variable: put(value) for variable, value in variables.items()}
        command = [str(binary()), "serve", "--config", str(place / "config.yaml"), "--port", "0", *map(put, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, cwd=place, text=True)
        try:
            _out, said = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            wrong.append(f"{name}: it runs")
            continue
        wrong.expect(process.returncode not in (0, None) and process.returncode > 0, f"{name}: it ended with {process.returncode}")
        errors = [line for line in said.splitlines() if '"ERROR"' in line or line.startswith("error:")]
        wrong.expect(errors and "listening on" not in said and "panicked" not in said, f"{name}: it said {said[-300:]!r}")
    print(f"  {len(all_of_them)} set-ups, {len(all_of_them) - len(wrong)} refused")
    wrong.expect(len(all_of_them) >= 30, "too few")
    return wrong


def mutated(chance, whole):
    """A configuration with something changed that somebody or something may have changed by mistake: its text."""
    config = copy.deepcopy(whole)
    places = []

    def walk(node, path):
        for key in list(node if isinstance(node, dict) else range(len(node))):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key], path + [key])

    walk(config, [])
    kind = chance.randrange(8)
    for _ in range(chance.choice([1, 1, 2, 4])):
        node, key = chance.choice(places)
        try:
            value = chance.choice([None, -1, 1e400, "x" * 50_000, [], {}, True, "os.environ/NOT_THERE", "\u0000", [[[[[]]]]], 10**30, "0.0.0.0", node[key]])
            if kind == 0:
                del node[key]
            elif kind == 1 and isinstance(node, dict):
                node[str(key) + chance.choice(["s", "_", "X", ""])] = value
            elif kind == 2 and isinstance(node[key], list):
                node[key] = node[key] * 20
            else:
                node[key] = value
        except (KeyError, IndexError, TypeError):
            continue
    text = json.dumps(config)
    if kind == 5:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(["", "{", "]", ",", ":", "\"", "\x00", "\t", "&a", "*a", "!!python/object:x "]) + text[at + chance.randrange(3):]
    if kind == 6:
        text = text[:chance.randrange(len(text))]
    if kind == 7:
        text = chance.choice(["", "null", "[]", "a: &a [*a]\n", "include: [config.yaml]\n", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nmodel_list: [*c]\n"])
    return text


async def l3(folder, count, timed):
    """A configuration that is changed again and again while requests come: nothing ends, and what is bad changes nothing."""
    wrong, count, chance = Found(), count or 1000, random.Random(3)
    models = [ECHO, {"model_name": "n", "litellm_params": {"model": "openai/gpt-4o-mini", "api_key": "k", "api_base": "http://127.0.0.1:9/v1"}}]
    more = {"litellm_settings": {"num_retries": 1, "fallbacks": [{"n": ["m"]}]}, "router_settings": {"routing_strategy": "simple-shuffle", "timeout": 30}}
    gateway = await asyncio.to_thread(Gateway, folder, models, more=more)
    path = gateway.folder / "config.yaml"
    whole, stop, statuses = json.loads(path.read_text()), asyncio.Event(), {}

    async def load():
        line = Line(gateway.port)
        while not stop.is_set():
            for status in [(await line.ask("POST", "/v1/chat/completions", chat("m")))[0]]:
                statuses[status] = statuses.get(status, 0) + 1
            await asyncio.sleep(0.005)

    def told():
        return sum("configuration" in line or "reload" in line for line in gateway.said)

    loading = asyncio.ensure_future(load())
    silent, refused = 0, 0
    try:
        for at in range(count):
            text = mutated(chance, whole)
            before, errors = told(), sum('"ERROR"' in line for line in gateway.said)
            path.write_text(text)
            gateway.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 5
            while told() == before and time.monotonic() < deadline and gateway.process.poll() is None:
                await asyncio.sleep(0.01)
            silent += told() == before
            refused += sum('"ERROR"' in line for line in gateway.said) > errors
            if gateway.process.poll() is not None:
                wrong.append(f"it ended with {gateway.process.returncode} on {text[:300]!r}: {''.join(gateway.said[-3:])[-500:]}")
                return wrong
            status, _text = await Line(gateway.port).ask("GET", "/health/liveness")
            wrong.expect(status == 200, f"{at}: liveness is {status}")
        path.write_text(json.dumps(whole))
        gateway.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(1)
        status, said = await Line(gateway.port).ask("POST", "/v1/chat/completions", chat("m"), whole["general_settings"]["master_key"])
        wrong.expect(status == 200, f"with the first configuration again: {status} {said[:200]}")
        # What a change that is good takes away is not there; nothing else may happen.
        print(f"  {count} configurations, {refused} refused, {silent} without a word; requests meanwhile {dict(sorted(statuses.items()))}")
        wrong.expect(not [one for one in statuses if one >= 500 and one != 503], f"answers: {statuses}")
        wrong.expect(silent == 0, f"of {silent} nothing was said")
        wrong.expect("panicked" not in "".join(gateway.said), "something panicked")
    finally:
        stop.set()
        await loading
        if gateway.process.poll() is None:
            wrong.expect(await asyncio.to_thread(gateway.stop) == 0, "it did not end with 0")
    return wrong
