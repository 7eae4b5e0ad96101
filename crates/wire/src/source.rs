//! The log that an event comes from.

use record::{LogIdentity, Protocol};

use crate::json::Json;
use crate::profile::{Profile, SourceField};

/// The protocol a log speaks, as `source.type` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// `rfc6962`: RFC 6962 section 4.
    Rfc6962,
    /// `tiled`: c2sp.org/static-ct-api.
    Tiled,
}

impl SourceKind {
    /// Returns the value of `source.type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rfc6962 => "rfc6962",
            Self::Tiled => "tiled",
        }
    }
}

impl From<Protocol> for SourceKind {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Rfc6962 => Self::Rfc6962,
            Protocol::StaticCt => Self::Tiled,
        }
    }
}

/// A log, with all that messages say about it rendered already.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    url: String,
    operator: String,
    kind: SourceKind,
    log_id: Option<String>,
    /// `"cert_link"` up to the place of the entry.
    link: Vec<u8>,
    /// `source` under each profile, in the order of [`Profile::ALL`].
    objects: [Object; Profile::ALL.len()],
}

/// `source` under one profile, in two pieces where the time of the entry stands in it.
#[derive(Clone, Debug, Default)]
struct Object {
    before: Vec<u8>,
    after: Option<Vec<u8>>,
}

impl From<&LogIdentity> for Source {
    fn from(log: &LogIdentity) -> Self {
        let id = log.id.map(|id| id.to_string());
        Self::new(&log.name, &log.url, &log.operator, log.protocol.into(), id)
    }
}

impl Source {
    /// Makes a log.
    ///
    /// `name` is its description in the log list. `url` is where it is read: the monitoring URL of
    /// a static log; slashes at its end are dropped. An `operator` that is not known is `""` and is
    /// shown as `null`. `log_id` is the base64 of its LogID (RFC 6962 section 3.2), and `None`
    /// where no key is known.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        url: &str,
        operator: impl Into<String>,
        kind: SourceKind,
        log_id: Option<String>,
    ) -> Self {
        let mut source = Self {
            name: name.into(),
            url: url.trim_end_matches('/').to_owned(),
            operator: operator.into(),
            kind,
            log_id,
            link: Vec::new(),
            objects: Default::default(),
        };
        source.link = source.render_link();
        source.objects = Profile::ALL.map(|profile| source.render(profile));
        source
    }

    /// Returns the description of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URL at which the log is read, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the operator of the log; empty if not known.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// Returns the protocol of the log.
    #[must_use]
    pub const fn kind(&self) -> SourceKind {
        self.kind
    }

    /// Returns the base64 of the LogID, if known.
    #[must_use]
    pub fn log_id(&self) -> Option<&str> {
        self.log_id.as_deref()
    }

    /// Writes `cert_link`: where anyone can read the entry. For a static log this is the full data
    /// tile that the entry is, or will be, in.
    pub(crate) fn write_link(&self, index: u64, json: &mut Json<'_>) {
        json.raw(&self.link);
        match self.kind {
            SourceKind::Rfc6962 => {
                json.number(index);
                json.raw("&end=");
                json.number(index);
            }
            SourceKind::Tiled => write_tile_path(index / TILE_WIDTH, json),
        }
        json.raw("\"");
    }

    /// Writes the object `source`.
    pub(crate) fn write(&self, profile: Profile, submitted: u64, json: &mut Json<'_>) {
        let Object { before, after } = &self.objects[profile as usize];
        json.raw(before);
        if let Some(after) = after {
            json.seconds(submitted);
            json.raw(after);
        }
    }

    fn render_link(&self) -> Vec<u8> {
        let mut out = Vec::new();
        Json::new(&mut out).string(&match self.kind {
            SourceKind::Rfc6962 => format!("{}/ct/v1/get-entries?start=", self.url),
            SourceKind::Tiled => format!("{}/tile/data/", self.url),
        });
        out.pop();
        out
    }

    fn render(&self, profile: Profile) -> Object {
        let mut out = Vec::new();
        let mut split = None;
        Json::new(&mut out).object(|json| {
            for (key, field) in profile.choices().source {
                json.key(key);
                match field {
                    SourceField::LogId => json.optional(self.log_id.as_deref()),
                    SourceField::Name => json.string(&self.name),
                    SourceField::Operator => {
                        json.optional(Some(&*self.operator).filter(|name| !name.is_empty()));
                    }
                    SourceField::Timestamp => split = Some(json.len()),
                    SourceField::Type => json.string(self.kind.name()),
                    SourceField::Url => json.string(&self.url),
                }
            }
        });
        let after = split.map(|at| out.split_off(at));
        Object { before: out, after }
    }
}

/// Entries in a full data tile (c2sp.org/static-ct-api, c2sp.org/tlog-tiles).
const TILE_WIDTH: u64 = 256;

/// Writes the index of a tile as tlog-tiles does: three digits a path element, with an `x` before
/// all but the last. 1234067 is `x001/x234/067`.
fn write_tile_path(tile: u64, json: &mut Json<'_>) {
    write_tile_directories(tile / 1000, json);
    write_three_digits(tile % 1000, json);
}

fn write_tile_directories(group: u64, json: &mut Json<'_>) {
    if group > 0 {
        write_tile_directories(group / 1000, json);
        json.raw("x");
        write_three_digits(group % 1000, json);
        json.raw("/");
    }
}

fn write_three_digits(number: u64, json: &mut Json<'_>) {
    json.number(number / 100);
    json.number(number / 10 % 10);
    json.number(number % 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(source: &Source, index: u64) -> String {
        let mut out = Vec::new();
        source.write_link(index, &mut Json::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    fn object(source: &Source, profile: Profile) -> String {
        let mut out = Vec::new();
        source.write(profile, 1_700_000_000_123, &mut Json::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cert_link_of_an_rfc_6962_log_is_one_entry() {
        let source = Source::new("l", "https://ct.example/log/", "", SourceKind::Rfc6962, None);
        let url = "https://ct.example/log/ct/v1/get-entries?start";
        assert_eq!(link(&source, 0), format!("\"{url}=0&end=0\""));
        assert_eq!(link(&source, 4_354_630_040), format!("\"{url}=4354630040&end=4354630040\""));
        assert_eq!(source.url(), "https://ct.example/log");
    }

    #[test]
    fn cert_link_of_a_static_log_is_a_tile() {
        let source = Source::new("l", "https://mon.example", "", SourceKind::Tiled, None);
        let cases = [
            (0, "000"),
            (255, "000"),
            (256, "001"),
            (256 * 999 + 255, "999"),
            (256 * 1000, "x001/000"),
            (256 * 1_234_067, "x001/x234/067"),
            (256 * 70_000_000, "x070/x000/000"),
            (u64::MAX, "x072/x057/x594/x037/x927/935"),
        ];
        for (index, path) in cases {
            assert_eq!(link(&source, index), format!("\"https://mon.example/tile/data/{path}\""));
        }
    }

    #[test]
    fn source_has_the_members_of_each_profile() {
        let id = Some("aWQ=".to_owned());
        let source = Source::new("A \"log\"", "https://ct.example", "Op", SourceKind::Tiled, id);
        assert_eq!(
            object(&source, Profile::Calidog),
            r#"{"log_id":"aWQ=","name":"A \"log\"","operator":"Op","timestamp":1700000000.123,"type":"tiled","url":"https://ct.example"}"#
        );
        assert_eq!(
            object(&source, Profile::Go),
            r#"{"name":"A \"log\"","url":"https://ct.example","timestamp":1700000000.123,"type":"tiled"}"#
        );
        assert_eq!(
            object(&source, Profile::Rust),
            r#"{"name":"A \"log\"","url":"https://ct.example"}"#
        );
    }

    #[test]
    fn unknown_members_are_null() {
        let source = Source::new("l", "https://ct.example", "", SourceKind::Rfc6962, None);
        assert_eq!(
            object(&source, Profile::Calidog),
            r#"{"log_id":null,"name":"l","operator":null,"timestamp":1700000000.123,"type":"rfc6962","url":"https://ct.example"}"#
        );
    }
}
