//! Rendering an event.

use crate::event::{EntryKind, Event, StreamKind};
use crate::json::Json;
use crate::profile::{Choices, DataField, EmptyChain, MessageField, Profile};
use crate::source::SourceKind;

mod certificate;

pub(crate) use certificate::issuer;

/// The size above which a message is cut, unless told otherwise: 1 MiB.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Renders events.
#[derive(Clone, Copy, Debug)]
pub struct Renderer {
    /// The size in bytes above which a message leaves something out, and says so by
    /// `"truncated":true` beside `data`: first `as_der` and the chain; if that is not enough also
    /// the extensions and long distinguished names; at last the end of `all_domains`, which fills
    /// what the rest leaves. `domains_total` goes with it: how many names there are. What is left
    /// without names can have 32 KiB, whatever is asked for here.
    pub max_message_bytes: usize,
    /// True if certificates without any name are omitted from the domains stream. Clients that take
    /// the first name of each message stumble over an empty list.
    pub skip_empty_domains: bool,
}

impl Default for Renderer {
    fn default() -> Self {
        Self { max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES, skip_empty_domains: true }
    }
}

/// The result of rendering an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendered {
    /// A message with all that belongs in it was appended.
    Whole,
    /// A message was appended that leaves something out for its size.
    Truncated,
    /// Nothing was appended, because there is nothing to show.
    Skipped,
}

impl Renderer {
    /// Appends the message for an event to `out`.
    pub fn render(
        &self,
        kind: StreamKind,
        profile: Profile,
        event: &Event<'_>,
        out: &mut Vec<u8>,
    ) -> Rendered {
        let choices = profile.choices();
        let is_empty = || event.certificate.all_domains(choices.dialect).next().is_none();
        if kind == StreamKind::Domains && self.skip_empty_domains && is_empty() {
            return Rendered::Skipped;
        }
        let start = out.len();
        let mut message =
            Message { kind, profile, choices, event, extent: Extent::Whole, domains_total: 0 };
        // A certificate longer than its message may be is not even tried: what it would take to
        // write it could be twenty times its length.
        let may_fit = event.certificate.der.len() <= self.max_message_bytes;
        if may_fit && message.write(start, out) <= self.max_message_bytes {
            return Rendered::Whole;
        }
        message.domains_total = event.certificate.all_domains(choices.dialect).count();
        message.extent = Extent::WithoutDer;
        if !may_fit || message.write(start, out) > self.max_message_bytes {
            message.extent = Extent::Outline { domains: 0 };
            let without_names = message.write(start, out) - EMPTY_LIST;
            let domains = self.max_message_bytes.saturating_sub(without_names);
            message.extent = Extent::Outline { domains };
            message.write(start, out);
        }
        Rendered::Truncated
    }
}

/// Bytes of a list of names without any.
const EMPTY_LIST: usize = "[]".len();

/// The part of an event that a message shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// All of it.
    Whole,
    /// All but the DER and the chain.
    WithoutDer,
    /// Nothing that can be long, except a list of names of this many bytes.
    Outline { domains: usize },
}

struct Message<'m> {
    kind: StreamKind,
    profile: Profile,
    choices: &'static Choices,
    event: &'m Event<'m>,
    extent: Extent,
    /// Names that the certificate has; counts where something is left out.
    domains_total: usize,
}

impl Message<'_> {
    /// Writes the message from `start` on, in place of what is there. Returns its length.
    fn write(&self, start: usize, out: &mut Vec<u8>) -> usize {
        out.truncate(start);
        self.append(&mut Json::new(out));
        out.len() - start
    }

    fn append(&self, json: &mut Json<'_>) {
        let is_whole = self.extent == Extent::Whole;
        json.object(|json| {
            for (key, field) in self.choices.message {
                let says_what_is_missing =
                    matches!(field, MessageField::DomainsTotal | MessageField::Truncated);
                let is_absent = match field {
                    MessageField::Backfilled => !self.event.record.is_backfilled,
                    _ => is_whole && says_what_is_missing,
                };
                if !is_absent {
                    json.key(key);
                    self.member(*field, json);
                }
            }
        });
        if self.choices.line_feed && self.kind != StreamKind::Domains {
            json.raw("\n");
        }
    }

    /// Writes the value of a member of the message.
    fn member(&self, field: MessageField, json: &mut Json<'_>) {
        match field {
            MessageField::Backfilled => json.boolean(true),
            MessageField::Data if self.kind == StreamKind::Domains => self.domains(json),
            MessageField::Data => self.data(json),
            MessageField::DomainsTotal => json.number(self.domains_total as u64),
            MessageField::MessageType => json.string(self.message_type()),
            MessageField::Offset => json.number(self.event.offset),
            MessageField::Truncated => json.boolean(true),
        }
    }

    const fn message_type(&self) -> &'static str {
        match self.kind {
            StreamKind::Full | StreamKind::Lite => "certificate_update",
            StreamKind::Domains => "dns_entries",
        }
    }

    fn domains(&self, json: &mut Json<'_>) {
        certificate::all_domains(self.choices.dialect, self.event.certificate, self.extent, json);
    }

    fn data(&self, json: &mut Json<'_>) {
        json.object(|json| {
            for (key, field) in self.choices.data {
                if !matches!(field, DataField::Chain) || self.shows_chain() {
                    json.key(key);
                    self.data_member(*field, json);
                }
            }
        });
    }

    /// Writes the value of a member of `data`.
    fn data_member(&self, field: DataField, json: &mut Json<'_>) {
        let Event { record, source, .. } = *self.event;
        match field {
            DataField::CertIndex => json.number(record.index),
            DataField::CertLink => source.write_link(record.index, json),
            DataField::Chain => self.chain(json),
            DataField::LeafCert => self.leaf(json),
            DataField::Seen => json.seconds(record.seen),
            DataField::Source => source.write(self.profile, record.submitted, json),
            DataField::SubmissionTimestamp => json.seconds(record.submitted),
            DataField::UpdateType => json.string(EntryKind::from(record.kind).update_type()),
        }
    }

    fn leaf(&self, json: &mut Json<'_>) {
        let extent = match self.extent {
            Extent::Whole if self.kind != StreamKind::Full => Extent::WithoutDer,
            extent => extent,
        };
        certificate::leaf(self.choices, self.event.certificate, extent, json);
    }

    fn shows_chain(&self) -> bool {
        let is_empty = self.extent != Extent::Whole || self.event.chain.is_empty();
        let omitted = is_empty
            && match self.choices.empty_chain {
                EmptyChain::Shown => false,
                EmptyChain::Omitted => true,
                EmptyChain::OmittedIfTiled => self.event.source.kind() == SourceKind::Tiled,
            };
        self.kind == StreamKind::Full && !omitted
    }

    fn chain(&self, json: &mut Json<'_>) {
        json.array(|json| {
            if self.extent == Extent::Whole {
                for issuer in self.event.chain {
                    json.item();
                    json.raw(issuer.json(self.profile));
                }
            }
        });
    }
}
