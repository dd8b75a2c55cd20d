#!/usr/bin/env python3
"""Writes the price vectors of M10: what calls cost by the catalog, reckoned here with fractions and by rules of their own.

    tests/prices/vectors.py > crates/engine/tests/data/price_vectors.tsv

A line is `provider/model`, the terms of service, what was used, and the cost in nano-dollars, rounded up once. The choice of models
and amounts is the same each time: tiers by context, caches for five minutes and an hour, sound, pictures, thoughts, searches,
batches, priority and flex, models paid by the call and by the piece.
"""

import pathlib
import random
import urllib.parse
from fractions import Fraction

MODELS = pathlib.Path(__file__).resolve().parents[2] / "catalog" / "models.txt"
COUNT = 5000
# What is billed as what where it has no price of its own.
OTHERWISE = {
    "cache_read": "input", "cache_write": "input", "audio_in": "input", "image_in": "input", "video_in": "input",
    "cache_write_1h": "cache_write", "reasoning": "output", "audio_out": "output", "image_out": "output",
    "search_low": "search_medium", "search_high": "search_medium",
}
PER_TOKEN = {"input", "output", *(name for name in OTHERWISE if not name.startswith("search"))}
SERVICES = ["standard", "batch", "priority", "flex"]


def cards():
    """Each model's prices: {component: [(above, service, price of one)]}."""
    for line in MODELS.read_text().splitlines():
        name, _, fields = line.partition("\t")
        if "%" in name or "/" not in name:
            continue
        prices = {}
        for field in fields.split(" "):
            if not field.startswith("$"):
                continue
            key, _, value = field[1:].partition("=")
            key, _, above = key.partition(">")
            key, _, service = key.partition("+")
            if "@" in key:
                continue
            price = Fraction(value)
            if key in PER_TOKEN:
                price /= 10**6
            prices.setdefault(key, []).append((int(above or 0), service or "standard", price))
        if prices:
            yield urllib.parse.unquote(name), prices


def price(prices, component, service, prompt):
    """The price of one, and whether it is a price of that service."""
    while component:
        fitting = [
            (above, own == service, one) for above, own, one in prices.get(component, [])
            if own in (service, "standard") and (above == 0 or prompt > above)]
        if fitting:
            _, of_service, one = max(fitting, key=lambda found: found[:2])
            return one, of_service
        component = OTHERWISE.get(component)
    return None, False


def cost(prices, service, used):
    """Of a usage as reports have it: parts of the prompt are in `input`, parts of the answer in `output`."""
    prompt, answer = used["input"], used["output"]
    hour = used.get("cache_write_1h", 0)
    parts = {
        "cache_read": used.get("cache_read", 0), "cache_write": used.get("cache_write", 0) - hour, "cache_write_1h": hour,
        "audio_in": used.get("input_audio", 0), "image_in": used.get("input_image", 0), "video_in": used.get("input_video", 0),
        "reasoning": used.get("reasoning", 0), "audio_out": used.get("output_audio", 0), "image_out": used.get("output_image", 0),
        "search_medium": used.get("web_searches", 0),
    }
    of_prompt = ["cache_read", "cache_write", "cache_write_1h", "audio_in", "image_in", "video_in"]
    parts["input"] = prompt - sum(parts[name] for name in of_prompt)
    parts["output"] = answer - parts["reasoning"] - parts["audio_out"] - parts["image_out"]
    has = lambda name: any(above == 0 and own == "standard" for above, own, _ in prices.get(name, []))
    if has("request"):
        parts["request"] = 1
    if not has("input") and has("request"):
        parts = {"request": 1}
    total = Fraction(0)
    for name, count in parts.items():
        if count == 0:
            continue
        one, of_service = price(prices, name, service, prompt)
        if one is None:
            return None
        # A batch without a price of its own costs half.
        half = service == "batch" and not of_service and name in PER_TOKEN
        total += one * count / (2 if half else 1)
    return total


def usage(rng, prices):
    """Somebody's use of a model, near the edges of its tiers."""
    edges = [above for found in prices.values() for above, _, _ in found if above]
    prompt = rng.choice([rng.randint(0, 40), rng.randint(1, 5000), rng.randint(1, 400_000)])
    if edges and rng.random() < 0.7:
        prompt = rng.choice(edges) + rng.choice([-1, 0, 1, rng.randint(2, 50_000)])
    answer = rng.choice([0, 1, rng.randint(1, 300), rng.randint(1, 60_000)])
    used, left, rest = {"input": prompt, "output": answer}, prompt, answer
    for name, chance in [("cache_read", 0.4), ("cache_write", 0.3), ("input_audio", 0.15), ("input_image", 0.15), ("input_video", 0.05)]:
        if left and rng.random() < chance:
            used[name] = rng.randint(1, left)
            left -= used[name]
    if used.get("cache_write") and rng.random() < 0.5:
        used["cache_write_1h"] = rng.randint(1, used["cache_write"])
    for name, chance in [("reasoning", 0.3), ("output_audio", 0.1), ("output_image", 0.05)]:
        if rest and rng.random() < chance:
            used[name] = rng.randint(1, rest)
            rest -= used[name]
    if "search_medium" in prices and rng.random() < 0.3:
        used["web_searches"] = rng.randint(1, 4)
    return used


def main():
    rng = random.Random(20261121)
    known = sorted(cards())
    tiered = [card for card in known if any(above for found in card[1].values() for above, _, _ in found)]
    terms = [card for card in known if any(own != "standard" for found in card[1].values() for _, own, _ in found)]
    special = [card for card in known if {"audio_in", "cache_write_1h", "request", "reasoning", "image_in", "video_in"} & set(card[1])]
    written = 0
    while written < COUNT:
        name, prices = rng.choice(rng.choice([known, tiered, terms, special]))
        service, used = rng.choice(SERVICES), usage(rng, prices)
        if service != "standard" and not any(own == service for found in prices.values() for _, own, _ in found) and service != "batch":
            service = "standard"
        total = cost(prices, service, used)
        if total is None:
            continue
        nano = -(-total * 10**9 // 1)
        said = ",".join(f"{key}={value}" for key, value in used.items())
        print(f"{name}\t{service}\t{said}\t{nano}")
        written += 1


if __name__ == "__main__":
    main()
