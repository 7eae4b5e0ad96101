//! Every property over the seeds, over what is near to them, and over real data.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use std::path::{Path, PathBuf};

use fuzzing::{TARGETS, Target};

#[path = "../../cert/tests/support/mod.rs"]
mod support;

/// A generator of numbers that are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % (end.max(1) as u64)) as usize
    }
}

fn each(mut run: impl FnMut(Target, Vec<Vec<u8>>)) {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.len() >= 3, "{}", target.name);
        run(target, seeds);
    }
}

#[test]
fn seeds() {
    each(|target, seeds| seeds.iter().for_each(|seed| (target.check)(seed)));
}

/// Or else nothing would be said about what is accepted.
#[test]
fn seeds_are_accepted() {
    each(|target, seeds| {
        for seed in seeds {
            let accepted = match target.name {
                "cert" => cert::Certificate::read(&seed).parse_error.is_none(),
                "leaf" => {
                    use ct::leaf::EntryType::{Precert, X509};
                    let extra = |kind| ct::leaf::ExtraData::parse(kind, &seed).is_ok();
                    ct::leaf::Leaf::parse(&seed).is_ok()
                        || [X509, Precert].into_iter().any(extra)
                        || ct::entries::parse_get_entries(&seed).is_ok()
                }
                "tile_leaf" => {
                    let path = str::from_utf8(&seed).map(str::parse::<ct::tile::Tile>);
                    ct::tile::TileLeaf::iter(&seed).all(|entry| entry.is_ok())
                        || matches!(path, Ok(Ok(_)))
                }
                "checkpoint" => {
                    ct::head::SignedHead::from_checkpoint(&seed, "ct.example/2026", None).is_ok()
                        || ct::head::SignedHead::from_sth(&seed).is_ok()
                        || ct::proofs::parse_consistency(&seed).is_ok()
                        || ct::proofs::parse_proof_by_hash(&seed).is_ok()
                        || ct::proofs::parse_entry_and_proof(&seed).is_ok()
                }
                "log_list" => {
                    let list = ct::log_list::LogList::parse(&seed).unwrap();
                    let is_duplicate = |skipped: &ct::log_list::Skipped| {
                        skipped.why == ct::log_list::SkipReason::Duplicate
                    };
                    list.skipped.iter().all(is_duplicate)
                }
                "decoder" => wire::decode(&seed).is_ok(),
                "frame" => {
                    feed::frame::Decoder::with_deflate().decode(&mut seed.as_slice()).is_ok()
                }
                "segment" => fuzzing::is_whole_segment(&seed),
                "logs_snapshot" => fuzzing::is_status_of_logs(&seed),
                "batch" => fuzzing::messages(&seed).iter().all(|outcome| *outcome),
                other => panic!("what does {other} accept?"),
            };
            assert!(accepted, "{}: {}", target.name, String::from_utf8_lossy(&seed));
        }
    });
}

#[test]
fn truncations() {
    each(|target, seeds| {
        for seed in seeds {
            (0..seed.len()).for_each(|length| (target.check)(&seed[..length]));
        }
    });
}

/// Inputs near the seeds, the same ones in every run.
fn mutations(count: usize, mutate: impl Fn(&[Vec<u8>], &mut Numbers) -> Vec<u8>) {
    let mut numbers = Numbers(1);
    each(|target, seeds| {
        for _ in 0..count {
            (target.check)(&mutate(&seeds, &mut numbers));
        }
    });
}

fn any_seed(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    seeds[numbers.below(seeds.len())].clone()
}

#[test]
fn flipped_bits() {
    mutations(4000, |seeds, numbers| {
        let mut input = any_seed(seeds, numbers);
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(input.len());
            input[at] ^= 1 << numbers.below(8);
        }
        input
    });
}

/// Lengths above all: bytes that are none, few, many or negative.
#[test]
fn replaced_bytes() {
    mutations(4000, |seeds, numbers| {
        let mut input = any_seed(seeds, numbers);
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(input.len());
            input[at] = [0x00, 0x01, 0x30, 0x7f, 0x80, 0x84, 0xff, b'"'][numbers.below(8)];
        }
        input
    });
}

#[test]
fn splices() {
    mutations(4000, |seeds, numbers| {
        let [head, tail] = [any_seed(seeds, numbers), any_seed(seeds, numbers)];
        let [cut, resumed] = [numbers.below(head.len() + 1), numbers.below(tail.len() + 1)];
        [&head[..cut], &tail[resumed..]].concat()
    });
}

#[test]
fn repetitions() {
    mutations(300, |seeds, numbers| {
        let input = any_seed(seeds, numbers);
        let start = numbers.below(input.len());
        let end = start + numbers.below(input.len() - start + 1);
        let repeated = input[start..end].repeat(1 + numbers.below(200));
        [&input[..start], &repeated, &input[end..]].concat()
    });
}

/// Nothing real is longer.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Each target over each file, whatever it is a file of, and over all that the files hold.
#[test]
fn real_data() {
    let Some(folder) = support::shared_data() else { return };
    for (_, der) in support::all_certificates(&folder) {
        fuzzing::cert(&der);
    }
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    assert!(paths.len() > 500, "{}", paths.len());
    for path in paths {
        if std::fs::metadata(&path).unwrap().len() > MAX_FILE_BYTES {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        TARGETS.iter().for_each(|target| (target.check)(&bytes));
        if let Ok(value) = serde_json::from_slice(&bytes) {
            texts(&value, &mut |text| {
                TARGETS.iter().for_each(|target| (target.check)(text.as_bytes()));
                if let Ok(decoded) = base64_simd::STANDARD.decode_to_vec(text) {
                    TARGETS.iter().for_each(|target| (target.check)(&decoded));
                }
            });
        }
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The texts in a value at any depth that are long enough to be something.
fn texts(value: &serde_json::Value, take: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, take)),
        serde_json::Value::Object(members) => members.values().for_each(|item| texts(item, take)),
        serde_json::Value::String(text) if text.len() > 100 => take(text),
        _ => {}
    }
}
