//! Says what is read from certificates, for comparison with other programs.
//!
//! Standard input is a run of certificates in DER, each after its length in four bytes, big-endian.
//! Standard output has one line of JSON for each: the fields, free of any dialect, and as `message`
//! the message on the full stream under the default profile.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};

use cert::certificate::Certificate;
use cert::extension::{DistributionPointItem, Extension, PolicyItem, Value};
use cert::general_name::{GeneralName, GeneralNames};
use cert::signature_algorithm::SignatureAlgorithm;
use cert::text::{self, LOWER};
use cert::{Fault, Name};
use ct::leaf::EntryType;
use record::Record;
use serde_json::{Value as Json, json};
use wire::{Event, Profile, Renderer, Source, SourceKind, StreamKind};

fn main() -> io::Result<()> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    while !input.fill_buf()?.is_empty() {
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let mut der = Vec::new();
        input.by_ref().take(u32::from_be_bytes(length).into()).read_to_end(&mut der)?;
        let certificate = Certificate::read(&der);
        let line = json!({ "fields": fields(&certificate), "message": message(&certificate)? });
        writeln!(output, "{line}")?;
    }
    output.flush()
}

fn message(certificate: &Certificate<'_>) -> io::Result<Json> {
    let source = Source::new("Log", "https://log.example/", "Operator", SourceKind::Rfc6962, None);
    let der = certificate.der.to_vec().into();
    let record = &Record::as_read(0, 0, EntryType::X509, der, Vec::new());
    let event = Event { offset: 0, record, source: &source, certificate, chain: &[] };
    let mut message = Vec::new();
    Renderer::default().render(StreamKind::Full, Profile::Calidog, &event, &mut message);
    Ok(serde_json::from_slice(&message)?)
}

fn fields(certificate: &Certificate<'_>) -> Json {
    json!({
        "sha1": hex(&certificate.sha1),
        "sha256": hex(&certificate.sha256),
        "serial": hex(certificate.serial),
        "issuer": name(&certificate.issuer),
        "subject": name(&certificate.subject),
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "signature_algorithm": signature_algorithm(certificate.signature_algorithm),
        "is_ca": certificate.is_ca,
        "parse_error": certificate.parse_error.map(|error| error.to_string()),
        "extensions": certificate.extensions.iter().map(extension).collect::<Vec<_>>(),
    })
}

/// `[type, text]` for each attribute; the text is `null` where the value is no character string.
fn name(name: &Name<'_>) -> Json {
    list(name.attributes(), |attribute| {
        json!([attribute.oid.to_string(), attribute.value.map(|value| value.to_text())])
    })
}

/// `[key, digest]`.
fn signature_algorithm(algorithm: SignatureAlgorithm) -> Json {
    let (key, digest) = match algorithm {
        SignatureAlgorithm::Rsa(digest) => ("rsa", Some(digest)),
        SignatureAlgorithm::RsaPss(digest) => ("rsa-pss", Some(digest)),
        SignatureAlgorithm::Ecdsa(digest) => ("ecdsa", Some(digest)),
        SignatureAlgorithm::Dsa(digest) => ("dsa", Some(digest)),
        SignatureAlgorithm::EdDsa => ("eddsa", None),
        SignatureAlgorithm::Unknown => return Json::Null,
    };
    json!([key, digest.map(|digest| format!("{digest:?}").to_lowercase())])
}

fn extension(extension: &Extension<'_>) -> Json {
    json!({
        "oid": extension.oid.to_string(),
        "critical": extension.critical,
        "unshown": extension.unshown,
        "value": value(&extension.value),
    })
}

fn value(value: &Value<'_>) -> Json {
    match *value {
        Value::AuthorityInfoAccess(places) => {
            list(places, |place| json!([place.method.to_string(), general_name(place.location)]))
        }
        Value::AuthorityKeyIdentifier(id) => json!(id.map(hex)),
        Value::BasicConstraints { ca } => json!(ca),
        Value::CertificatePolicies(policies) => list(policies, |item| match item {
            PolicyItem::Policy(oid) => json!(["policy", oid.to_string()]),
            PolicyItem::Cps(uri) => json!(["cps", uri.to_text()]),
            PolicyItem::UserNotice(text) => json!(["notice", text.map(|text| text.to_text())]),
            PolicyItem::OtherQualifier => json!(["other"]),
        }),
        Value::CrlDistributionPoints(points) => list(points, |item| match item {
            DistributionPointItem::FullName => json!(["full name"]),
            DistributionPointItem::Name(name) => general_name(name),
            DistributionPointItem::Unnamed => json!(["unnamed"]),
        }),
        Value::ExtendedKeyUsage(purposes) => list(purposes, |oid| json!(oid.to_string())),
        Value::IssuerAltName(names) | Value::SubjectAltName(names) => general_names(names),
        Value::KeyUsage(bits) => (0..16).filter(|bit| bits & (0x8000 >> bit) != 0).collect(),
        Value::Poison => json!(true),
        Value::SctList(bytes) | Value::SubjectKeyIdentifier(bytes) => json!(hex(bytes)),
        Value::Other => Json::Null,
    }
}

fn general_names(names: GeneralNames<'_>) -> Json {
    list(names, general_name)
}

/// `[kind, text]`.
fn general_name(name: GeneralName<'_>) -> Json {
    let kind = match name {
        GeneralName::Email(_) => "email",
        GeneralName::Dns(_) => "dns",
        GeneralName::Uri(_) => "uri",
        GeneralName::Ip(_) => "ip",
        GeneralName::Other => return json!(["other"]),
    };
    let mut text = String::new();
    // A String takes whatever is written to it.
    name.write(&mut text).unwrap_or(());
    json!([kind, text])
}

/// The members of a list, `["broken"]` for each that could not be read.
fn list<T>(members: impl Iterator<Item = Result<T, Fault>>, each: impl Fn(T) -> Json) -> Json {
    members.map(|member| member.map_or_else(|_| json!(["broken"]), &each)).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::new();
    text::write_hex(bytes, LOWER, &mut digits).unwrap_or(());
    digits
}
