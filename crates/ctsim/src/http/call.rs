//! The requests of both protocols, parsed from path and query.

use std::borrow::Cow;
use std::ops::Range;

use ct::Hash;
use ct::tile::{Tile, TileKind};
use url::form_urlencoded;

use crate::Protocol;

/// The kinds of requests, as they are counted and as faults choose among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// `ct/v1/get-sth`
    GetSth,
    /// `ct/v1/get-entries`
    GetEntries,
    /// `ct/v1/get-sth-consistency`
    GetSthConsistency,
    /// `ct/v1/get-proof-by-hash`
    GetProofByHash,
    /// `ct/v1/get-entry-and-proof`
    GetEntryAndProof,
    /// `ct/v1/get-roots`
    GetRoots,
    /// `checkpoint`
    Checkpoint,
    /// `tile/<level>/...`
    HashTile,
    /// `tile/data/...`
    DataTile,
    /// `issuer/...`
    Issuer,
    /// `log_list.json`, `log_list.sig` and `log_list_pubkey.pem`, which belong to no log.
    LogList,
}

/// A request to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    GetSth,
    /// Both ends are included.
    GetEntries {
        start: u64,
        end: u64,
    },
    GetSthConsistency {
        first: u64,
        second: u64,
    },
    GetProofByHash {
        hash: Hash,
        tree_size: u64,
    },
    GetEntryAndProof {
        leaf_index: u64,
        tree_size: u64,
    },
    GetRoots,
    Checkpoint,
    Tile(Tile),
    Issuer(Hash),
}

impl Endpoint {
    /// All of them, by their numbers.
    pub(crate) const ALL: [Self; 11] = [
        Self::GetSth,
        Self::GetEntries,
        Self::GetSthConsistency,
        Self::GetProofByHash,
        Self::GetEntryAndProof,
        Self::GetRoots,
        Self::Checkpoint,
        Self::HashTile,
        Self::DataTile,
        Self::Issuer,
        Self::LogList,
    ];

    /// Returns its name in the counts of requests.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GetSth => "get-sth",
            Self::GetEntries => "get-entries",
            Self::GetSthConsistency => "get-sth-consistency",
            Self::GetProofByHash => "get-proof-by-hash",
            Self::GetEntryAndProof => "get-entry-and-proof",
            Self::GetRoots => "get-roots",
            Self::Checkpoint => "checkpoint",
            Self::HashTile => "hash-tile",
            Self::DataTile => "data-tile",
            Self::Issuer => "issuer",
            Self::LogList => "log-list",
        }
    }

    /// The endpoint of this path below a log's prefix.
    pub(crate) fn of_path(protocol: Protocol, path: &str) -> Option<Self> {
        match protocol {
            Protocol::Rfc6962 => match path.strip_prefix("ct/v1/")? {
                "get-sth" => Some(Self::GetSth),
                "get-entries" => Some(Self::GetEntries),
                "get-sth-consistency" => Some(Self::GetSthConsistency),
                "get-proof-by-hash" => Some(Self::GetProofByHash),
                "get-entry-and-proof" => Some(Self::GetEntryAndProof),
                "get-roots" => Some(Self::GetRoots),
                _ => None,
            },
            Protocol::StaticCt => match path.split('/').next()? {
                "checkpoint" if path == "checkpoint" => Some(Self::Checkpoint),
                "issuer" => Some(Self::Issuer),
                "tile" if path.starts_with("tile/data/") => Some(Self::DataTile),
                "tile" => Some(Self::HashTile),
                _ => None,
            },
        }
    }
}

impl Call {
    /// The entries it asks for.
    pub(crate) fn entries(&self) -> Range<u64> {
        match self {
            Self::GetEntries { start, end } => *start..end.saturating_add(1),
            Self::Tile(tile) if tile.kind == TileKind::Data => tile.leaves(),
            _ => 0..0,
        }
    }

    /// Reads the request for `endpoint`; `Err` says what is wrong with its parameters.
    pub(crate) fn read(endpoint: Endpoint, path: &str, query: &str) -> Result<Self, String> {
        let number = |name| parameter(query, name)?.parse().map_err(|_| not_a(name, "number"));
        match endpoint {
            Endpoint::GetSth => Ok(Self::GetSth),
            Endpoint::GetEntries => {
                Ok(Self::GetEntries { start: number("start")?, end: number("end")? })
            }
            Endpoint::GetSthConsistency => {
                Ok(Self::GetSthConsistency { first: number("first")?, second: number("second")? })
            }
            Endpoint::GetProofByHash => {
                let text = parameter(query, "hash")?;
                let hash = decode_hash(&text).ok_or_else(|| not_a("hash", "hash in base64"))?;
                Ok(Self::GetProofByHash { hash, tree_size: number("tree_size")? })
            }
            Endpoint::GetEntryAndProof => {
                let leaf_index = number("leaf_index")?;
                Ok(Self::GetEntryAndProof { leaf_index, tree_size: number("tree_size")? })
            }
            Endpoint::GetRoots => Ok(Self::GetRoots),
            Endpoint::Checkpoint => Ok(Self::Checkpoint),
            Endpoint::HashTile | Endpoint::DataTile => {
                path.parse().map(Self::Tile).map_err(|error| format!("{path}: {error}"))
            }
            Endpoint::Issuer => {
                let fingerprint = path.strip_prefix("issuer/").and_then(fingerprint);
                fingerprint.map(Self::Issuer).ok_or_else(|| not_a("issuer", "fingerprint"))
            }
            Endpoint::LogList => Err("the log list belongs to no log".to_owned()),
        }
    }
}

fn parameter<'a>(query: &'a str, name: &str) -> Result<Cow<'a, str>, String> {
    form_urlencoded::parse(query.as_bytes())
        .find_map(|(key, value)| (key == name).then_some(value))
        .ok_or_else(|| format!("parameter {name} is missing"))
}

fn not_a(name: &str, what: &str) -> String {
    format!("parameter {name} is not a {what}")
}

fn decode_hash(text: &str) -> Option<Hash> {
    base64_simd::STANDARD.decode_to_vec(text).ok()?.try_into().ok()
}

/// 64 lower-case hexadecimal digits.
fn fingerprint(text: &str) -> Option<Hash> {
    let (digits, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes: Option<Vec<_>> =
        digits.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use ct::tile::TileKind;

    use super::*;

    fn read(protocol: Protocol, path: &str, query: &str) -> Option<Result<Call, String>> {
        Some(Call::read(Endpoint::of_path(protocol, path)?, path, query))
    }

    #[test]
    fn calls_of_rfc6962_are_read() {
        let read = |path, query| read(Protocol::Rfc6962, path, query);
        assert_eq!(
            read("ct/v1/get-entries", "start=7&end=4354630040"),
            Some(Ok(Call::GetEntries { start: 7, end: 4_354_630_040 }))
        );
        let query = "tree_size=9&hash=%2BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D";
        let mut hash = [0; 32];
        hash[0] = 0xfb;
        assert_eq!(
            read("ct/v1/get-proof-by-hash", query),
            Some(Ok(Call::GetProofByHash { hash, tree_size: 9 }))
        );
        let failed = |query| read("ct/v1/get-entries", query).unwrap().unwrap_err();
        assert_eq!(failed("start=1"), "parameter end is missing");
        assert_eq!(failed("start=-1&end=4"), "parameter start is not a number");
        assert_eq!(read("checkpoint", ""), None);
        assert_eq!(read("ct/v1/add-chain", ""), None);
    }

    #[test]
    fn calls_of_static_ct_are_read() {
        let read = |path: &str| read(Protocol::StaticCt, path, "");
        assert_eq!(read("checkpoint"), Some(Ok(Call::Checkpoint)));
        let path = format!("issuer/{}0a", "00".repeat(31));
        let mut hash = [0; 32];
        hash[31] = 10;
        assert_eq!(read(&path), Some(Ok(Call::Issuer(hash))));
        assert!(read(&path.to_uppercase()).is_none());
        assert!(read(&path.replace('a', "A")).unwrap().is_err());
        let tile = Tile { kind: TileKind::Level(1), index: 2, width: 3 };
        assert_eq!(read("tile/1/002.p/3"), Some(Ok(Call::Tile(tile))));
        assert!(read("tile/1/2").unwrap().is_err());
        assert_eq!(read("ct/v1/get-sth"), None);
    }
}
