"""Measures how many lookalikes rules find, and how many other names they take for one.

    measure.py LOOKALIKES NAMES

LOOKALIKES is the example program of the crate `alerts`. The lookalikes of each protected domain
come from dnstwist, by class. The benign names, NAMES of them, are made of the words of
english-words, without those that have a protected name as a word. Both are the same in each run.
"""

import collections
import random
import subprocess
import sys
import tempfile

import dnstwist
import english_words

PROTECTED = """adobe.com amazon.com americanexpress.com apple.com binance.com coinbase.com
docusign.com dropbox.com ebay.com facebook.com google.com instagram.com linkedin.com microsoft.com
netflix.com paypal.com revolut.com spotify.com wellsfargo.com whatsapp.com""".split()
SUFFIXES = "com com com com net org de co.uk io shop app info eu fr online xyz".split()
LABELS = "www www mail webmail autodiscover cpanel api app dev staging shop blog vpn m".split()
WORDS_ADDED = 40  # to each protected name, for the class `dictionary`
OTHER_SUFFIXES = ["net", "org", "shop", "co.uk", "de", "xyz", "app", "online"]
LEAST_RECALL = 0.95
MOST_FALSE = 0.0005


def main(program, names):
    words = sorted(english_words.get_english_words_set(["gcide"], alpha=True, lower=True))
    words = [word for word in words if 3 <= len(word) <= 10]
    chance = random.Random(1)
    missed = recall(program, words, chance)
    wrong = false_positives(program, words, chance, int(names))
    return missed or wrong


def lookalikes(domain, words, chance):
    """`(name, class)` for all that dnstwist makes of a domain."""
    added = chance.sample(words, WORDS_ADDED)
    fuzzer = dnstwist.Fuzzer(domain, dictionary=added, tld_dictionary=OTHER_SUFFIXES)
    fuzzer.generate()
    for made in sorted(fuzzer.domains, key=lambda made: (made["fuzzer"], made["domain"])):
        if made["fuzzer"] != "*original":
            yield made["domain"], made["fuzzer"]


def recall(program, words, chance):
    made = [(domain, *pair) for domain in PROTECTED for pair in lookalikes(domain, words, chance)]
    found = find(program, [name for _, name, _ in made])
    total, hits, examples = collections.Counter(), collections.Counter(), collections.defaultdict(list)
    for (domain, name, kind), like in zip(made, found, strict=True):
        total[kind] += 1
        if domain in like:
            hits[kind] += 1
        else:
            examples[kind].append(name)
    print("| class of dnstwist | names | found |\n|---|---|---|")
    for kind in sorted(total):
        print(f"| {kind} | {total[kind]:,} | {hits[kind] / total[kind]:.1%} |")
    share = hits.total() / total.total()
    print(f"| all | {total.total():,} | {share:.1%} |")
    for kind, names in sorted(examples.items()):
        shown = chance.sample(names, min(6, len(names)))
        print(f"not found, {kind}: {' '.join(shown)}")
    return share < LEAST_RECALL


def benign(words, chance):
    """A name of words, as people register them, and often a name below it."""
    brands = {domain.split(".")[0] for domain in PROTECTED}
    while True:
        parts = chance.choices(words, k=chance.choice([1, 2, 2, 2, 3]))
        label = chance.choice(["", "", "-"]).join(parts)
        if chance.random() < 0.1:
            label += str(chance.randrange(1, 2030))
        if brands.isdisjoint(parts) and len(label) < 60:
            break
    below = f"{chance.choice(LABELS)}." if chance.random() < 0.5 else ""
    return f"{below}{label}.{chance.choice(SUFFIXES)}"


def false_positives(program, words, chance, count):
    names = [benign(words, chance) for _ in range(count)]
    by_kind, by_domain, wrong, examples = collections.Counter(), collections.Counter(), 0, []
    for name, like in zip(names, find(program, names), strict=True):
        wrong += bool(like)
        for domain, kind in like.items():
            by_kind[kind] += 1
            by_domain[domain] += 1
            examples.append(f"{name} ({domain}, {kind})")
    print(f"\nbenign names: {count:,}, taken for a lookalike: {wrong:,} ({wrong / count:.4%})")
    print("by likeness:", ", ".join(f"{kind} {n}" for kind, n in by_kind.most_common()))
    print("by domain:", ", ".join(f"{domain} {n}" for domain, n in by_domain.most_common()))
    for example in chance.sample(examples, min(12, len(examples))):
        print(f"  {example}")
    return wrong / count > MOST_FALSE


def find(program, names):
    """For each name, the protected domains it is like, with the kind of likeness."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(PROTECTED))
        file.flush()
        done = subprocess.run(
            [program, file.name], input="\n".join(names), stdout=subprocess.PIPE, check=True, text=True
        )
    lines = done.stdout.split("\n")[: len(names)]
    return [dict(pair.split(" ") for pair in line.split("\t") if pair) for line in lines]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
