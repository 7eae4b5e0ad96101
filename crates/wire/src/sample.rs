//! The message shown as an example until a certificate has come.

use std::sync::Arc;

use bytes::Bytes;
use cert::Certificate;
use ct::leaf::EntryType;
use record::Record;

use crate::event::{Event, StreamKind};
use crate::issuer::Issuer;
use crate::profile::Profile;
use crate::render::Renderer;
use crate::source::{Source, SourceKind};

/// A certificate for `example.com` and the self-signed authority above it, made for this purpose.
static LEAF: &[u8] = include_bytes!("sample/leaf.der");
static ISSUER: &[u8] = include_bytes!("sample/issuer.der");

/// 2026-01-01T00:00:00.25Z.
const SUBMITTED: u64 = 1_767_225_600_250;

/// Appends a message that is complete in every field, about an invented certificate of an invented
/// log.
pub fn sample(kind: StreamKind, profile: Profile, out: &mut Vec<u8>) {
    sample_rendered_by(&Renderer::default(), kind, profile, out);
}

/// Appends the same message as this renderer renders it.
pub fn sample_rendered_by(
    renderer: &Renderer,
    kind: StreamKind,
    profile: Profile,
    out: &mut Vec<u8>,
) {
    let source = Source::new(
        "Example log",
        "https://ct.example.org/2026",
        "Example operator",
        SourceKind::Rfc6962,
        Some("RXhhbXBsZSBsb2csIG5vdCBhIHJlYWwgbG9nIElELi4=".to_owned()),
    );
    let certificate = Bytes::from_static(LEAF);
    let record = Record {
        seen: SUBMITTED + 344,
        ..Record::as_read(1_234_567, SUBMITTED, EntryType::X509, certificate, Vec::new())
    };
    let event = Event {
        offset: 1,
        record: &record,
        source: &source,
        certificate: &Certificate::read(LEAF),
        chain: &[Arc::new(Issuer::new(Bytes::from_static(ISSUER)))],
    };
    renderer.render(kind, profile, &event, out);
}
