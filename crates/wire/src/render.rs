//! Rendering an event.

use crate::event::{Event, StreamKind};
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
    /// the extensions, long names and the end of `all_domains`. What is left then can have 32 KiB,
    /// whatever is asked for here.
    pub max_message_bytes: usize,
    /// Whether certificates without any name are left out of the domains stream. Clients that take
    /// the first name of each message stumble over an empty list.
    pub skip_empty_domains: bool,
}

impl Default for Renderer {
    fn default() -> Self {
        Self { max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES, skip_empty_domains: true }
    }
}

/// What became of an event.
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
        let outline = Extent::Outline { domains: self.max_message_bytes / 2 };
        // A certificate longer than its message may be is not even tried: what it would take to
        // write it could be twenty times its length.
        let extents: &[_] = if event.certificate.der.len() > self.max_message_bytes {
            &[outline]
        } else {
            &[Extent::Whole, Extent::WithoutDer, outline]
        };
        for &extent in extents {
            out.truncate(start);
            Message { kind, profile, choices, event, extent }.write(&mut Json::new(out));
            if out.len() - start <= self.max_message_bytes {
                return if extent == Extent::Whole { Rendered::Whole } else { Rendered::Truncated };
            }
        }
        Rendered::Truncated
    }
}

/// How much of an event a message shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// All of it.
    Whole,
    /// All but the DER and the chain.
    WithoutDer,
    /// Nothing that can be long, except this many bytes of names.
    Outline { domains: usize },
}

struct Message<'m> {
    kind: StreamKind,
    profile: Profile,
    choices: &'static Choices,
    event: &'m Event<'m>,
    extent: Extent,
}

impl Message<'_> {
    fn write(&self, json: &mut Json<'_>) {
        json.object(|json| {
            for (key, field) in self.choices.message {
                match field {
                    MessageField::Truncated if self.extent == Extent::Whole => continue,
                    _ => json.key(key),
                }
                match field {
                    MessageField::Data if self.kind == StreamKind::Domains => self.domains(json),
                    MessageField::Data => self.data(json),
                    MessageField::MessageType => json.string(self.message_type()),
                    MessageField::Offset => json.number(self.event.offset),
                    MessageField::Truncated => json.boolean(true),
                }
            }
        });
        if self.choices.line_feed && self.kind != StreamKind::Domains {
            json.raw("\n");
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
        let event = self.event;
        json.object(|json| {
            for (key, field) in self.choices.data {
                match field {
                    DataField::Chain if !self.shows_chain() => continue,
                    _ => json.key(key),
                }
                match field {
                    DataField::CertIndex => json.number(event.cert_index),
                    DataField::CertLink => event.source.write_link(event.cert_index, json),
                    DataField::Chain => self.chain(json),
                    DataField::LeafCert => self.leaf(json),
                    DataField::Seen => json.seconds(event.seen),
                    DataField::Source => event.source.write(self.profile, event.submitted, json),
                    DataField::SubmissionTimestamp => json.seconds(event.submitted),
                    DataField::UpdateType => json.string(event.kind.update_type()),
                }
            }
        });
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
